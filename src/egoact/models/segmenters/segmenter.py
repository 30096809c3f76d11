"""What every segmenter is: the network that scores each step of a recording, and the pieces that several of them use.

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


class DilatedLayer(nn.Module):
    """Dilated convolution over 3 steps, ReLU, a convolution over 1, dropout, residual (MS-TCN, arXiv:1903.01945).

    `is_causal`: the three steps are the present one and earlier ones.
    """

    def __init__(self, width: int, dilation: int, dropout: float, *, is_causal: bool = False) -> None:
        super().__init__()
        self.padding = (2 * dilation, 0) if is_causal else (dilation, dilation)
        self.dilated = nn.Conv1d(width, width, 3, dilation=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # noqa: D102
        padded = nn.functional.pad(x, self.padding)
        return (x + self.dropout(self.pointwise(self.dilated(padded).relu()))) * mask


def shares(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Probabilities of the classes of each target, (B, K, F) -> (B, K, F): what a refinement stage looks at."""
    return torch.cat([part.softmax(1) for part in logits.split(list(sizes), dim=1)], 1)
