"""Videos to batches of frames, several videos at a time, while somebody else computes on earlier batches.

    jobs ──► worker threads, one video each ──► bounded queue ──► whoever iterates

Memory is bounded by workers and queue, not by videos. A batch holds frames of one video in order of time, so what
is in a batch does not depend on which worker was faster: features come out the same, bit by bit, in every run.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import MediaError
from egoact.core.sampling import sample_views
from egoact.extraction.run_ahead import run_ahead
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.flow import FlowSource


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
    num_threads = max(1, min(num_workers, len(jobs)))
    makers = [partial(_job_events, job, sampling) for job in jobs]
    return run_ahead(makers, num_threads=num_threads, most=num_threads + 1)


def _job_events(job: VideoJob, sampling: Sampling) -> Iterator[Event]:
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
    yield JobDone(job)


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
