"""Whether an engine says what torch says in float32: the proof before it is trusted."""

from dataclasses import dataclass

import numpy as np
import torch

from egoact.engines.frame_model import frame_model
from egoact.engines.interface import Engine
from egoact.models.backbones.registry import Backbone

MIN_COSINE = {"f32": 0.999, "bf16": 0.999, "f16": 0.999, "int8": 0.99}  # of every frame
MAX_SCALE_ERROR = 0.05  # of the length of a feature vector; a cosine alone does not see it


@dataclass(frozen=True)
class Agreement:
    """How near features are to those of torch, over some frames."""

    cosine: float  # mean over the frames
    lowest: float  # lowest cosine of a frame
    scale_error: float  # largest error of a length, as a share of the length

    def complaint(self, precision: str) -> str | None:
        """What is too far for a precision; None: nothing."""
        needed = MIN_COSINE[precision]
        if not self.lowest >= needed:
            return f"cosine {self.lowest:.4f}, needed {needed}"
        if not self.scale_error <= MAX_SCALE_ERROR:
            return f"length off by {self.scale_error:.1%}, allowed {MAX_SCALE_ERROR:.0%}"
        return None


def check_parity(engine: Engine, backbone: Backbone, frames: np.ndarray) -> Agreement:
    """How near an engine's features are to torch's in float32, over some real frames, uint8 (B, H, W, 3).

    A `ValueError` for features of another shape, not finite, or too far from torch's in direction or length.
    """
    backbone.module.float()
    expected = torch_features(backbone, frames)
    found = engine.run(frames)
    gives = f"{engine.name} in {engine.precision} gives"
    if found.shape != expected.shape or not np.isfinite(found).all():
        what = f"shape {found.shape}, needed {expected.shape}" if found.shape != expected.shape else "not finite"
        raise ValueError(f"{gives} broken features ({what}); choose another --engine")
    agreement = compare_features(expected, found)
    if complaint := agreement.complaint(engine.precision):
        what = f"other features than torch in f32: {complaint}"
        raise ValueError(f"{gives} {what}; choose another --engine or --precision f32")
    return agreement


def torch_features(backbone: Backbone, frames: np.ndarray) -> np.ndarray:
    """uint8 (B, H, W, 3) -> float32 features, by torch in float32 where the backbone is."""
    device = next((p.device for p in backbone.module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        return frame_model(backbone).to(device)(torch.tensor(frames, device=device)).cpu().numpy()


def compare_features(expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Of two (B, ...) arrays of features."""
    a, b = (x.reshape(len(expected), -1).astype(np.float64) for x in (expected, found))
    lengths, found_lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    both = lengths * found_lengths
    cosines = np.where(both > 0, (a * b).sum(1) / np.maximum(both, 1e-30), lengths == found_lengths)
    scale_errors = np.abs(found_lengths - lengths) / np.maximum(lengths, 1e-30)
    return Agreement(float(cosines.mean()), float(cosines.min()), float(scale_errors.max()))
