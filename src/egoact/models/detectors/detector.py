"""A detector of actions: a pyramid over time, and at each of its points the class and both ends of an action.

    steps      . . . . . . . . . . . . . . . .     level 0, stride 1
                 .       .       .       .         level 2, stride 4
                     |<-- left --.---- right ---->|

Shapes: B recordings in a batch, F steps, C narrow features, P points of a level, K classes of a target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from egoact.models.segmenters.asformer import attend


@dataclass(frozen=True, eq=False)
class Level:
    """What a level of the pyramid says, whose points are `stride` steps apart, the first one at the first step.

    Args:
        stride: Steps.
        mask: Where there are points, float (B, P).
        logits: Of each target, (B, K, P), each class by itself (sigmoid).
        reaches: Of each target, (B, 2, P): steps from a point back to the beginning and on to the end of its action.
    """

    stride: int
    mask: Tensor
    logits: list[Tensor]
    reaches: list[Tensor]


class Detector(nn.Module):
    """ActionFormer (Zhang et al. 2022, arXiv:2202.07925), small, with a branch of its own for verbs and for nouns.

    Blocks of local attention and a convolution, of `width` channels; from level to level every second point is kept,
    and each attends to the `window` points before and after it. The branches are the same at all levels, but for how
    long an action is expected to be; there is no output for background, though `sizes` count it.
    """

    def __init__(
        self,
        num_features: int,
        sizes: Sequence[int],
        *,
        width: int = 64,
        levels: int = 6,
        window: int = 8,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(dropout)
        self.enter = _Convolutions(num_features, width, width)
        self.blocks = nn.ModuleList(_Block(width, window, dropout) for _ in range(levels))
        self.shrink = nn.ModuleList(nn.Conv1d(width, width, 3, stride=2, padding=1) for _ in range(levels - 1))
        self.classify = nn.ModuleList(_Convolutions(width, width, width, size - 1) for size in sizes)
        self.regress = nn.ModuleList(_Convolutions(width, width, width, 2) for _ in sizes)
        self.scales = nn.Parameter(torch.ones(len(sizes), levels))
        for branch in self.classify:  # nothing is likely before something is learned (RetinaNet, arXiv:1708.02002)
            nn.init.constant_(branch.layers[-1].bias, -4.0)  # type: ignore[union-attr, index, arg-type]

    def forward(self, features: Tensor, mask: Tensor) -> list[Level]:
        """All levels, the finest first: features (B, C, F), mask float (B, 1, F), 1 where a step is there."""
        x = self.enter(self.dropout(features), mask)
        found = []
        for number, block in enumerate(self.blocks):
            if number:
                mask = mask[:, :, ::2]
                x = self.shrink[number - 1](x) * mask
            x = block(x, mask)
            stride = 2**number
            reaches = [
                nn.functional.softplus(regress(x, mask) * scale) * stride
                for regress, scale in zip(self.regress, self.scales[:, number], strict=True)
            ]
            found.append(Level(stride, mask[:, 0], [classify(x, mask) for classify in self.classify], reaches))
        return found


class _Block(nn.Module):
    def __init__(self, width: int, window: int, dropout: float) -> None:
        super().__init__()
        self.window = window
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.query, self.key, self.value, self.leave = (nn.Linear(width, width) for _ in range(4))
        self.dense = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        there = mask.transpose(1, 2)
        normal = self.mix((self.norm(x) * there).transpose(1, 2)).transpose(1, 2)
        seen = attend(self.query(normal), self.key(normal), self.value(normal), mask[:, 0], window=self.window)
        x = x + self.leave(seen)
        x = x + self.dense(self.norm_after(x))
        return (x * there).transpose(1, 2)


class _Convolutions(nn.Module):
    """Convolutions over 3 points with ReLUs between them; nothing comes from where there are no points."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(*pair, 3, padding=1) for pair in pairwise(widths))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x.relu() if number else x) * mask
        return x
