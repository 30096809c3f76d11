"""Intervals, significance and folds against independent implementations and hand calculated values."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from egoact.core.annotations.segments import split_into_folds
from egoact.core.metrics.comparison import VideoBootstrap, adjust_holm, mcnemar_exact, percentile_interval


def test_draws_of_videos_equal_a_loop_over_segments() -> None:
    random = np.random.default_rng(0)
    video_ids = random.choice(list("abcde"), 60)
    right, labels = random.random(60) < 0.6, random.integers(0, 7, 60)
    bootstrap = VideoBootstrap(video_ids, num_draws=300, seed=3)
    accuracy, mean_class = bootstrap.accuracy(right), bootstrap.mean_class_accuracy(right, labels)
    names = sorted(set(video_ids))
    times = np.random.default_rng(3).multinomial(len(names), [1 / len(names)] * len(names), size=300)
    for draw, counts in enumerate(times):
        drawn = np.concatenate(
            [np.flatnonzero(video_ids == n) for n, c in zip(names, counts, strict=True) for _ in range(c)]
        )
        assert accuracy[draw] == pytest.approx(100 * right[drawn].mean())
        shares = [right[drawn][labels[drawn] == label].mean() for label in set(labels[drawn])]
        assert mean_class[draw] == pytest.approx(100 * np.mean(shares))


def test_with_one_segment_a_video_it_is_the_ordinary_bootstrap() -> None:
    right = np.random.default_rng(1).random(200) < 0.7
    ours = percentile_interval(VideoBootstrap([str(i) for i in range(200)], num_draws=20_000).accuracy(right))
    theirs = stats.bootstrap((100.0 * right,), np.mean, n_resamples=20_000, method="percentile", rng=2)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.51)  # half a segment of 200 is 0.25


def test_videos_that_differ_widen_the_interval() -> None:
    video_ids = np.repeat(list("abcdefgh"), 50)
    right = np.repeat([True, False] * 4, 50)
    low, high = percentile_interval(VideoBootstrap(video_ids).accuracy(right))
    assert high - low > 50  # 200 of 400 right: as independent segments they would span 10 points


def test_draws_are_those_of_the_seed() -> None:
    video_ids, right = ["a", "b", "c", "d"], np.array([True, False, True, True])
    first, again, other = (VideoBootstrap(video_ids, seed=seed).accuracy(right) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    with pytest.raises(ValueError, match="1 videos; at least 2"):
        VideoBootstrap(["a", "a"])


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_two_sided_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand_and_for_large_counts() -> None:
    assert mcnemar_exact(1, 9) == 2 * (1 + 10) / 1024
    assert mcnemar_exact(0, 0) == mcnemar_exact(4, 4) == 1.0
    assert 0 < mcnemar_exact(4000, 4400) == pytest.approx(stats.binomtest(4000, 8400, 0.5).pvalue, rel=1e-9)
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 3)


def test_holm_by_hand() -> None:
    assert adjust_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert adjust_holm([0.7, 0.8]) == [1.0, 1.0]
    assert adjust_holm([]) == []
    with pytest.raises(ValueError, match="no probability"):
        adjust_holm([0.5, float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_the_single_test_and_bonferroni(found: list[float]) -> None:
    for single, adjusted in zip(found, adjust_holm(found), strict=True):
        assert single <= adjusted <= min(1.0, len(found) * single) + 1e-12


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 40), min_size=2, max_size=12), st.data())
def test_folds_divide_no_video_and_lose_none(sizes: dict[str, int], data: st.DataObject) -> None:
    video_ids = [name for name, size in sizes.items() for _ in range(size)]
    num_folds, seed = data.draw(st.integers(2, len(sizes))), data.draw(st.integers(0, 9))
    folds = split_into_folds(video_ids, num_folds=num_folds, seed=seed)
    assert len(folds) == num_folds and all(folds)
    assert Counter(name for fold in folds for name in fold) == dict.fromkeys(sizes, 1)
    assert folds == split_into_folds(video_ids[::-1], num_folds=num_folds, seed=seed)
    totals = [sum(sizes[name] for name in fold) for fold in folds]
    assert max(totals) - min(totals) <= max(sizes.values())


def test_folds_that_cannot_be() -> None:
    assert {split_into_folds("abcdef", num_folds=3, seed=seed) for seed in range(9)} != {
        split_into_folds("abcdef", num_folds=3)
    }
    for num_folds in (1, 4):
        with pytest.raises(ValueError, match=f"{num_folds} folds of 3 videos"):
            split_into_folds(["a", "b", "c"], num_folds=num_folds)
