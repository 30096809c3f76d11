"""What is there and what changes: mean, end minus start, and how much moves. A linear model's best friend.

With features that never move and few videos, fewer and better regularised parameters win: on five real recordings
this beats every deeper head (`docs/LOG.md`).
"""

import torch
from torch import Tensor

from egoact.models.heads.head import Head, Standardize, all_frames


class DifferenceHead(Head):
    """Three descriptors of a clip, standardised, side by side: (B, T, D) -> (B, 3 D).

        |--start--|----------|---end---|        mean of all frames               what is there
        end - start, thirds of the clip         in which direction it changes
        mean |x_(t+1) - x_t|                    how much moves

    `mean_weight` scales the mean beside the two changes. Below 1 the optimiser leans on change first, which carries
    over to other rooms better than what the room looks like.
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int, mean_weight: float = 1.0) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"difference needs at least 2 frames, got {num_frames}")
        if not 0 <= mean_weight < float("inf"):
            raise ValueError(f"mean_weight must be a number from 0 up, got {mean_weight}")
        self.width = 3 * feature_shape[0]
        self.mean_weight = mean_weight
        self.standardize = Standardize(self.width)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask)[..., 0]
        length = present.sum(1, keepdim=True)
        position = torch.arange(features.shape[1], device=features.device)
        third = (length / 3).floor().clamp_min(1)
        start, end = present * (position < third), present * (position >= length - third)
        # One product reads the features once; means taken one by one would read them three times.
        weights = torch.stack([_shares(present), _shares(end) - _shares(start)], 1)
        mean, difference = (weights @ features).unbind(1)
        moved = (features[:, 1:] - features[:, :-1]).abs_()
        change = (_shares(present[:, 1:]).unsqueeze(1) @ moved)[:, 0]
        mean_scaled, *changes = self.standardize(torch.cat([mean, difference, change], 1)).chunk(3, 1)
        return torch.cat([mean_scaled * self.mean_weight, *changes], 1)


def _shares(present: Tensor) -> Tensor:
    """(B, T) of zeros and ones -> each frame's share in the mean over those that are there."""
    return present / present.sum(1, keepdim=True).clamp_min(1)
