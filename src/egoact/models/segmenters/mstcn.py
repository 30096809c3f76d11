"""Multi-stage temporal convolution: a first stage that predicts, and stages that refine what it said."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from egoact.models.segmenters.segmenter import DilatedLayer, Segmenter, shares


class MSTCN(Segmenter):
    """MS-TCN++ (Li et al. 2020, arXiv:2006.09220): dual dilated layers, then refinement stages.

    Args:
        num_features: C.
        sizes: Classes of each target, background included.
        width: Channels of every layer.
        layers: Dilated layers of a stage; layer i looks 2^i steps far, and in the first stage 2^(layers - 1 - i), too.
        stages: Refinement stages.
        dropout: After every layer.
    """

    def __init__(
        self,
        num_features: int,
        sizes: Sequence[int],
        *,
        width: int = 64,
        layers: int = 7,
        stages: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.predict = Stage(
            num_features, sum(sizes), width, [DualLayer(i, layers, width, dropout) for i in range(layers)]
        )
        self.refine = nn.ModuleList(
            Stage(sum(sizes), sum(sizes), width, [DilatedLayer(width, 2**i, dropout) for i in range(layers)])
            for _ in range(stages)
        )
        first = sum(2 ** max(i, layers - 1 - i) for i in range(layers))
        reach = first + stages * (2**layers - 1)
        self.reach = (reach, reach)

    def forward(self, features: Tensor, mask: Tensor) -> list[Tensor]:  # noqa: D102
        stages = [self.predict(features, mask)]
        for refine in self.refine:
            stages.append(refine(shares(stages[-1], self.sizes) * mask, mask))
        return stages


class Stage(nn.Module):
    """A convolution to `width` channels, layers, and a convolution to the outputs."""

    def __init__(self, num_features: int, num_outputs: int, width: int, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.enter = nn.Conv1d(num_features, width, 1)
        self.layers = nn.ModuleList(layers)
        self.leave = nn.Conv1d(width, num_outputs, 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # noqa: D102
        x = self.enter(x) * mask
        for layer in self.layers:
            x = layer(x, mask)
        return self.leave(x)


class DualLayer(nn.Module):
    """Two dilated convolutions side by side: one looks farther with every layer, the other less far."""

    def __init__(self, number: int, num_layers: int, width: int, dropout: float) -> None:
        super().__init__()
        near, far = 2**number, 2 ** (num_layers - 1 - number)
        self.near = nn.Conv1d(width, width, 3, padding=near, dilation=near)
        self.far = nn.Conv1d(width, width, 3, padding=far, dilation=far)
        self.merge = nn.Conv1d(2 * width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # noqa: D102
        both = torch.cat([self.near(x), self.far(x)], 1)
        return (x + self.dropout(self.merge(both).relu())) * mask
