"""Which moments of a recording are wanted: enough for every clip of its segments, and not one more."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.extraction.wanted import WantedMoments
from egoact.media.sources import MediaRoot
from egoact.store.layout.index import UNKNOWN, RecordingRow, grid_moments
from tests.makers.films.media import write_video

RATES = st.sampled_from((1, 3, 7, 8, 15, 30))
SAMPLINGS = st.builds(ClipSampling, st.integers(1, 25), st.integers(1, 3))
# People mark times in hundredths of a second, at the edges of steps, and wherever a player stops.
TIMES = st.one_of(
    st.integers(0, 1000).map(lambda n: n / 100), st.integers(0, 80).map(lambda n: n / 8), st.floats(0, 10)
)
SEGMENTS = st.lists(
    st.tuples(TIMES, st.one_of(st.floats(0.001, 4), st.integers(1, 32).map(lambda n: n / 8))), min_size=1, max_size=5
).map(lambda pairs: [segment(start, start + length) for start, length in pairs])


def segment(start: float, stop: float) -> Segment:
    return Segment(f"{start}-{stop}", "P", "A", start, stop)


def row(moments: Sequence[int] | np.ndarray = (), *, num_steps: int = UNKNOWN) -> RecordingRow:
    return RecordingRow("A", "", "", num_steps, np.sort(np.asarray(moments, dtype=np.int64)))


@given(SEGMENTS, RATES, SAMPLINGS)
def test_steps_of_segments_answer_any_clip_of_them(segments: list[Segment], rate: int, sampling: ClipSampling) -> None:
    wanted = WantedMoments({"A": segments}, rate)
    times = wanted.missing(row())
    stored = row(to_microseconds(times))
    assert (np.diff(times) > 0).all() and (np.diff(stored.moments) > 0).all()
    shown = stored.find(sampling.times(segments), rate=rate)
    assert (shown >= 0).all()
    assert (np.abs(times[shown] - sampling.times(segments)) <= 0.5 / rate + 1e-6).all()
    assert not len(wanted.missing(stored)), "asked for again"


@given(SEGMENTS, RATES)
def test_no_step_is_wanted_that_no_segment_touches(segments: list[Segment], rate: int) -> None:
    *times, final = WantedMoments({"A": segments}, rate).missing(row()).tolist()
    # The last one may turn out to have no frame of its own: the one before it is wanted too.
    for time in [*times[:-1], final] if times else [final]:
        first, last = time - 0.5 / rate, time + 0.5 / rate
        assert any(s.start_seconds < last + 1e-9 and s.stop_seconds > first - 1e-9 for s in segments)


def test_a_segment_that_stops_where_a_step_begins_needs_not_that_step() -> None:
    times = WantedMoments({"A": [segment(0.125, 0.5), segment(2.0, 2.0001)]}, 8).missing(row())
    assert times.tolist() == [(step + 0.5) / 8 for step in (1, 2, 3, 15, 16)]


@given(SEGMENTS, RATES, SAMPLINGS, st.sets(st.integers(0, 100)))
def test_exact_moments_are_found_as_such_beside_steps(
    segments: list[Segment], rate: int, sampling: ClipSampling, steps: set[int]
) -> None:
    wanted = WantedMoments({"A": segments}, rate, exact=sampling)
    there = grid_moments(np.array(sorted(steps), dtype=np.int64), rate=rate)
    times = wanted.missing(row(there))
    assert not np.isin(to_microseconds(times), there).any(), "a step that is there already"
    stored = row(np.concatenate([there, to_microseconds(times)]))
    moments = to_microseconds(sampling.times(segments))
    assert (stored.moments[stored.find(sampling.times(segments), rate=rate)] == moments).all()
    assert not len(wanted.missing(stored))


@given(st.integers(1, 200), RATES, st.sets(st.integers(0, 199)))
def test_of_a_whole_recording_all_steps_up_to_its_end_are_wanted(num_steps: int, rate: int, have: set[int]) -> None:
    wanted = WantedMoments({"A": []}, rate, is_whole=True)
    there = sorted(step for step in have if step < num_steps)
    stored = row(grid_moments(np.array(there, dtype=np.int64), rate=rate), num_steps=num_steps)
    missing = np.floor(wanted.missing(stored) * rate).astype(int)
    assert missing.tolist() == sorted(set(range(num_steps)) - set(there))
    every = row(grid_moments(np.arange(num_steps), rate=rate), num_steps=num_steps)
    assert not len(wanted.missing(every))


def test_where_nobody_knows_the_end_a_day_of_steps_is_wanted() -> None:
    times = WantedMoments({"A": []}, 8, is_whole=True).missing(row(grid_moments(np.arange(16), rate=8)))
    assert times[0] == 16.5 / 8 and len(times) == 24 * 3600 * 8 - 16


def test_nothing_but_the_last_step_is_wanted_of_what_is_left_after_it() -> None:
    wanted = WantedMoments({"A": [segment(1.5, 2.05), segment(2.01, 2.1)]}, 8)
    assert wanted.missing(row()).tolist() == [(step + 0.5) / 8 for step in (12, 13, 14, 15, 16)]
    known = row(grid_moments(np.arange(16), rate=8), num_steps=16)
    assert not len(wanted.missing(known))
    assert (known.find(np.array([1.99, 2.05]), rate=8) == 15).all()
    beyond = WantedMoments({"A": [segment(2.0, 2.3)]}, 8).missing(known)
    assert beyond.tolist() == [(step + 0.5) / 8 for step in (16, 17, 18)], "that is no mere rest any more"


def test_the_step_before_a_lonely_last_one_is_wanted_as_that_may_be_what_is_shown() -> None:
    rest = segment(2.01, 2.1)
    wanted = WantedMoments({"A": [segment(0.3, 0.35), rest]}, 8)
    assert wanted.missing(row()).tolist() == [(step + 0.5) / 8 for step in (2, 15, 16)]
    stored = row(grid_moments(np.array([2]), rate=8), num_steps=16)
    assert wanted.missing(stored).tolist() == wanted.missing_of([rest], stored).tolist() == [15.5 / 8]
    assert WantedMoments({"A": [segment(0.01, 0.02)]}, 8).missing(row()).tolist() == [0.5 / 8]


def test_a_few_recordings_show_what_all_look_like(tmp_path: Path) -> None:
    for number in range(20):
        write_video(tmp_path / f"v{number:02d}.mp4", num_frames=8, rate=4)
    (tmp_path / "v00.mp4").write_bytes(b"damaged")
    root = MediaRoot(tmp_path)
    wanted = WantedMoments({video_id: [] for video_id in root.video_ids}, 8, is_whole=True)
    examples = wanted.examples(root)
    assert 10 <= len(examples) <= 16 and "v00" not in {example.video_id for example in examples}
    assert all(example.duration_seconds == pytest.approx(2, abs=1) for example in examples)
    assert wanted.estimate(examples) == pytest.approx(20 * 2 * 8, rel=0.2)


@pytest.mark.parametrize(("how", "expected"), [({}, 24), ({"is_whole": True}, 24), ({"exact": ClipSampling(5, 2)}, 20)])
def test_labelled_segments_are_their_own_examples(how: dict, expected: int) -> None:
    segments = [segment(0, 1), segment(3, 5)]
    wanted = WantedMoments({"A": segments, "B": []}, 8, **how)
    assert wanted.examples(MediaRoot(Path("."))) == segments  # the videos need not be opened
    assert wanted.estimate(segments) == expected
