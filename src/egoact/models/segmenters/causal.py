"""Causal temporal convolution: answers a live stream step by step, from what it has seen so far."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from egoact.models.segmenters.segmenter import DilatedLayer, State, SteppingSegmenter


class CausalTCN(SteppingSegmenter):
    """One stage of MS-TCN (arXiv:1903.01945) whose convolutions look back only.

    It remembers 2 (2^layers - 1) steps and not one more, in training as on a stream that never ends: memory that a
    network has not met in training is what misleads it there (CMeRT, arXiv:2503.18359).

    Args:
        num_features: C.
        sizes: Classes of each target, background included.
        width: Channels of every layer.
        layers: Dilated layers.
        dropout: After every layer.
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
