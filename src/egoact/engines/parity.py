"""Whether an engine says what torch says in float32: the proof before it is trusted."""

import numpy as np
import torch
from torch import nn

from egoact.engines.engine import Engine
from egoact.engines.frame_model import FrameModel

MIN_COSINE = {"f32": 0.999, "bf16": 0.999, "f16": 0.999, "int8": 0.99}
MAX_SCALE_ERROR = 0.05  # of the length of a feature vector; a cosine alone does not see it


def check_parity(engine: Engine, module: nn.Module, frames: np.ndarray, *, mean: tuple, std: tuple) -> float:
    """Lowest cosine between an engine's features and torch's in float32, over some real frames.

    Args:
        engine: The engine to check.
        module: The module that it was made from, on the CPU or a GPU.
        frames: uint8 (B, H, W, 3).
        mean: As for `load_engine`.
        std: As for `load_engine`.

    Raises:
        ValueError: Features of another shape, not finite, or too far from torch's in direction or length.
    """
    reference = FrameModel(module.float(), mean=mean, std=std).eval()
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        expected = reference.to(device)(torch.tensor(frames, device=device)).cpu().numpy()
    found = engine.run(frames)
    if found.shape != expected.shape or not np.isfinite(found).all():
        what = f"shape {found.shape}, needed {expected.shape}" if found.shape != expected.shape else "not finite"
        raise ValueError(f"{engine.name} in {engine.precision} gives broken features ({what}); choose another --engine")
    cosine, scale_error = compare_features(expected, found)
    if cosine < MIN_COSINE[engine.precision] or scale_error > MAX_SCALE_ERROR:
        raise ValueError(
            f"{engine.name} in {engine.precision} gives other features than torch in f32: cosine {cosine:.4f}, "
            f"needed {MIN_COSINE[engine.precision]}, length off by {scale_error:.1%}; "
            "choose another --engine or --precision f32"
        )
    return cosine


def compare_features(expected: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Lowest cosine, and largest error of length as a share of the length, over the frames of two (B, ...) arrays."""
    a, b = (x.reshape(len(expected), -1).astype(np.float64) for x in (expected, found))
    lengths, found_lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    both = lengths * found_lengths
    cosines = np.where(both > 0, (a * b).sum(1) / np.maximum(both, 1e-30), lengths == found_lengths)
    scale_errors = np.abs(found_lengths - lengths) / np.maximum(lengths, 1e-30)
    return float(cosines.min()), float(scale_errors.max())
