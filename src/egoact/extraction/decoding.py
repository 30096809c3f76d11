"""Videos to batches of frames, several videos at a time, while somebody else computes on earlier batches.

    jobs ──► worker threads, one video each ──► bounded queue ──► whoever iterates

Memory is bounded by workers and queue, not by videos. A batch holds frames of one video in order of time, so what
is in a batch does not depend on which worker was faster: features come out the same, bit by bit, in every run.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from threading import BoundedSemaphore
from typing import Literal

import numpy as np

from egoact.core.annotations.segments import Segment, group_by_recording
from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import ClipSampling, Floats
from egoact.extraction.run_ahead import run_ahead
from egoact.media.pairs import Picture, Pixels, frame_lag, read_pairs, read_stacks
from egoact.media.sources import MediaRoot, MediaSource, read_frames
from egoact.media.stills.flow import FlowRoot, FlowSource
from egoact.media.video.device_reader import DeviceReader

SILENT_SECONDS = 600  # without a frame, after which a recording whose end nobody knows is given up
RECORDINGS_AT_ONCE = 4  # of a GPU, which has several decoders, and one of them for each recording

Decoder = Literal["auto", "pyav", "torchcodec"]


@dataclass(frozen=True, eq=False)
class VideoJob:
    """Moments of one video whose frames are wanted."""

    source: MediaSource | FlowSource
    times: Callable[[], Floats]  # makes the moments, float64 (M,), ascending, seconds; asked when the job begins
    to_end: bool = False  # the moments go on until the recording ends, wherever that is
    lag_seconds: float = 0.0  # the frame shown about so much earlier is wanted, too, see `frame_lag`; 0: it is not
    stack: int = 1  # so many differences over that lag, or flows, are wanted side by side instead; 1: none


def clip_jobs(root: MediaRoot | FlowRoot, segments: Sequence[Segment], sampling: ClipSampling) -> list[VideoJob]:
    """The frames of clips, one job a recording; a `MediaError` where one is not there."""
    return [
        VideoJob(root.find(video_id), partial(np.sort, sampling.times(of_video), axis=None))
        for video_id, of_video in group_by_recording(segments).items()
    ]


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames of one video, on the device that decoded them where it was one."""

    job: VideoJob
    frames: Pixels  # uint8 (B, H, W, 3), RGB; of stacks (B, H, W, C), of windows (B, N, H, W, 3)
    times: Floats  # float64 (M,), moments that these frames show; M >= B
    frame_of_time: np.ndarray  # int64 (M,), which frame of the batch is shown at each
    earlier: Pixels | None = None  # as `frames`, what was shown before; black where that is lost; None: nobody wants it
    has_earlier: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))  # (B,), where it is not lost
    lag_seconds: float = 0.0  # how long before


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
    decoders: "Decoders | None" = None,
) -> Generator[Event, None, None]:
    """Events of all jobs; those of one job in order, and its `JobDone` last. Closing the iterator stops the workers.

    `num_workers` videos are decoded at the same time, into batches of `batch_size` frames at most of `size` (height,
    width). `read` makes the events of one job; by default of frames one by one, in which `decoders` of a device take
    part.
    """
    if read is None and decoders is not None:
        read, num_workers = decoders.events, decoders.count + (num_workers if decoders.is_helped else 0)
    num_threads = max(1, min(num_workers, len(jobs)))
    makers = [partial(read or job_events, job, size, batch_size) for job in jobs]
    return run_ahead(makers, num_threads=num_threads, most=num_threads + 1)


