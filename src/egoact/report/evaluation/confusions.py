"""Which classes are taken for which: confusion counts in, plain rows out; knows nothing about pictures or pages.

Shapes: `C` classes. A confusion matrix has the truth in its rows and the answers in its columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShownMatrix:
    """The part of a confusion matrix that a page has room for: (K, K) counts, and K names.

    The last row and column may be "all others", which stand for `num_hidden` classes.
    """

    counts: Counts
    names: tuple[str, ...]
    num_hidden: int = 0

    @property
    def percent(self) -> npt.NDArray[np.float64]:
        """Counts in percent of their row; NaN in the rows of classes that do not occur."""
        totals = self.counts.sum(axis=1, keepdims=True).astype(float)
        return 100 * self.counts / np.where(totals, totals, np.nan)


@dataclass(frozen=True)
class ClassResult:
    """How one class fared: how many of its segments were recognised, and how often it was the answer, rightly or not.

    `mistaken_for` is what it was most often taken for, `num_mistaken` times, or "".
    """

    name: str
    num_segments: int
    num_right: int
    num_answers: int
    mistaken_for: str
    num_mistaken: int


@dataclass(frozen=True)
class Confusion:
    """A class that was taken for another one."""

    truth: str
    answer: str
    count: int
    num_segments: int


def choose_shown(counts: Counts, names: Sequence[str], *, most: int) -> ShownMatrix:
    """The classes that occur or were answered, in their own order; if those are too many, the most frequent ones.

    Args:
        counts: (C, C) confusion matrix.
        names: C names.
        most: Largest number of classes to name; what is left is summed up as "all others".
    """
    used = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if len(used) <= most:
        return ShownMatrix(counts[np.ix_(used, used)], tuple(names[i] for i in used.tolist()))
    order = used[np.argsort(-counts.sum(axis=1)[used], kind="stable")]
    shown, hidden = order[:most], order[most:]
    groups = np.zeros((len(counts), most + 1), dtype=np.int64)  # 1: which class is in which row of the part
    groups[shown, np.arange(most)] = 1
    groups[hidden, most] = 1
    return ShownMatrix(
        groups.T @ counts @ groups, (*(names[i] for i in shown.tolist()), "all others"), num_hidden=len(hidden)
    )


def list_classes(counts: Counts, names: Sequence[str]) -> list[ClassResult]:
    """Every class that occurs, the most frequent first."""
    totals, answers, wrong = counts.sum(axis=1), counts.sum(axis=0), _mistakes(counts)
    found = []
    for i in np.argsort(-totals, kind="stable").tolist():
        if totals[i]:
            worst = int(wrong[i].argmax())
            mistaken = names[worst] if wrong[i, worst] else ""
            numbers = (int(totals[i]), int(counts[i, i]), int(answers[i]))
            found.append(ClassResult(names[i], *numbers, mistaken, int(wrong[i, worst])))
    return found


def list_confusions(counts: Counts, names: Sequence[str], *, most: int) -> list[Confusion]:
    """The most frequent mistakes, by how many segments they cost."""
    totals, wrong = counts.sum(axis=1), _mistakes(counts)
    worst = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [divmod(place, len(names)) for place in worst.tolist()]
    return [Confusion(names[i], names[j], int(wrong[i, j]), int(totals[i])) for i, j in pairs if wrong[i, j]]


def _mistakes(counts: Counts) -> Counts:
    """The counts beside the diagonal."""
    return counts * ~np.eye(len(counts), dtype=bool)
