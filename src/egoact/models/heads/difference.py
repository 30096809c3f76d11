"""What is there and what changes: a few numbers a channel, for linear models and closed-form fits.

With features that never move and few videos, fewer and better regularised parameters win: on five real recordings
`difference` beats every deeper head (`docs/LOG.md`).
"""

import torch
from torch import Tensor

from egoact.models.heads.head import Head, Standardize, all_frames, masked_mean

_LEAST_VARIANCE = 1e-4  # near 0 the root would make much of rounding, and its slope would have no end


class _DescriptorHead(Head):
    """`num_kinds` descriptors of a clip, standardised, side by side: (B, T, D) -> (B, num_kinds * D)."""

    def __init__(self, feature_shape: tuple[int, ...], num_frames: int, *, name: str, num_kinds: int) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"{name} needs at least 2 frames, got {num_frames}")
        self.width = num_kinds * feature_shape[0]
        self.standardize = Standardize(self.width)


class DifferenceHead(_DescriptorHead):
    """Three descriptors of a clip, standardised, side by side: (B, T, D) -> (B, 3 D).

        |--start--|----------|---end---|        mean of all frames               what is there
        end - start, thirds of the clip         in which direction it changes
        mean |x_(t+1) - x_t|                    how much moves

    `mean_weight` scales the mean beside the two changes. Below 1 the optimiser leans on change first, which carries
    over to other rooms better than what the room looks like.
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int, mean_weight: float = 1.0) -> None:
        super().__init__(feature_shape, num_frames, name="difference", num_kinds=3)
        if not 0 <= mean_weight < float("inf"):
            raise ValueError(f"mean_weight must be a number from 0 up, got {mean_weight}")
        self.mean_weight = mean_weight

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        present = all_frames(features, mask)[..., 0]
        start, end = _thirds(present)
        # One product reads the features once; means taken one by one would read them three times.
        weights = torch.stack([_shares(present), _shares(end) - _shares(start)], 1)
        mean, difference = (weights @ features).unbind(1)
        moved = (features[:, 1:] - features[:, :-1]).abs_()
        change = (_shares(present[:, 1:]).unsqueeze(1) @ moved)[:, 0]
        mean_scaled, *changes = self.standardize(torch.cat([mean, difference, change], 1)).chunk(3, 1)
        return torch.cat([mean_scaled * self.mean_weight, *changes], 1)


class StatisticsHead(_DescriptorHead):
    """Four descriptors of a clip, standardised, side by side: (B, T, D) -> (B, 4 D).

        mean of all frames                      what is there
        standard deviation over the frames      how much it varies
        end - start, thirds of the clip         in which direction it changes
        mean |x_(t+1) - x_t|                    how much moves

    All are of signed square roots of the channels, over the frames that are there: descriptors of motion have a few
    very large values, which a linear model would follow (power normalisation, Perronnin et al. 2010, "Improving the
    Fisher kernel for large-scale image classification").
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__(feature_shape, num_frames, name="statistics", num_kinds=4)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        x = features * (features.abs() + _LEAST_VARIANCE).rsqrt()
        present = all_frames(features, mask)
        start, end = (third[..., None] for third in _thirds(present[..., 0]))
        mean = masked_mean(x, present)
        spread = (masked_mean((x - mean[:, None]).square(), present) + _LEAST_VARIANCE).sqrt()
        moved = masked_mean((x[:, 1:] - x[:, :-1]).abs(), present[:, 1:])
        return self.standardize(torch.cat([mean, spread, masked_mean(x, end) - masked_mean(x, start), moved], 1))


def _thirds(present: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T) of zeros and ones -> the same of the first and of the last third of the frames that are there."""
    length = present.sum(1, keepdim=True)
    third = (length / 3).floor().clamp_min(1)
    position = torch.arange(present.shape[1], device=present.device)
    return present * (position < third), present * (position >= length - third)


def _shares(present: Tensor) -> Tensor:
    """(B, T) of zeros and ones -> each frame's share in the mean over those that are there."""
    return present / present.sum(1, keepdim=True).clamp_min(1)
