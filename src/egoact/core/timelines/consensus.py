"""Of several answers about a recording, the one that agrees most with the others.

A way of decoding that does best on a few held-out recordings does so partly by chance; what many good ways agree on
does not depend on which of them came first. Source: minimum Bayes risk decoding (Kumar and Byrne, 2004), with the ways
as the sample.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.metrics import BACKGROUND, OVERLAPS, count_hits, edit_score, frame_accuracy, runs

Action = tuple[int, ...]
Span = tuple[int, int, Action]  # first step, step after the last, class ids


class Consensus:
    """Which way of decoding found in a recording what is most like what others found; each two are compared once."""

    def __init__(self, answers: Sequence[Sequence[Span]]) -> None:
        kinds: dict[tuple[Span, ...], int] = {}
        self._kind_of_answer = [kinds.setdefault(tuple(answer), len(kinds)) for answer in answers]
        self._answers = list(kinds)
        self._paths = _paths(self._answers)
        self._known: dict[tuple[int, int], float] = {}

    def of(self, numbers: Sequence[int]) -> list[Span]:
        """Of some of the answers, the one with the highest mean agreement with them; among equals the first.

        Agreement of two is the sum of frame accuracy, edit score and F1 at the three overlaps, one taken for the truth.
        """
        kinds = [self._kind_of_answer[number] for number in numbers]
        means = {kind: sum(self._agreement(kind, other) for other in kinds) for kind in dict.fromkeys(kinds)}
        return list(self._answers[max(means, key=means.__getitem__)])

    def _agreement(self, one: int, other: int) -> float:
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = _agreement(self._paths[pair[0]], self._paths[pair[1]]) if one != other else _SAME
        return self._known[pair]


_SAME = 100.0 * (2 + len(OVERLAPS))


def _paths(answers: Sequence[Sequence[Span]]) -> list[npt.NDArray[np.int64]]:
    """The action of every step by a number, up to the last step that is in any action."""
    numbers: dict[Action, int] = {}
    num_steps = max((stop for answer in answers for _, stop, _ in answer), default=1)
    paths = [np.full(num_steps, BACKGROUND, dtype=np.int64) for _ in answers]
    for path, answer in zip(paths, answers, strict=True):
        for start, stop, action in answer:
            path[start:stop] = numbers.setdefault(action, len(numbers))
    return paths


def _agreement(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> float:
    found, wanted = runs(one), runs(other)
    hits = count_hits(found, wanted, [overlap / 100 for overlap in OVERLAPS])
    f1 = 200 * hits.sum() / (len(found) + len(wanted))  # two that differ are not both empty
    return float(frame_accuracy(one, other) + edit_score(one, other) + f1)
