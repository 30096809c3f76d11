"""Consensus over frames: average and maximum. They do not know the order of the frames.

Source: Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859.
"""

import torch
from torch import Tensor

from egoact.models.heads.head import Standardize, State, SteppingHead, all_frames, masked_mean


class _ConsensusHead(SteppingHead):
    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__()
        self.width = feature_shape[0]
        self.standardize = Standardize(self.width)


class AverageHead(_ConsensusHead):
    """Mean of the standardised features: (B, T, D) -> (B, D)."""

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        return masked_mean(self.standardize(features), all_frames(features, mask))

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        # In float64 a sum of a day's frames is still exact to float32's last digit.
        zeros = self.standardize.mean.new_zeros(batch_size, self.width, dtype=torch.float64)
        return zeros, zeros[:, :1]

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        total, count = state[0] + self.standardize(frame), state[1] + 1
        return (total / count).to(frame.dtype), (total, count)


class MaxHead(_ConsensusHead):
    """Maximum of the standardised features over time: (B, T, D) -> (B, D); a clip without any frame gives zeros."""

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask) > 0
        lowest = torch.finfo(features.dtype).min
        highest = self.standardize(features).masked_fill(~present, lowest).amax(1)
        return highest.masked_fill(~present.any(1), 0)

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        return (self.standardize.mean.new_full((batch_size, self.width), float("-inf")),)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        highest = torch.maximum(state[0], self.standardize(frame))
        return highest, (highest,)
