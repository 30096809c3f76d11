"""What every engine is: uint8 frames of one size in, float32 features out.

    frames uint8 (B, H, W, 3) RGB ──► normalise ──► module ──► float32 (B, D) or (B, C, h, w)

Frames stay uint8 until they are inside the engine; the normalisation is part of its graph.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.backbones.registry import Backbone


class Engine(Protocol):
    """Runs a frozen module on batches of frames.

    `run` takes uint8 (B, H, W, 3) RGB, or stacks of C channels, and gives float32 (B, D) or (B, C, h, w). It is fastest
    with `batch_size` frames at a time. `graph` is what int8 made of the module with its calibration, to be kept with
    the features; None in other precisions.
    """

    name: str
    precision: str
    batch_size: int
    graph: bytes | None

    def run(self, frames: np.ndarray) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Options:
    """What an engine is told besides the model; see `load_engine`."""

    input_size: tuple[int, int]
    precision: str = "auto"
    device: str = "cpu"
    calibration: np.ndarray | bytes | None = None
    is_compiled: bool = False

    def int8_graph(self, quantize: Callable[[np.ndarray], bytes]) -> bytes:
        """The graph that was given as calibration, or what `quantize` makes of real frames that were."""
        if self.calibration is None:
            raise ValueError("int8 is calibrated on real frames, and none were given")
        if isinstance(self.calibration, bytes):
            return self.calibration
        return quantize(checked_frames(self.calibration, self.input_size))


def checked_frames(
    frames: np.ndarray, input_size: tuple[int, int], num_channels: int = 3, window: tuple[int, ...] = ()
) -> np.ndarray:
    """Frames as one block of memory; floats from 0 to 1 are refused: they would give features too, only wrong ones."""
    shape = (*window, *input_size, num_channels)
    if frames.dtype != np.uint8 or frames.shape[1:] != shape or not len(frames):
        wanted = f"uint8 of shape (B, {', '.join(map(str, shape))})"
        raise ValueError(f"frames must be {wanted}, got {frames.dtype} of shape {frames.shape}")
    return np.ascontiguousarray(frames)


def num_wide(num_convolutions: int) -> int:
    """How many convolutions from the input on int8 leaves alone: they have few channels and the most pixels."""
    return min(4, -(-num_convolutions // 4))


def frame_model(backbone: Backbone) -> "FrameModel":
    """A backbone's module with its own normalisation in front, in eval mode."""
    if backbone.spec.window is not None:
        model = WindowModel(backbone.module, mean=backbone.spec.mean, std=backbone.spec.std)
        model.window = (backbone.spec.window.num_pictures,)
        return model.eval()
    return FrameModel(backbone.module, mean=backbone.spec.mean, std=backbone.spec.std).eval()


class FrameModel(nn.Module):
    """A module with its normalisation in front: uint8 (B, H, W, 3) in, float32 features out."""

    scale: Tensor
    shift: Tensor
    window: tuple[int, ...] = ()  # pictures of a window; of single frames none

    def __init__(self, module: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        scale = torch.tensor([1 / (255 * s) for s in std])
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, -1, 1, 1), persistent=False)

    @property
    def num_channels(self) -> int:
        """Of its frames: 3, or those of a stack."""
        return self.scale.shape[1]

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.permute(0, 3, 1, 2).to(self.scale.dtype)
        return self.module(images * self.scale + self.shift).float()


class WindowModel(FrameModel):
    """The same for a video encoder: uint8 (B, N, H, W, 3) in, float32 rows (B, T, D) out."""

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.permute(0, 1, 4, 2, 3).to(self.scale.dtype)
        return self.module(images * self.scale + self.shift).float()
