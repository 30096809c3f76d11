"""Consensus over frames: average and maximum. They do not know the order of the frames.

Source: Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859.
"""

import torch
from torch import Tensor

from egoact.models.heads.head import Head, Standardize, all_frames, masked_mean


class AverageHead(Head):
    """Mean of the standardised features: (B, T, D) -> (B, D)."""

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__()
        self.width = feature_shape[0]
        self.standardize = Standardize(self.width)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        return masked_mean(self.standardize(features), all_frames(features, mask))


class MaxHead(Head):
    """Maximum of the standardised features over time: (B, T, D) -> (B, D); a clip without any frame gives zeros."""

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__()
        self.width = feature_shape[0]
        self.standardize = Standardize(self.width)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask) > 0
        lowest = torch.finfo(features.dtype).min
        highest = self.standardize(features).masked_fill(~present, lowest).amax(1)
        return highest.masked_fill(~present.any(1), 0)
