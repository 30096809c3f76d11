import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment
from egoact.core.sampling import ClipSampling, sample_uniform, to_microseconds

starts = st.floats(0, 1e5, allow_nan=False)
durations = st.floats(1e-3, 1e4, allow_nan=False)


def segment(name: str = "a", start: float = 2.0, stop: float = 6.0) -> Segment:
    return Segment(name, "p", "v", start, stop)


@given(starts, durations, st.integers(1, 64), st.none() | st.integers(0, 9))
@settings(deadline=None)
def test_one_time_in_each_bin(start: float, duration: float, num_frames: int, seed: int | None) -> None:
    stop = start + duration
    rng = None if seed is None else np.random.default_rng(seed)
    times = sample_uniform(start, stop, num_frames=num_frames, rng=rng)
    assert times.shape == (num_frames,)
    assert times.dtype == np.float64
    assert (times >= start).all()
    assert (times < stop).all()
    edges = np.linspace(start, stop, num_frames + 1)
    slack = 1e-9 * max(1.0, stop)
    assert (times >= edges[:-1] - slack).all()
    assert (times <= edges[1:] + slack).all()
    assert (np.diff(times) >= 0).all()


def test_the_middles() -> None:
    assert sample_uniform(10, 20, num_frames=2).tolist() == [12.5, 17.5]
    assert sample_uniform(0, 1, num_frames=1).tolist() == [0.5]


def test_a_segment_of_three_frames_gives_twenty_times() -> None:
    times = sample_uniform(1.0, 1.05, num_frames=20)
    assert len(np.unique(times)) == 20
    assert len(np.unique(np.floor(times * 60))) == 3


@pytest.mark.parametrize(
    ("start", "stop", "num_frames"),
    [(1, 1, 4), (2, 1, 4), (0, float("inf"), 4), (float("nan"), 1, 4), (0, 1, 0), (0, 1, -3)],
)
def test_impossible_segments_are_refused(start: float, stop: float, num_frames: int) -> None:
    with pytest.raises(ValueError):
        sample_uniform(start, stop, num_frames=num_frames)


def test_views_are_the_middles_and_reproducible_jitter() -> None:
    views = ClipSampling(8, 4).times([segment()])[0]
    assert views.shape == (4, 8)
    assert views[0].tolist() == sample_uniform(2, 6, num_frames=8).tolist()
    assert len({tuple(view) for view in views}) == 4
    # More views, other names, or other segments before it, change nothing.
    again = ClipSampling(8, 9).times([segment("c", 1.0, 3.0), segment("renamed")])[1]
    assert (again[:4] == views).all()
    for other in (segment(start=2.001), Segment("a", "p", "other", 2.0, 6.0)):
        assert not np.isclose(ClipSampling(8, 4).times([other])[0, 1:], views[1:]).any()


@given(starts, durations, st.integers(1, 64))
def test_clips_of_many_segments_are_those_of_each(start: float, duration: float, num_frames: int) -> None:
    table = [segment(), segment("b", start, start + duration)]
    found = ClipSampling(num_frames).times(table)[:, 0]
    expected = [sample_uniform(s.start_seconds, s.stop_seconds, num_frames=num_frames) for s in table]
    assert found.tolist() == [times.tolist() for times in expected]


def test_views_never_change_between_releases() -> None:
    """Exact features made once must be found again: these numbers are part of the store's format."""
    views = ClipSampling(3, 2).times([segment("P01_01_0")])[0]
    assert to_microseconds(views[0]).tolist() == [2_666_667, 4_000_000, 5_333_333]
    assert views[1].tolist() == pytest.approx([2.6865538538270197, 4.469874578349887, 5.790882627978174])


def test_no_frames_and_no_views_are_refused() -> None:
    for wrong in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match="must be a whole number from 1"):
            ClipSampling(*wrong)
