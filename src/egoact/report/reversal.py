"""Verbs that are each other played backwards: how well heads tell them apart. Arrays in, numbers out.

Shapes: `N` segments, `V` verbs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.accuracy import Labels, ScoreArray


@dataclass(frozen=True)
class Backwards:
    """What becomes of answers when the same clips are played backwards.

    Args:
        num_segments: Segments whose verb has a reverse.
        num_same: Answers that stay as they are.
        num_reversed: Answers that turn into the reverse of what was answered before.
    """

    num_segments: int
    num_same: int
    num_reversed: int


def choose_of_two(scores: ScoreArray, labels: Labels, *, pair: tuple[int, int]) -> tuple[int, int]:
    """Asked only which of two verbs it was: how many segments there are, and how many answers are right.

    A guess is right in half of the cases. Equal scores count as wrong.

    Args:
        scores: (N, V).
        labels: (N,) true verbs.
        pair: Ids of the two verbs.
    """
    first, second = pair
    members = (labels == first) | (labels == second)
    other = np.where(labels == first, second, first)[members]
    chosen = scores[members]
    rows = np.arange(len(chosen))
    right = chosen[rows, labels[members]] > chosen[rows, other]
    return int(members.sum()), int(right.sum())


def compare_backwards(
    forwards: Labels, backwards: Labels, labels: Labels, *, pairs: Sequence[tuple[int, int]]
) -> Backwards:
    """Compare answers to clips with answers to the same clips played backwards.

    Args:
        forwards: (N,) answers.
        backwards: (N,) answers when the frames come in reverse.
        labels: (N,) true verbs; only those of a pair count.
        pairs: Ids of verbs that are each other's reverse.
    """
    reverse = {a: b for a, b in pairs} | {b: a for a, b in pairs}
    members: npt.NDArray[np.bool_] = np.isin(labels, list(reverse))
    expected = np.array([reverse.get(int(verb), -1) for verb in forwards], dtype=np.int64)
    return Backwards(
        num_segments=int(members.sum()),
        num_same=int((forwards == backwards)[members].sum()),
        num_reversed=int((backwards == expected)[members].sum()),
    )
