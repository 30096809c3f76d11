"""Consensus over frames: average, maximum, or a weighted mean in which some frames count more.

Sources: Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859; weights: Temporal Segment Networks for Action
Recognition in Videos, Wang et al. 2018, arXiv:1705.02953, section 3.2.
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import Head, Positions, Standardize, State, SteppingHead, all_frames, masked_mean

WAYS = ("attention", "weighted")


class _UnweightedHead(SteppingHead):
    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int) -> None:
        super().__init__()
        self.width = feature_shape[0]
        self.standardize = Standardize(self.width)


class AverageHead(_UnweightedHead):
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


class MaxHead(_UnweightedHead):
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


class ConsensusHead(Head):
    """Mean of the standardised features, (B, T, D) -> (B, D), with weights that sum to 1 over the frames of a clip.

        weighted    softmax over t of p_t          a learned number a place
        attention   softmax over t of v . x_t      a learned direction in the features

    Classifiers are linear, so this is the consensus of the scores of single frames with these weights.
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int, how: str = "attention") -> None:
        super().__init__()
        if how not in WAYS:
            raise ValueError(f"how must be one of {', '.join(WAYS)}, got {how!r}")
        self.width = feature_shape[0]
        self.standardize = Standardize(self.width)
        self.places = Positions(num_frames, 1) if how == "weighted" else None
        self.look = nn.Linear(self.width, 1, bias=False) if how == "attention" else None
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=1e-2)  # nearly the average consensus

    def attend(self, features: Tensor) -> Tensor:
        """What each frame counts, (B, T, D) -> (B, T)."""
        return self._weigh(self.standardize(features), all_frames(features, None))[:, :, 0]

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        x = self.standardize(features)
        return (x * self._weigh(x, all_frames(features, mask))).sum(1)

    def _weigh(self, x: Tensor, present: Tensor) -> Tensor:
        """(B, T, D), (B, T, 1) -> (B, T, 1)."""
        scores = self.look(x) if self.look is not None else self.places(x.shape[1]).expand(x.shape[0], -1, -1)  # pyrefly: ignore[not-callable]
        return torch.softmax(scores.masked_fill(present == 0, -1e4), 1) * present
