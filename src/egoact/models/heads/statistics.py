"""How each channel is spread over a clip, and how it changes: four numbers a channel, for closed-form fits.

Signed square roots come first: descriptors of motion have a few very large values, which a linear model would follow
(power normalisation, Perronnin et al. 2010, "Improving the Fisher kernel for large-scale image classification").
"""

import torch
from torch import Tensor

from egoact.models.heads.head import Head, Standardize, all_frames

_LEAST_VARIANCE = 1e-4  # near 0 the root would make much of rounding, and its slope would have no end
_NUM_KINDS = 4


class StatisticsHead(Head):
    """Four descriptors of a clip, standardised, side by side: (B, T, D) -> (B, 4 D).

        mean of all frames                      what is there
        standard deviation over the frames      how much it varies
        end - start, thirds of the clip         in which direction it changes
        mean |x_(t+1) - x_t|                    how much moves

    All are of signed square roots of the channels, over the frames that are there.
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"statistics needs at least 2 frames, got {num_frames}")
        self.width = _NUM_KINDS * feature_shape[0]
        self.standardize = Standardize(self.width)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        x = features * (features.abs() + _LEAST_VARIANCE).rsqrt()
        present = all_frames(features, mask)
        length = present.sum(1, keepdim=True)
        third = (length / 3).floor().clamp_min(1)
        position = torch.arange(features.shape[1], device=features.device)[:, None]
        mean = _mean(x, present)
        spread = (_mean((x - mean[:, None]).square(), present) + _LEAST_VARIANCE).sqrt()
        start, end = present * (position < third), present * (position >= length - third)
        moved = _mean((x[:, 1:] - x[:, :-1]).abs(), present[:, 1:])
        return self.standardize(torch.cat([mean, spread, _mean(x, end) - _mean(x, start), moved], 1))


def _mean(x: Tensor, present: Tensor) -> Tensor:
    """Over the frames that are there, (B, T, D) and (B, T, 1) -> (B, D)."""
    return (x * present).sum(1) / present.sum(1).clamp_min(1)
