"""Recordings to windows of pictures, for video encoders: each picture is decoded once, whatever windows overlap.

pictures   0 . . . . . . . . . | end        a window that begins earlier sees the first picture stand still,
windows  [- - -]   [- - -]   [- - -]        and one that ends later the last one
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import Floats
from egoact.extraction.decoding import SILENT_SECONDS, Event, FrameBatch, FrameFailure, JobDone, VideoJob
from egoact.media.pairs import Picture
from egoact.media.sources import read_frames
from egoact.models.backbones.spec import Window


@dataclass(frozen=True, eq=False)
class _Place:
    """A window of a recording. Times are counted in halves of the time of a picture: picture n is shown at 2 n + 1."""

    pictures: np.ndarray  # when its pictures are shown, int64 (N,); the first one again for those before the recording
    rows: np.ndarray  # which of its rows are wanted, counted from its first one, int64 (M,)
    middles: np.ndarray  # when these are shown, int64 (M,)
    times: Floats  # the same in seconds, as they were wanted, float64 (M,)


def window_events(job: VideoJob, size: tuple[int, int], batch_size: int, *, window: Window) -> Iterator[Event]:
    """Batches of `batch_size` windows of one recording at most, and what fails; a `JobDone` last.

    The times of the job are moments of rows. Frames of a batch are uint8 (B, N, H, W, 3), and `frame_of_time` counts
    the rows of all of its windows.
    """
    batch: list[tuple[_Place, np.ndarray]] = []
    for place, found in _fill(job, size, window):
        if isinstance(found, MediaError):
            yield FrameFailure(job, place.times, found)
            continue
        batch.append((place, found))
        if len(batch) == batch_size:
            yield _join(job, batch, window)
            batch = []
    if batch:
        yield _join(job, batch, window)
    yield JobDone(job)


def _moments(rows: np.ndarray, window: Window) -> np.ndarray:
    """When any picture of the windows of some rows, ascending, is shown, or a row's middle; ascending, too."""
    each = window.pictures_per_row
    windows = rows // window.stride
    begins = (windows[np.diff(windows, prepend=-1) > 0] * window.stride - window.first) * each
    stops = begins + window.num_pictures
    changes = np.zeros(stops.max(initial=0) + 1, dtype=np.int64)
    np.add.at(changes, np.maximum(begins, 0), 1)
    np.add.at(changes, stops, -1)
    shown = np.zeros(max(2 * len(changes), (2 * rows.max(initial=0) + 1) * each + 1), dtype=bool)
    shown[1 : 2 * len(changes) : 2] = np.cumsum(changes) > 0
    shown[(2 * rows + 1) * each] = True
    return np.flatnonzero(shown)


def _places(times: Floats, rows: np.ndarray, window: Window) -> Iterator[_Place]:
    """Made when their turn comes: of a recording whose length nobody knows there is a day of them."""
    each = window.pictures_per_row
    first = 0
    for stop in np.append(np.flatnonzero(np.diff(rows // window.stride)) + 1, len(rows)).tolist():
        part = slice(first, stop)
        start = rows[first] // window.stride * window.stride - window.first
        numbers = np.maximum(start * each + np.arange(window.num_pictures), 0)
        yield _Place(2 * numbers + 1, rows[part] - start, (2 * rows[part] + 1) * each, times[part])
        first = stop


def _fill(job: VideoJob, size: tuple[int, int], window: Window) -> Iterator[tuple[_Place, np.ndarray | MediaError]]:
    """Windows with their pictures, uint8 (N, H, W, 3), in order; or with what is wrong."""
    halves_per_second = 2 * window.pictures_per_second
    times = job.times()
    rows = np.rint(times * window.rate - 0.5).astype(np.int64)
    moments, places = _moments(rows, window), _places(times, rows, window)
    place = next(places, None) if len(rows) else None
    shown: dict[int, Picture] = {}
    num_silent = 0
    end: MediaError | None = None
    try:
        for positions, picture in read_frames(job.source, moments / halves_per_second, size=size, num_threads=1):
            if isinstance(picture, EndOfRecordingError):
                end = picture
                break
            shown |= dict.fromkeys(moments[positions].tolist(), picture)
            answered = moments[positions.stop - 1]
            while place is not None and place.pictures[-1] <= answered:
                yield place, _stack(place, shown)
                place = next(places, None)
                keep_from = answered if place is None else place.pictures[0]
                shown = {moment: each for moment, each in shown.items() if moment >= keep_from}
            num_silent = 0 if isinstance(picture, np.ndarray) else num_silent + positions.stop - positions.start
            if job.to_end and num_silent > SILENT_SECONDS * halves_per_second:
                end = picture if isinstance(picture, MediaError) else None
                break
    except MediaError as error:
        end = error
    if place is None or end is None:
        return
    last, left = -1, times >= place.times[0]
    if isinstance(end, EndOfRecordingError):
        last = max(shown, default=-1)
        left &= (2 * rows + 1) * window.pictures_per_row > last
    while place is not None and place.middles[0] <= last:
        there = place.middles <= last
        found = [x[there] for x in (place.rows, place.middles, place.times)]
        still = _Place(np.minimum(place.pictures, last), *found)
        yield still, _stack(still, shown)
        place = next(places, None)
    if left.any():
        nothing = np.empty(0, dtype=np.int64)
        yield _Place(nothing, nothing, nothing, times[left]), end


def _stack(place: _Place, shown: dict[int, Picture]) -> np.ndarray | MediaError:
    found = [shown[moment] for moment in place.pictures.tolist()]
    broken = next((picture for picture in found if isinstance(picture, MediaError)), None)
    return np.stack([p for p in found if isinstance(p, np.ndarray)]) if broken is None else broken


def _join(job: VideoJob, batch: list[tuple[_Place, np.ndarray]], window: Window) -> FrameBatch:
    return FrameBatch(
        job,
        np.stack([pictures for _, pictures in batch]),
        np.concatenate([place.times for place, _ in batch]),
        np.concatenate([number * window.rows + place.rows for number, (place, _) in enumerate(batch)]),
    )
