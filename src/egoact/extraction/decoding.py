"""Videos to batches of frames, several videos at a time, while somebody else computes on earlier batches.

    jobs ──► worker threads, one video each ──► bounded queue ──► whoever iterates

Memory is bounded by workers and queue, not by videos. A batch holds frames of one video in order of time, so what
is in a batch does not depend on which worker was faster: features come out the same, bit by bit, in every run.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from egoact.core.annotations.segments import Segment, group_by_recording
from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import ClipSampling, Floats
from egoact.extraction.run_ahead import run_ahead
from egoact.media.pairs import Picture, frame_lag, read_pairs
from egoact.media.sources import MediaRoot, MediaSource, read_frames
from egoact.media.stacks import read_stacks
from egoact.media.stills.flow import FlowRoot, FlowSource

_SILENT_SECONDS = 600  # without a frame, after which a recording whose end nobody knows is given up


@dataclass(frozen=True, eq=False)
class VideoJob:
    """Moments of one video whose frames are wanted.

    Args:
        source: The recording, or its optical flow.
        times: Makes the moments, float64 (M,), ascending, seconds; asked when the job begins.
        to_end: Whether the moments go on until the recording ends, wherever that is.
        lag_seconds: Also the frame that was shown about so much earlier is wanted, see `frame_lag`; 0: it is not.
        stack: How many differences over that lag, or flows, are wanted side by side instead; 1: none.
    """

    source: MediaSource | FlowSource
    times: Callable[[], Floats]
    to_end: bool = False
    lag_seconds: float = 0.0
    stack: int = 1


def clip_jobs(root: MediaRoot | FlowRoot, segments: Sequence[Segment], sampling: ClipSampling) -> list[VideoJob]:
    """The frames of clips, one job a recording; a `MediaError` where one is not there."""

    def times(of_video: list[Segment]) -> Floats:
        return np.sort(sampling.times(of_video), axis=None)

    return [
        VideoJob(root.find(video_id), partial(times, of_video))
        for video_id, of_video in group_by_recording(segments).items()
    ]


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames of one video.

    Args:
        job: The video.
        frames: uint8 (B, H, W, 3), RGB; of stacks (B, H, W, C), of windows (B, N, H, W, 3).
        times: float64 (M,), moments that these frames show; M >= B.
        frame_of_time: int64 (M,), which frame of the batch is shown at each.
        earlier: As `frames`, what was shown before each; black where that is lost. None where nobody wants it.
        has_earlier: bool (B,), where it is not.
        lag_seconds: How long before.
    """

    job: VideoJob
    frames: np.ndarray
    times: Floats
    frame_of_time: np.ndarray
    earlier: np.ndarray | None
    has_earlier: np.ndarray
    lag_seconds: float


@dataclass(frozen=True, eq=False)
class FrameFailure:
    """Moments of one video, float64 (M,), that have no frame; or just not the one before it."""

    job: VideoJob
    times: Floats
    error: MediaError
    is_earlier: bool = False


@dataclass(frozen=True, eq=False)
class JobDone:
    """Everything of a job has been given."""

    job: VideoJob


Event = FrameBatch | FrameFailure | JobDone
Read = Callable[[VideoJob, tuple[int, int], int], Iterator[Event]]


def decode(
    jobs: Sequence[VideoJob],
    *,
    size: tuple[int, int],
    batch_size: int,
    num_workers: int,
    read: Read | None = None,
) -> Generator[Event, None, None]:
    """Events of all jobs; those of one job in order, and its `JobDone` last.

    Closing the iterator stops the workers.

    Args:
        jobs: The videos.
        size: (height, width) of the frames in pixels.
        batch_size: Most frames in a batch.
        num_workers: Videos that are decoded at the same time.
        read: Makes the events of one job; None: frames one by one.
    """
    num_threads = max(1, min(num_workers, len(jobs)))
    makers = [partial(read or _job_events, job, size, batch_size) for job in jobs]
    return run_ahead(makers, num_threads=num_threads, most=num_threads + 1)


def _job_events(job: VideoJob, size: tuple[int, int], batch_size: int) -> Iterator[Event]:
    """The batches and failures of one video."""
    times = job.times()
    num_answered = num_silent = 0
    most_silent = _SILENT_SECONDS / np.diff(times).min(initial=1.0)
    batch: _Batch | None = None
    try:
        has_lag = job.lag_seconds and job.stack == 1 and isinstance(job.source, MediaSource)
        lag = frame_lag(job.source, job.lag_seconds) if has_lag else 0.0  # type: ignore[arg-type]
        batch = _Batch(job, size, batch_size, lag)
        for positions, frame, earlier in _read(job, times, size, lag):
            num_answered = positions.stop
            shown = times[positions]
            if isinstance(frame, MediaError):
                yield FrameFailure(job, shown, frame)
                num_silent += len(shown)
                if job.to_end and (isinstance(frame, EndOfRecordingError) or num_silent > most_silent):
                    break
                continue
            num_silent = 0
            if isinstance(earlier, MediaError):
                yield FrameFailure(job, shown, earlier, is_earlier=True)
            batch.add(frame, earlier, shown)
            if batch.is_full:
                yield batch.take()
    except MediaError as error:
        yield FrameFailure(job, times[num_answered:], error)
    if batch is not None and not batch.is_empty:
        yield batch.take()
    yield JobDone(job)


def _read(
    job: VideoJob, times: Floats, size: tuple[int, int], lag: float
) -> Iterator[tuple[slice, Picture, Picture | None]]:
    """Several videos are decoded side by side: more threads for each would only get into each other's way."""
    source = job.source
    if job.stack > 1:
        for positions, stack in read_stacks(
            source, times, count=job.stack, lag_seconds=job.lag_seconds, size=size, num_threads=1
        ):
            yield positions, stack, None
        return
    if lag and isinstance(source, MediaSource):
        yield from read_pairs(source, times, lag_seconds=lag, size=size, num_threads=1)
        return
    for positions, frame in read_frames(source, times, size=size, num_threads=1):
        yield positions, frame, None


class _Batch:
    """A batch that is being filled."""

    def __init__(self, job: VideoJob, size: tuple[int, int], batch_size: int, lag: float) -> None:
        self._job, self._lag = job, lag
        self._size, self._shape = batch_size, size
        self._clear()

    @property
    def is_full(self) -> bool:
        return len(self._times) == self._size

    @property
    def is_empty(self) -> bool:
        return not self._times

    def add(self, frame: np.ndarray, earlier: Picture | None, times: Floats) -> None:
        if self.is_empty:
            shape = (self._size, *self._shape, frame.shape[2])
            self._frames = np.empty(shape, dtype=np.uint8)
            self._earlier = np.zeros(shape, dtype=np.uint8) if self._lag else None
        row = len(self._times)
        self._frames[row] = frame
        self._has_earlier.append(isinstance(earlier, np.ndarray))
        if self._earlier is not None and isinstance(earlier, np.ndarray):
            self._earlier[row] = earlier
        self._times.append(times)

    def take(self) -> FrameBatch:
        counts = [len(times) for times in self._times]
        batch = FrameBatch(
            self._job,
            self._frames[: len(counts)],
            np.concatenate(self._times),
            np.repeat(np.arange(len(counts)), counts),
            None if self._earlier is None else self._earlier[: len(counts)],
            np.array(self._has_earlier),
            self._lag,
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self._times: list[Floats] = []
        self._has_earlier: list[bool] = []
