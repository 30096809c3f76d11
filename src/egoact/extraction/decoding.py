"""Videos to batches of frames, several videos at a time, while somebody else computes on earlier batches.

    jobs ──► worker threads, one video each ──► bounded queue ──► whoever iterates

Memory is bounded by workers and queue, not by videos. A batch holds frames of one video in order of time, so what
is in a batch does not depend on which worker was faster: features come out the same, bit by bit, in every run.
"""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import MediaError
from egoact.core.sampling import sample_views
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.flow import FlowSource

_POLL_SECONDS = 0.2


@dataclass(frozen=True, eq=False)
class VideoJob:
    """Segments of one video that need frames.

    Args:
        source: The recording, or its optical flow.
        segments: At least one.
    """

    source: MediaSource | FlowSource
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Sampling:
    """Which frames, and how they are put together.

    Args:
        num_frames: Frames per clip, T.
        num_views: Clips per segment, V.
        seed: Of the jitter of views 1 and up.
        size: (height, width) in pixels.
        batch_size: Most frames in a batch.
    """

    num_frames: int
    num_views: int
    seed: int
    size: tuple[int, int]
    batch_size: int


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames of one video.

    Args:
        job: The video.
        frames: uint8 (B, H, W, 3), RGB.
        slots: int64 (M,), flat indices into (segment, view, frame) that these frames fill; M >= B.
        frame_of_slot: int64 (M,), which frame of the batch goes into each slot.
    """

    job: VideoJob
    frames: np.ndarray
    slots: np.ndarray
    frame_of_slot: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameFailure:
    """Slots of one video that no frame can fill."""

    job: VideoJob
    slots: np.ndarray
    reason: str


@dataclass(frozen=True, eq=False)
class JobDone:
    """Everything of a job has been given."""

    job: VideoJob


Event = FrameBatch | FrameFailure | JobDone


def decode(jobs: Sequence[VideoJob], sampling: Sampling, *, num_workers: int) -> Generator[Event, None, None]:
    """Events of all jobs; those of one job in order, and its `JobDone` last.

    Closing the iterator stops the workers.
    """
    num_workers = max(1, min(num_workers, len(jobs)))
    todo: queue.SimpleQueue[VideoJob] = queue.SimpleQueue()
    for job in jobs:
        todo.put(job)
    events: queue.Queue[Event | BaseException] = queue.Queue(maxsize=num_workers + 1)
    stop = threading.Event()
    workers = [
        threading.Thread(target=_work, args=(todo, events, stop, sampling), daemon=True) for _ in range(num_workers)
    ]
    for worker in workers:
        worker.start()
    num_done = 0
    try:
        while num_done < len(jobs):
            try:
                event = events.get(timeout=_POLL_SECONDS)  # Ctrl-C does not interrupt an endless wait on Windows
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            num_done += isinstance(event, JobDone)
            yield event
    finally:
        stop.set()
        for worker in workers:
            worker.join(timeout=1)


class _StoppedError(Exception):
    """Nobody waits for events any more."""


def _work(todo: queue.SimpleQueue, events: queue.Queue, stop: threading.Event, sampling: Sampling) -> None:
    def put(event: Event | BaseException) -> None:
        while not stop.is_set():
            try:
                return events.put(event, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
        raise _StoppedError

    try:
        while True:
            job = todo.get_nowait()
            for event in job_events(job, sampling):
                put(event)
            put(JobDone(job))
    except (queue.Empty, _StoppedError):
        return
    except BaseException as error:  # a bug: it belongs to the thread that waits
        try:
            put(error)
        except _StoppedError:
            return


def job_events(job: VideoJob, sampling: Sampling) -> Iterator[FrameBatch | FrameFailure]:
    """The batches and failures of one video."""
    times = np.stack(
        [
            sample_views(s, num_frames=sampling.num_frames, num_views=sampling.num_views, seed=sampling.seed)
            for s in job.segments
        ]
    ).ravel()
    order = np.argsort(times, kind="stable")
    batch = _Batch(job, sampling)
    num_answered = 0
    try:
        # Several videos are decoded side by side: more threads for each would only get into each other's way.
        for positions, frame in read_frames(job.source, times[order], size=sampling.size, num_threads=1):
            num_answered = positions.stop
            if isinstance(frame, MediaError):
                yield FrameFailure(job, order[positions], str(frame))
                continue
            batch.add(frame, order[positions])
            if batch.is_full:
                yield batch.take()
    except MediaError as error:
        yield FrameFailure(job, order[num_answered:], str(error))
    if not batch.is_empty:
        yield batch.take()


class _Batch:
    """A batch that is being filled."""

    def __init__(self, job: VideoJob, sampling: Sampling) -> None:
        self._job = job
        self._shape = (sampling.batch_size, *sampling.size, 3)
        self._clear()

    @property
    def is_full(self) -> bool:
        return len(self._slots) == self._shape[0]

    @property
    def is_empty(self) -> bool:
        return not self._slots

    def add(self, frame: np.ndarray, slots: np.ndarray) -> None:
        if self.is_empty:
            self._frames = np.empty(self._shape, dtype=np.uint8)
        self._frames[len(self._slots)] = frame
        self._slots.append(slots)

    def take(self) -> FrameBatch:
        counts = [len(slots) for slots in self._slots]
        batch = FrameBatch(
            self._job,
            self._frames[: len(counts)],
            np.concatenate(self._slots),
            np.repeat(np.arange(len(counts)), counts),
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self._slots: list[np.ndarray] = []
