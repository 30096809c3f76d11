"""Frames of recordings through the backbone into feature stores, one a stream, in one pass.

recordings ──► decoding threads ──► batches of frames ──► engine ──► shards of the stores, one a recording and stream
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial

import numpy as np

from egoact.core.epic import facts as epic
from egoact.core.errors import MediaError
from egoact.core.progress import Progress, format_seconds
from egoact.core.sampling import Floats, to_microseconds
from egoact.engines.streams import StreamEngine
from egoact.extraction.decoding import Decoders, Event, FrameBatch, FrameFailure, JobDone, VideoJob, decode
from egoact.extraction.filling import Filling
from egoact.extraction.wanted import WantedMoments
from egoact.extraction.windows import window_events
from egoact.media.pairs import Pixels
from egoact.media.recording import estimate_steps
from egoact.media.sources import MediaRoot, MediaSource
from egoact.media.stills.flow import FlowRoot
from egoact.store.layout.failures import FAILURES_NAME
from egoact.store.writer import StoreWriter

_EVENTS_AHEAD = 3  # that a device may be behind


class Extraction:
    """The streams of some moments, on their way into their stores.

    Writers are of the engine's streams, in the same order; `num_workers` recordings are decoded at the same time, some
    by the decoders of a device where there are any. Where it is a share of a larger extraction, it goes on where not
    one recording is there. `num_frames` counts the frames that were computed.
    """

    def __init__(
        self,
        wanted: WantedMoments,
        root: MediaRoot | FlowRoot,
        engine: StreamEngine,
        writers: Sequence[StoreWriter],
        num_workers: int,
        *,
        is_share: bool = False,
        decoders: Decoders | None = None,
    ) -> None:
        self.wanted, self.root, self.engine, self.num_workers = wanted, root, engine, num_workers
        self.fillings = [Filling(wanted, writer) for writer in writers]
        self.num_frames = 0
        self._is_share, self._decoders = is_share, decoders
        self._window = engine.specs[0].window
        self._lacking: dict[str, list[int]] = {}  # recording -> numbers of the streams that lack moments of it

    def go(self) -> int:
        """Do what is missing; gives the number of segments, or whole recordings, that failed."""
        for video_id in self.wanted.video_ids:
            self._lacking[video_id] = [n for n, f in enumerate(self.fillings) if len(f.missing(video_id))]
        counts = {video_id: len(self._missing(video_id)) for video_id in self.wanted.video_ids}
        jobs = self._jobs([video for video, count in counts.items() if count])
        stills = {j.source.video_id for j in jobs if isinstance(j.source, MediaSource) and j.source.is_stills}
        if wrong := sorted(stills & epic.ERRATUM_VIDEOS):
            how = "extract them anew from the MP4, or remove them so that the MP4 is read"
            print(f"extract: warning: the published frames of {', '.join(wrong)} were wrong for years; {how}")
        begun = time.monotonic()
        totals = [self._estimate(job, counts[job.source.video_id]) for job in jobs]
        total = None if None in totals else sum(filter(None, totals))
        others = [filling.other_failures() for filling in self.fillings]
        with Progress("extract", total=total, unit="frames") as progress:
            self._compute(jobs, progress)
            self._compute([j for j in jobs if any(j.source.video_id in f.sought for f in self.fillings)], progress)
        for filling, failures in zip(self.fillings, others, strict=True):
            filling.write_failures(failures)
        num_failed = self._count_failed()
        self._summarise(num_failed, len(jobs), time.monotonic() - begun)
        return num_failed

    def _missing(self, video_id: str) -> Floats:
        """Moments of a recording that any stream lacks, ascending."""
        each = [self.fillings[number].missing(video_id) for number in self._lacking[video_id]]
        if all(np.array_equal(each[0], times) for times in each[1:]):
            return each[0] if each else np.empty(0)
        times = np.concatenate(each)
        return np.asarray(times[np.unique(to_microseconds(times), return_index=True)[1]])

    def _jobs(self, video_ids: Sequence[str]) -> list[VideoJob]:
        jobs, first_error = [], None
        for video_id in video_ids:
            lacking = [self.fillings[number] for number in self._lacking[video_id]]
            try:
                source = self.root.find(video_id)
            except MediaError as error:
                first_error = first_error or error
                for filling in lacking:
                    filling.fail_all(video_id, str(error))
            else:
                engine, stack = self.engine.only(self._lacking[video_id]), self.engine.specs[0].stack
                lag = engine.specs[0].lag_seconds if stack > 1 else engine.lag_seconds
                jobs.append(VideoJob(source, partial(self._missing, video_id), self.wanted.is_whole, lag, stack))
        if first_error and not jobs and not self._is_share and len(video_ids) == len(self.wanted.video_ids):
            raise first_error  # not one video is there: the folder is wrong, rather than a few videos
        return jobs

    def _estimate(self, job: VideoJob, num_times: int) -> int | None:
        """How many moments there will be; None where nobody knows."""
        if not job.to_end:
            return num_times
        stated = None
        if isinstance(job.source, MediaSource):
            with suppress(MediaError):  # it is told when its turn comes
                stated = estimate_steps(job.source, rate=self.wanted.rate)
        video_id = job.source.video_id
        known = min(len(self.fillings[n].writer.of(video_id).moments) for n in self._lacking[video_id])
        return None if stated is None else max(stated - known, 0)

    def _compute(self, jobs: Sequence[VideoJob], progress: Progress) -> None:
        events = decode(
            jobs,
            size=self.engine.input_size,
            batch_size=self.engine.batch_size,
            num_workers=self.num_workers,
            read=None if self._window is None else partial(window_events, window=self._window),
            decoders=self._decoders,
        )
        begun: deque[Callable[[], None]] = deque()  # of a device that works by itself: ends of what it works on
        try:
            with closing(events):
                for event in events:
                    begun.append(self._begin(event, progress))
                    while len(begun) > (_EVENTS_AHEAD if self.engine.is_ahead else 0):
                        begun.popleft()()
            while begun:
                begun.popleft()()
        finally:
            for filling in self.fillings:
                filling.close()

    def _begin(self, event: Event, progress: Progress) -> Callable[[], None]:
        """Begin with an event; gives what ends it, when all that came before has ended."""
        lacking = self._lacking[event.job.source.video_id]
        infer = self._infer(event, lacking) if isinstance(event, FrameBatch) else None

        def end() -> None:
            if isinstance(event, FrameBatch):
                if infer is not None:
                    infer()
                progress.advance(len(event.times))
            elif isinstance(event, FrameFailure):
                for number in lacking:
                    self.fillings[number].fail(event)
                progress.advance(0 if event.job.to_end or event.is_earlier else len(event.times))
            elif isinstance(event, JobDone):
                for number in lacking:
                    self.fillings[number].commit(event.job)

        return end

    def _infer(self, batch: FrameBatch, lacking: Sequence[int]) -> Callable[[], None] | None:
        """Begin to compute a batch for the streams that lack moments of it; gives what keeps the features."""
        chosen = {number: self.fillings[number].can_use(batch) for number in lacking}
        numbers = [number for number, moments in chosen.items() if moments.any()]
        if not numbers:
            return None
        frames = batch.frames if self._window is not None else fill_up(batch.frames, self.engine.batch_size)
        earlier = None if batch.earlier is None else fill_up(batch.earlier, self.engine.batch_size)
        finish = self.engine.only(numbers).start(frames, earlier, lag_seconds=batch.lag_seconds or None)

        def keep() -> None:
            found = finish()
            self.num_frames += len(batch.frames) * (1 if self._window is None else self._window.num_pictures)
            for number, features in zip(numbers, found, strict=True):
                with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite: its filling finds it
                    halves = features[: len(batch.frames)].astype(np.float16)
                if self._window is not None:
                    halves = halves.reshape(-1, halves.shape[2])  # the rows of all windows
                self.fillings[number].add(batch, halves, chosen[number])

        return keep

    def _count_failed(self) -> int:
        videos = {failure.video_id for filling in self.fillings for failure in filling.failures}
        if self.wanted.is_whole:
            return len(videos)
        rows = {video_id: [filling.writer.of(video_id) for filling in self.fillings] for video_id in videos}
        return sum(
            any(len(self.wanted.missing_of([segment], row)) for row in rows[video_id])
            for video_id in videos
            for segment in self.wanted.segments[video_id]
        )

    def _summarise(self, num_failed: int, num_videos: int, seconds: float) -> None:
        rate = self.num_frames / seconds if seconds > 0 else 0.0
        failed = _count(num_failed, "recording" if self.wanted.is_whole else "segment")
        added = _count(max(filling.num_added for filling in self.fillings), "moment")
        known = f"{self.fillings[0].num_before} were there already, " if len(self.fillings) == 1 else ""
        print(
            f"extract: {added} of {_count(num_videos, 'recording')}, {_count(self.num_frames, 'frame')} in "
            f"{format_seconds(seconds)} ({rate:.0f} frames/s, {self.engine.name} {self.engine.precision}); "
            f"{known}{failed} failed"
        )
        for filling in self.fillings if len(self.fillings) > 1 else ():
            print(f"extract: {filling.name}: {filling.num_added} added, {filling.num_before} were there already")
        for filling in self.fillings:
            if filling.failures:
                worst = min(filling.failures)
                place = f"{worst.video_id} from {worst.start_seconds:.2f} s"
                print(f"extract: see {filling.writer.path / FAILURES_NAME}; the first: {place}: {worst.reason}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def fill_up(frames: Pixels, batch_size: int) -> Pixels:
    """Black frames behind the last batch of a video, up to a multiple of four: engines plan anew for each new size."""
    if not isinstance(frames, np.ndarray):  # what lies on a device is computed there
        return frames
    size = min(-(-len(frames) // 4) * 4, max(batch_size, len(frames)))
    if size == len(frames):
        return frames
    return np.concatenate([frames, np.zeros((size - len(frames), *frames.shape[1:]), dtype=frames.dtype)])