class Decoders:
    """Decoders of a device: whatever recording comes when one of `count` is free is read by it.

    `is_helped`: workers of this processor decode others meanwhile.
    """

    def __init__(self, reader: DeviceReader, count: int, *, is_helped: bool) -> None:
        self.count, self.is_helped = count, is_helped
        self._reader, self._free = reader, BoundedSemaphore(count)

    def events(self, job: VideoJob, size: tuple[int, int], batch_size: int) -> Iterator[Event]:
        """Of one job, as `decode`."""

        def read(source: MediaSource, times: Floats, *, size: tuple[int, int], num_threads: int) -> Iterator:
            return self._reader.read(source.path, times, size=size)

        is_video = isinstance(job.source, MediaSource) and not job.source.is_stills and job.stack == 1
        if not (is_video and self._free.acquire(blocking=False)):
            yield from job_events(job, size, batch_size)
            return
        try:
            yield from job_events(job, size, batch_size, read=read)
        finally:
            self._free.release()


def choose_decoders(decoder: Decoder, *, place: str, num_workers: int, is_whole: bool) -> Decoders | None:
    """Decoders beside PyAV, or instead of it; None: PyAV alone.

    "auto" takes them for whole recordings on a GPU, where they are installed; `place`, "cpu", "cuda" or "cuda:N", is
    where the network is, and `num_workers` how many recordings this processor decodes at the same time.

    Raises:
        ValueError: They were asked for, and are not there.
    """
    on_gpu = place != "cpu"
    if decoder == "pyav" or (decoder == "auto" and not (on_gpu and is_whole and find_spec("torchcodec"))):
        return None
    try:
        reader = DeviceReader(place)
    except ValueError as error:
        if decoder != "auto":
            raise
        print(f"extract: {error}; going on with PyAV alone", file=sys.stderr)
        return None
    return Decoders(reader, RECORDINGS_AT_ONCE if on_gpu else num_workers, is_helped=decoder == "auto")


def job_events(
    job: VideoJob, size: tuple[int, int], batch_size: int, *, read: Callable[..., Iterator] | None = None
) -> Iterator[Event]:
    """The batches and failures of one video; `read` gives pictures as `read_frames`."""
    times = job.times()
    num_answered = num_silent = 0
    most_silent = SILENT_SECONDS / np.diff(times).min(initial=1.0)
    waiting: list[tuple[Pixels, Picture, Floats]] = []
    lag = 0.0
    try:
        if job.lag_seconds and job.stack == 1 and isinstance(job.source, MediaSource):
            lag = frame_lag(job.source, job.lag_seconds)
        for positions, frame, earlier in _read(job, times, size, lag, read or read_frames):
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
            waiting.append((frame, earlier, shown))
            if len(waiting) == batch_size:
                yield _join(job, waiting, lag)
                waiting = []
    except MediaError as error:
        yield FrameFailure(job, times[num_answered:], error)
    if waiting:
        yield _join(job, waiting, lag)
    yield JobDone(job)


def _read(
    job: VideoJob, times: Floats, size: tuple[int, int], lag: float, read: Callable[..., Iterator]
) -> Iterator[tuple[slice, Picture, Picture]]:
    """Several videos are decoded side by side: more threads for each would only get into each other's way."""
    if job.stack == 1:
        return read_pairs(job.source, times, lag_seconds=lag, size=size, num_threads=1, read=read)
    stacks = read_stacks(job.source, times, count=job.stack, lag_seconds=job.lag_seconds, size=size, num_threads=1)
    return ((positions, stack, stack) for positions, stack in stacks)


def _join(job: VideoJob, waiting: Sequence[tuple[Pixels, Picture, Floats]], lag: float) -> FrameBatch:
    frames, earlier, times = zip(*waiting, strict=True)
    counts = [len(each) for each in times]
    has_earlier = np.array([not isinstance(each, MediaError) for each in earlier])
    black = 0 * frames[0]
    return FrameBatch(
        job,
        _stack(frames),
        np.concatenate(times),
        np.repeat(np.arange(len(counts)), counts),
        _stack([each if there else black for each, there in zip(earlier, has_earlier, strict=True)]) if lag else None,
        has_earlier,
        lag,
    )


def _stack(pictures: Sequence[Pixels]) -> Pixels:
    """Pictures as one array, where the first one lies."""
    if isinstance(pictures[0], np.ndarray):
        return np.stack(pictures)
    import torch

    return torch.stack(list(pictures))
