"""Frames with those that were shown before: which ones, at every frame rate, and what becomes of damage."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import step_times
from egoact.media import pairs
from egoact.media.pairs import frame_lag, read_pairs
from egoact.media.sources import MediaSource, read_frames
from tests.makers.films.media import number_in, write_folder, write_video

LAG = 1 / 15
SIZE = (96, 144)


def numbers(source: MediaSource, times: np.ndarray, lag: float) -> list[tuple[int, int]]:
    """(shown, earlier) at each moment."""
    found: list[tuple[int, int]] = []
    for positions, frame, earlier in read_pairs(source, times, lag_seconds=lag, size=SIZE):
        assert isinstance(frame, np.ndarray) and isinstance(earlier, np.ndarray) and positions.start == len(found)
        found += [(number_in(frame), number_in(earlier))] * (positions.stop - positions.start)
    return found


@pytest.mark.parametrize(
    ("rate", "frames_before"), [(5, 1), (15, 1), (25, 2), (30, 2), (Fraction(60000, 1001), 4), (50, 3)]
)
def test_the_frame_before_is_always_the_same_number_of_frames_before(
    tmp_path: Path, rate: Fraction | int, frames_before: int
) -> None:
    source = MediaSource("a", write_video(tmp_path / "a.mp4", rate=rate, num_frames=round(3 * rate)), "video")
    lag = frame_lag(source, LAG)
    assert lag == pytest.approx(float(frames_before / rate))
    for steps in (8, 10):
        times = step_times(2 * steps, rate=steps)
        shown = [n for n, _ in numbers(source, times, lag)]
        plain = [
            number_in(frame)
            for positions, frame in read_frames(source, times, size=SIZE)
            for _ in range(positions.stop - positions.start)
            if isinstance(frame, np.ndarray)
        ]
        assert shown == plain and len(set(shown)) > 8
        assert numbers(source, times, lag) == [(n, max(n - frames_before, 0)) for n in shown]


def test_frames_of_a_folder(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", numbers=range(1, 41), size=SIZE)
    source = MediaSource("a", tmp_path / "a", "folder", frame_rate=20.0)
    lag = frame_lag(source, LAG)
    assert lag == pytest.approx(1 / 20)
    found = numbers(source, step_times(10, rate=8), lag)
    assert len(found) == 10 and all(shown - earlier == 1 for shown, earlier in found)


def test_moments_that_show_one_frame_come_together(tmp_path: Path) -> None:
    source = MediaSource("a", write_video(tmp_path / "a.mp4", rate=4, num_frames=8), "video")
    slices = [p for p, *_ in read_pairs(source, step_times(16, rate=8), lag_seconds=0.25, size=SIZE)]
    assert [(p.start, p.stop) for p in slices] == [(n, n + 2) for n in range(0, 16, 2)]


def test_beyond_the_end_there_is_one_answer_for_all(tmp_path: Path) -> None:
    source = MediaSource("a", write_video(tmp_path / "a.mp4", rate=30, num_frames=30), "video")
    times = step_times(100_000, rate=8)
    answers = list(read_pairs(source, times, lag_seconds=LAG, size=SIZE))
    assert answers[-1][0].stop == len(times) and len(answers) < 12
    assert [isinstance(frame, EndOfRecordingError) for _, frame, _ in answers].index(True) == 8


def test_damage_is_told_of_the_frame_that_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame at 0.5 s is damaged: it is missing there, and as the earlier one of 0.6 s."""
    error = MediaError("damaged", path=tmp_path)

    def read(source: MediaSource, times: np.ndarray, **_: object):
        for position, time in enumerate(times):
            yield slice(position, position + 1), error if 0.45 < time < 0.55 else np.full((2, 2, 3), round(100 * time))

    monkeypatch.setattr(pairs, "read_frames", read)
    times = np.array([0.3, 0.5, 0.6, 0.9])
    answers = list(read_pairs(MediaSource("a", tmp_path, "video"), times, lag_seconds=0.1, size=SIZE))
    seen = [tuple(p if p is error else int(p[0, 0, 0]) for p in pair) for _, *pair in answers]
    assert seen == [(30, 20), (error, 40), (60, error), (90, 80)]
