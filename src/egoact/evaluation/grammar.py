"""What people do next, learned from the order of labels alone: segments in, probabilities out; no pictures.

    time     |--[open fridge)--[take milk)-----x-----?[pour milk)---|
                                               the action at ? is asked; what began until x, a gap before it, is known

The last two actions are the history. How often a class followed a history in training is smoothed by how often it
followed a shorter one: both actions, the last action, its noun, none. The weight of the shorter one is that of Witten
and Bell, so nothing has to be tuned: a history seen n times, followed by t different classes, leaves t / (n + t).

Source: Witten and Bell, The zero-frequency problem, 1991, method C.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import SegmentTable, group_by_recording

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]
History = tuple[int, ...]

_BEGINNING = -1  # stands for the actions before the first


def histories(table: SegmentTable, verb: Classes, noun: Classes, *, gap_seconds: float) -> list[tuple[History, ...]]:
    """The noun of the last action, that action, and the last two, of each of N segments, in any order.

    Known are actions that began at least `gap_seconds` before the segment; classes are (N,).

    >>> from pathlib import Path
    >>> from egoact.core.annotations.segments import Segment
    >>> parts = tuple(Segment(str(i), "P01", "P01_01", 2 * i, 2 * i + 1) for i in range(3))
    >>> histories(SegmentTable(Path("a.csv"), parts), np.array([7, 8, 9]), np.array([0, 1, 2]), gap_seconds=1)[2]
    ((1,), (8, 1), (7, 0, 8, 1))
    """
    if not gap_seconds >= 0:
        raise ValueError(f"a gap of {gap_seconds} s; it cannot be negative")
    row_of = {segment.narration_id: row for row, segment in enumerate(table)}
    found: list[tuple[History, ...]] = [()] * len(table)
    for segments in group_by_recording(table).values():
        ordered = sorted(segments, key=lambda segment: (segment.start_seconds, segment.stop_seconds))
        starts = [segment.start_seconds for segment in ordered]
        actions = [(int(verb[row]), int(noun[row])) for row in (row_of[s.narration_id] for s in ordered)]
        for position, segment in enumerate(ordered):
            num_known = min(bisect_right(starts, segment.start_seconds - gap_seconds), position)
            last, before = (
                actions[num_known - back] if num_known >= back else (_BEGINNING, _BEGINNING) for back in (1, 2)
            )
            found[row_of[segment.narration_id]] = (last[1:], last, before + last)
    return found


@dataclass(frozen=True)
class Grammar:
    """How often each of `C` classes occurs at all, and after each history."""

    prior: Floats  # (C,), how probable each class is without a history; they add up to 1
    followers: dict[History, tuple[Classes, Floats]]  # history -> classes that followed it, and how often

    @classmethod
    def learn(cls, known: Sequence[tuple[History, ...]], labels: Classes, *, num_classes: int) -> "Grammar":
        """Count which of `num_classes` followed the histories of each training segment; `labels` are (N,)."""
        counts: dict[History, Counter[int]] = defaultdict(Counter)
        for of_segment, label in zip(known, labels.tolist(), strict=True):
            for history in of_segment:
                counts[history][label] += 1
        followers = {
            history: (np.array([*counter], dtype=np.int64), np.array([*counter.values()], dtype=np.float64))
            for history, counter in counts.items()
        }
        return cls(np.bincount(labels, minlength=num_classes) / len(labels), followers)

    def probabilities(self, known: Sequence[tuple[History, ...]]) -> Iterator[Floats]:
        """(C,) for each segment: how probable each class is after its histories, the shortest first."""
        for of_segment in known:
            shares = self.prior.copy()
            for history in of_segment:
                if history in self.followers:
                    classes, counts = self.followers[history]
                    total = counts.sum() + len(classes)
                    shares *= len(classes) / total
                    shares[classes] += counts / total
            yield shares
