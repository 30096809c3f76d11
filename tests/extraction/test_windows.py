"""Windows of pictures against the pictures that a recording shows at the moments that the definition names."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.core.errors import EndOfRecordingError
from egoact.core.sampling import Floats, step_times
from egoact.extraction.decoding import FrameBatch, FrameFailure, JobDone, VideoJob
from egoact.extraction.windows import window_events
from egoact.media.sources import MediaSource
from egoact.models.backbones.spec import Window
from tests.makers.films.media import number_in, write_video

RATE, NUM_FRAMES = 24, 66  # 2.75 seconds
WINDOW = Window(
    num_pictures=8, pictures_per_second=8, tubelet=2, rows=4, parts=(1, 1), stride=4, first=0
)  # of a second; 4 rows a second
SIZE = (96, 144)
MIDDLE, PAST = replace(WINDOW, stride=2, first=1), replace(WINDOW, stride=1, first=3)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MediaSource:
    path = tmp_path_factory.mktemp("media") / "v.mp4"
    return MediaSource.of_file(write_video(path, num_frames=NUM_FRAMES, rate=RATE))


def expected(row: int, window: Window) -> list[int]:
    """Numbers of the pictures of the window that keeps a row; the recording shows 22 of its moments."""
    start = (row // window.stride * window.stride - window.first) * window.pictures_per_row
    numbers = [min(max(start + n, 0), 21) for n in range(window.num_pictures)]
    return [int((number + 0.5) / window.pictures_per_second * RATE) for number in numbers]


def look(
    source: MediaSource, times: Floats, window: Window, *, to_end: bool, batch_size: int = 2
) -> tuple[dict[int, list[int]], list[FrameFailure]]:
    """Row -> numbers of the pictures of its window; and what failed."""
    found, failures = {}, []
    *events, last = window_events(VideoJob(source, lambda: times, to_end), SIZE, batch_size, window=window)
    assert isinstance(last, JobDone)
    for event in events:
        if isinstance(event, FrameFailure):
            failures.append(event)
            continue
        assert isinstance(event, FrameBatch) and len(event.frames) <= batch_size
        for time, place in zip(event.times, event.frame_of_time, strict=True):
            number, row = divmod(int(place), window.rows)
            known = round(time * window.rate - 0.5)
            assert window.first <= row < window.first + window.stride
            assert (known - row + window.first) % window.stride == 0
            found[known] = [number_in(picture) for picture in event.frames[number]]
    return found, failures


@pytest.mark.parametrize("window", [WINDOW, MIDDLE, PAST])
def test_every_row_of_a_recording_comes_from_its_window_with_still_pictures_at_the_borders(
    source: MediaSource, window: Window
) -> None:
    found, failures = look(source, step_times(24 * 3600 * 4, rate=4), window, to_end=True)
    assert sorted(found) == list(range(11))  # the last one in the middle of 2.5 to 2.75 s
    assert found == {row: expected(row, window) for row in found}
    assert failures and all(isinstance(failure.error, EndOfRecordingError) for failure in failures)
    assert min(failure.times.min() for failure in failures) == pytest.approx((11 + 0.5) / 4)


@pytest.mark.parametrize("window", [WINDOW, MIDDLE, PAST])
def test_some_rows_are_what_they_are_in_the_whole_recording(source: MediaSource, window: Window) -> None:
    whole, _ = look(source, step_times(11, rate=4), window, to_end=False)
    rows = [1, 2, 6, 10]
    some, failures = look(source, (np.array(rows) + 0.5) / 4, window, to_end=False, batch_size=1)
    assert some == {row: whole[row] for row in rows} and not failures


def test_a_recording_that_cannot_be_read_fails_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"no video")
    found, failures = look(MediaSource.of_file(tmp_path / "v.mp4"), step_times(9, rate=4), WINDOW, to_end=False)
    assert not found and sum(len(failure.times) for failure in failures) == 9


@pytest.mark.parametrize(
    "change",
    [{"rows": 3}, {"rows": 8}, {"pictures_per_second": 9}, {"stride": 5}, {"stride": 2, "first": 3}, {"tubelet": 0}],
)
def test_windows_that_do_not_divide_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        replace(WINDOW, **change)
