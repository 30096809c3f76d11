"""How far a recording is followed whose end nobody knows: made-up recordings, told where to end and where to break."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import step_times
from egoact.extraction import decoding
from egoact.extraction.decoding import FrameBatch, FrameFailure, JobDone, VideoJob, decode
from egoact.media.sources import MediaSource

PATH = Path("made.mp4")
Stretch = tuple[float, float]


def follow(
    monkeypatch: pytest.MonkeyPatch,
    times: np.ndarray,
    *,
    end: float,
    damaged: tuple[Stretch, ...] = (),
    to_end: bool = True,
) -> tuple[np.ndarray, int]:
    """The moments that were read, and how many were told to have failed."""

    def is_damaged(time: float) -> bool:
        return any(start <= time < stop for start, stop in damaged)

    def read(source, wanted: np.ndarray, **_) -> Iterator[tuple[slice, object]]:
        for number, time in enumerate(wanted.tolist()):
            if time >= end:
                yield slice(number, len(wanted)), EndOfRecordingError("the end", path=PATH)
                return
            frame = MediaError("damaged", path=PATH) if is_damaged(time) else np.zeros((2, 2, 3), dtype=np.uint8)
            yield slice(number, number + 1), frame

    monkeypatch.setattr(decoding, "read_frames", read)
    job = VideoJob(MediaSource("made", PATH, "video"), lambda: times, to_end)
    *events, last = decode([job], size=(2, 2), batch_size=64, num_workers=1)
    assert isinstance(last, JobDone)
    failed = sum(len(event.times) for event in events if isinstance(event, FrameFailure))
    return np.concatenate([np.empty(0), *(event.times for event in events if isinstance(event, FrameBatch))]), failed


def test_a_recording_is_followed_to_its_end_past_what_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    times = step_times(3600, rate=1)
    found, _ = follow(monkeypatch, times, end=1000, damaged=((0, 100), (500, 900)))
    assert found.tolist() == [t for t in times.tolist() if 100 <= t < 500 or 900 <= t < 1000]


def test_what_is_silent_for_ten_minutes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = step_times(24 * 3600, rate=1)
    found, failed = follow(monkeypatch, times, end=80_000, damaged=((100, 80_000),))
    assert found.tolist() == times[:100].tolist() and 600 <= failed <= 602


def test_labelled_stretches_are_all_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.array([10.0, 5000.0, 5001.0, 9000.0])
    found, failed = follow(monkeypatch, times, end=9500, damaged=((0, 5000.5),), to_end=False)
    assert found.tolist() == [5001.0, 9000.0] and failed == 2


def test_what_is_there_already_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first minutes were extracted before, and the first moment that is asked for is damaged."""
    times = step_times(3600, rate=1)[700:]
    found, _ = follow(monkeypatch, times, end=1000, damaged=((700, 702),))
    assert found.tolist() == [t for t in times.tolist() if 702 <= t < 1000]


def test_what_lies_between_two_damaged_stretches_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a recording two stretches failed, thousands of seconds apart; the second has been repaired since."""
    every = step_times(3600, rate=1)
    times = every[((every > 100) & (every < 110)) | ((every > 2000) & (every < 2010))]
    found, failed = follow(monkeypatch, times, end=3000, damaged=((100, 110), (2000, 2002)))
    assert found.tolist() == [t for t in times.tolist() if t > 2002] and failed == 12
