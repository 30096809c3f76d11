"""Relations between ordered frames at several time scales.

Source: Temporal Relation Networks, Zhou et al. 2018, arXiv:1711.08496.
"""

from itertools import combinations

import torch
from torch import Tensor, nn

from egoact.models.heads.head import Head, Standardize, last_valid


class RelationHead(Head):
    """Sum over scales of an MLP on ordered frame tuples; tuples are fixed, so the same clip gives the same answer.

    The paper draws three random tuples a scale; here each scale takes `num_tuples` spread evenly over all of them.
    Its scales are 2 to 8, on 8 frames; those up to 5 are the default here, with half as many parameters.
    Frames that are not there are replaced by the last one that is.
    """

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        width: int = 256,
        scales: tuple[int, ...] = (2, 3, 4, 5),
        num_tuples: int = 3,
        num_positions: int = 8,
    ) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"relation needs at least 2 frames, got {num_frames}")
        usable = [scale for scale in scales if 1 < scale <= min(num_positions, num_frames)]
        if not usable or min(scales) < 2:
            raise ValueError(f"scales must be 2 to num_positions ({num_positions}) frames, got {scales}")
        self.standardize = Standardize(feature_shape[0])
        self.project = nn.Linear(feature_shape[0], width)
        self.num_positions = min(num_positions, num_frames)
        self.tuples = [_spread_tuples(self.num_positions, k, num_tuples) for k in usable]
        self.relations = nn.ModuleList(
            nn.Sequential(nn.Linear(width * len(group[0]), width), nn.ReLU(), nn.Linear(width, width))
            for group in self.tuples
        )
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        x = torch.relu(self.project(self.standardize(features)))
        if mask is not None:
            x = torch.where(mask.unsqueeze(-1), x, last_valid(x, mask).unsqueeze(1))
        at = torch.linspace(0, x.shape[1] - 1, self.num_positions, device=x.device).round().long()
        x = x[:, at]
        parts = []
        for group, relation in zip(self.tuples, self.relations, strict=True):
            ordered = torch.stack([x[:, list(frames)].flatten(1) for frames in group], 1)
            parts.append(relation(ordered).mean(1))
        return torch.stack(parts).sum(0)


def _spread_tuples(num_positions: int, size: int, count: int) -> list[tuple[int, ...]]:
    every = list(combinations(range(num_positions), size))
    wanted = min(count, len(every))
    return [every[(2 * i + 1) * len(every) // (2 * wanted)] for i in range(wanted)]
