"""Which classes are taken for which: confusion counts in, plain rows out; knows nothing about pictures or pages.

Shapes: `C` classes. A confusion matrix has the truth in its rows and the answers in its columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

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


def choose_shown(counts: Counts, names: Sequence[str], *, most: int) -> ShownMatrix:
    """The classes that occur or were answered, in their own order.

    If there are more than `most`, the most frequent ones, and what is left is summed up as "all others".
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


def list_classes(counts: Counts, names: Sequence[str]) -> list[Any]:
    """A row for every class that occurs, the most frequent first.

    Of `num_segments` `num_right` were recognised; `num_answers` times it was the answer, rightly or not. It was most
    often taken for `mistaken_for`, `num_mistaken` times, or for nothing, "".
    """
    wrong = _mistakes(counts)
    num_mistaken = wrong.max(axis=1)
    table = pd.DataFrame(
        {
            "name": names,
            "num_segments": counts.sum(axis=1),
            "num_right": counts.diagonal(),
            "num_answers": counts.sum(axis=0),
            "mistaken_for": np.where(num_mistaken, np.array(names, dtype=object)[wrong.argmax(axis=1)], ""),
            "num_mistaken": num_mistaken,
        }
    )
    seen = table[table["num_segments"] > 0].sort_values("num_segments", ascending=False, kind="stable")
    return list(seen.itertuples(index=False))


def list_confusions(counts: Counts, names: Sequence[str], *, most: int) -> list[Any]:
    """The most frequent mistakes: `count` of the `num_segments` of the class `truth` were taken for `answer`."""
    wrong, words = _mistakes(counts), np.array(names, dtype=object)
    truths, answers = np.unravel_index(np.argsort(-wrong, axis=None, kind="stable")[:most], wrong.shape)
    columns = {"truth": words[truths], "answer": words[answers], "count": wrong[truths, answers]}
    table = pd.DataFrame(columns | {"num_segments": counts.sum(axis=1)[truths]})
    return list(table[table["count"] > 0].itertuples(index=False))


def _mistakes(counts: Counts) -> Counts:
    """The counts beside the diagonal."""
    return counts * ~np.eye(len(counts), dtype=bool)
