"""Agreement of annotators, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from egoact.core.timelines.agreement import cohen_kappa, measure_agreement, pair_segments
from egoact.core.timelines.timeline import Timeline, TimelineSegment


def timeline(*actions: tuple[float, float, str], seconds: float | None = None) -> Timeline:
    return Timeline("v", tuple(TimelineSegment(a, b, verb) for a, b, verb in actions), seconds)


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    first = random.integers(-1, 4, size=200)
    second = np.where(random.random(200) < 0.6, first, random.integers(-1, 4, size=200))
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_of_one_class_alone_is_not_known() -> None:
    assert cohen_kappa(np.zeros(5, dtype=np.int64), np.zeros(5, dtype=np.int64)) is None
    with pytest.raises(ValueError, match="the same"):
        cohen_kappa(np.zeros(5, dtype=np.int64), np.zeros(4, dtype=np.int64))


def test_agreement_counts_boundaries_and_what_one_alone_has() -> None:
    first = timeline((0, 2, "open"), (3, 4, "take"), (6, 7, "put"), seconds=10)
    second = timeline((0.5, 2, "open"), (3, 4.25, "pull"), seconds=10)
    found = measure_agreement([(first, second)], rate=20)
    assert found.start_differences == (0.5, 0.0) and found.stop_differences == (0.0, 0.25)
    assert (found.only_first, found.only_second) == (1, 0)
    steps = [np.zeros(200, dtype=int), np.zeros(200, dtype=int)]
    for row, spans in zip(steps, (((0, 40, 1), (60, 80, 2), (120, 140, 3)), ((10, 40, 1), (60, 85, 4))), strict=True):
        for start, stop, label in spans:
            row[start:stop] = label
    assert found.kappa == {"verb": pytest.approx(cohen_kappa_score(*steps))}
    with pytest.raises(ValueError, match="no recording"):
        measure_agreement([])


def test_pairs_are_one_to_one_and_the_best() -> None:
    first = timeline((0, 10, "a"))
    second = timeline((0, 4, "b"), (4, 10, "c"))
    assert [(a and a.verb, b and b.verb) for a, b in pair_segments(first, second)] == [("a", "c"), (None, "b")]
    assert pair_segments(timeline(), timeline()) == []
    assert [b for _, b in pair_segments(timeline(), second)] == list(second)
