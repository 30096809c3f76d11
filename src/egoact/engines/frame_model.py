"""A backbone with its normalisation in front: what every engine runs.

Shapes: B frames, H x W pixels.
"""

import torch
from torch import Tensor, nn

_MOST_OF_A_FIRST_BLOCK = 0.1  # of all parameters: more than that is no first block


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

    def split(self) -> "tuple[FrameModel, nn.Module] | None":
        """The normalisation with the first block, and all that follows; None where there is no small first block.

        The first block has few channels and sees the most pixels: what it loses in a low precision is lost for all
        that follows, and keeping it in float32 costs little.
        """
        if not isinstance(self.module, nn.Sequential) or len(self.module) < 2:
            return None
        sizes = [sum(p.numel() for p in block.parameters()) for block in self.module]
        if not 0 < sizes[0] < _MOST_OF_A_FIRST_BLOCK * sum(sizes):
            return None
        first = FrameModel(self.module[0], mean=(0.0,) * 3, std=(1.0,) * 3)
        first.scale, first.shift = self.scale, self.shift
        return first.eval(), self.module[1:].eval()

    @property
    def num_float(self) -> int:
        """How many of its first convolutions stay in float32 when the others become int8."""
        halves = self.split()
        return 1 if halves is None else sum(isinstance(part, nn.Conv2d) for part in halves[0].modules())
