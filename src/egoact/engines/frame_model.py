"""A backbone with its normalisation in front: what every engine runs.

Shapes: B frames, H x W pixels.
"""

import torch
from torch import Tensor, nn


def num_wide(num_convolutions: int) -> int:
    """How many convolutions from the input on int8 leaves alone: they have few channels and the most pixels."""
    return min(4, -(-num_convolutions // 4))


class FrameModel(nn.Module):
    """A module with its normalisation in front: uint8 (B, H, W, 3) in, float32 features out."""

    scale: Tensor
    shift: Tensor

    def __init__(self, module: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        scale = torch.tensor([1 / (255 * s) for s in std])
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.permute(0, 3, 1, 2).to(self.scale.dtype)
        return self.module(images * self.scale + self.shift).float()
