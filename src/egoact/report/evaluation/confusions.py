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
    """The part of a confusion matrix that a page has room for.

    Args:
        counts: (K, K) counts.
        names: K names.
        num_hidden: How many classes the last row and column, "all others", stand for; 0: there are none.
    """

    counts: Counts
    names: tuple[str, ...]
    num_hidden: int = 0

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.names), len(self.names)):
            raise ValueError(f"{self.counts.shape} counts for {len(self.names)} names")

    @property
    def percent(self) -> npt.NDArray[np.float64]:
        """Counts in percent of their row; NaN in the rows of classes that do not occur."""
        totals = self.counts.sum(axis=1, keepdims=True).astype(float)
        return 100 * self.counts / np.where(totals, totals, np.nan)


@dataclass(frozen=True)
class ClassResult:
    """How one class fared.

    Args:
        name: The class.
        num_segments: Segments of it.
        num_right: How many of them were recognised.
        num_answers: How often it was the answer, rightly or not.
        mistaken_for: What it was most often taken for, or "".
        num_mistaken: How often.
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
    merged = np.zeros((most + 1, most + 1), dtype=np.int64)
    merged[:most, :most] = counts[np.ix_(shown, shown)]
    merged[:most, most] = counts[np.ix_(shown, hidden)].sum(axis=1)
    merged[most, :most] = counts[np.ix_(hidden, shown)].sum(axis=0)
    merged[most, most] = counts[np.ix_(hidden, hidden)].sum()
    return ShownMatrix(merged, (*(names[i] for i in shown.tolist()), "all others"), len(hidden))


def list_classes(counts: Counts, names: Sequence[str]) -> list[ClassResult]:
    """Every class that occurs, the most frequent first."""
    totals, answers = counts.sum(axis=1), counts.sum(axis=0)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
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
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    totals = counts.sum(axis=1)
    best = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(best, wrong.shape)
    return [
        Confusion(names[i], names[j], int(wrong[i, j]), int(totals[i]))
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        if wrong[i, j]
    ]
