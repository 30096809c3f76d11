"""What every segmenter is: the network that scores each step of a recording.

Shapes: B recordings (or parts of them) in a batch, F steps, C narrow features, K outputs: the classes of all targets,
each target with background as its last class, one target after the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class Segmenter(nn.Module, ABC):
    """Scores every step of a recording.

    All are made from `num_features`, C, and `sizes`, the classes of each target, background included. Of their own
    options `width` is channels of every layer, and `dropout` what is left out in training.

    Attributes:
        reach: Steps before and after a step that its scores depend on; None: all of the recording.
    """

    reach: tuple[int, int] | None

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor) -> list[Tensor]:
        """Logits of every stage, the last one being the answer: (B, C, F) -> [(B, K, F), ...].

        The mask is float (B, 1, F): 1 where a step is there. Steps that are not there change nothing of the others.
        """


class SteppingSegmenter(Segmenter):
    """A segmenter that sees no future, and takes in a recording step by step at a cost that does not grow.

        state = segmenter.initial_state(B)
        logits, state = segmenter.step(features, state)      the last stage of `forward` at that step

    A state holds tensors of sizes that never change: a graph that is exported can pass it in and out.
    """

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """What is known before the first step."""

    @abstractmethod
    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Take in a step, (B, C): its logits (B, K), and the state after it."""


def shares(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Probabilities of the classes of each target, (B, K, F) -> (B, K, F): what a refinement stage looks at."""
    return torch.cat([part.softmax(1) for part in logits.split(list(sizes), dim=1)], 1)


def log_shares(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Log-probabilities of the classes of each target, which are axis 1: (B, K, ...) -> (B, K, ...)."""
    return torch.cat([part.log_softmax(1) for part in logits.split(list(sizes), dim=1)], 1)
