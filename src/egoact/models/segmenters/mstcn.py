"""Temporal convolution: in several stages, each of which refines what the one before said, or causal and in one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from egoact.models.segmenters.segmenter import Segmenter, State, SteppingSegmenter, shares


class MSTCN(Segmenter):
    """MS-TCN++ (Li et al. 2020, arXiv:2006.09220): dual dilated layers, then `stages` that refine.

    Layer i of a stage looks 2^i steps far, and in the first stage 2^(layers - 1 - i), too. Dropout follows every layer.
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
        self.sizes, outputs = list(sizes), sum(sizes)
        self.predict = Stage(
            num_features, outputs, width, [DualLayer(i, layers, width, dropout) for i in range(layers)]
        )
        self.refine = nn.ModuleList(
            Stage(outputs, outputs, width, [DilatedLayer(width, 2**i, dropout) for i in range(layers)])
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


class CausalTCN(SteppingSegmenter):
    """One stage of MS-TCN (arXiv:1903.01945) whose convolutions look back only, for live streams.

    It remembers 2 (2^layers - 1) steps and not one more, in training as on a stream that never ends: memory that a
    network has not met in training is what misleads it there (CMeRT, arXiv:2503.18359).
    """

    def __init__(
        self, num_features: int, sizes: Sequence[int], *, width: int = 64, layers: int = 6, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.enter = nn.Conv1d(num_features, width, 1)
        self.layers = nn.ModuleList(DilatedLayer(width, 2**i, dropout, is_causal=True) for i in range(layers))
        self.leave = nn.Conv1d(width, sum(sizes), 1)
        self.width = width
        self.reach = (2 * (2**layers - 1), 0)

    def forward(self, features: Tensor, mask: Tensor) -> list[Tensor]:  # noqa: D102
        x = self.enter(features) * mask
        for layer in self.layers:
            x = layer(x, mask)
        return [self.leave(x)]

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        empty = self.leave.weight.new_zeros
        return tuple(empty(batch_size, self.width, 2 * 2**i) for i in range(len(self.layers)))

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        x = self.enter(features[:, :, None])
        later = []
        for layer, past in zip(self.layers, state, strict=True):
            assert isinstance(layer, DilatedLayer)
            seen = torch.cat([past, x], 2)
            x = x + layer.pointwise(layer.dilated(seen).relu())
            later.append(seen[:, :, 1:])
        return self.leave(x)[:, :, 0], tuple(later)


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


class DilatedLayer(nn.Module):
    """Dilated convolution over 3 steps, causal or not, ReLU, a convolution over 1, dropout, residual."""

    def __init__(self, width: int, dilation: int, dropout: float, *, is_causal: bool = False) -> None:
        super().__init__()
        self.padding = (2 * dilation, 0) if is_causal else (dilation, dilation)
        self.dilated = nn.Conv1d(width, width, 3, dilation=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # noqa: D102
        padded = nn.functional.pad(x, self.padding)
        return (x + self.dropout(self.pointwise(self.dilated(padded).relu()))) * mask
