"""Frames of recordings through the backbone into a feature store.

recordings ──► decoding threads ──► batches of frames ──► engine ──► shards of the store, one a recording
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from egoact.core import defaults
from egoact.core.epic import facts as epic
from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.progress import Progress, format_seconds
from egoact.core.sampling import Floats, to_microseconds
from egoact.engines import Engine
from egoact.extraction.decoding import FrameBatch, FrameFailure, JobDone, VideoJob, decode
from egoact.extraction.engine_choice import graph_hash
from egoact.extraction.wanted import WantedMoments
from egoact.media.recording import estimate_steps
from egoact.media.sources import MediaRoot, MediaSource
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.buffer import FeatureBuffer
from egoact.store.encoding import StoredDtype
from egoact.store.failures import FAILURES_NAME, Failure, read_failures, write_failures
from egoact.store.index import UNKNOWN
from egoact.store.manifest import StoreSpec
from egoact.store.writer import StoreWriter


def plan_store(
    backbone: BackboneSpec, engine: Engine, *, rate: int = defaults.RATE, dtype: StoredDtype = "float16"
) -> StoreSpec:
    """What the manifest of a store says of its features; see `StoreSpec`."""
    return StoreSpec(
        backbone=backbone.name,
        weights_hash=backbone.weights_hash,
        input_size=backbone.input_size,
        mean=backbone.mean,
        std=backbone.std,
        kind=backbone.kind,
        cut=backbone.cut,
        feature_shape=backbone.feature_shape,
        engine=engine.name,
        precision=engine.precision,
        rate=rate,
        quantized=graph_hash(engine),
        dtype=dtype,
        modality=backbone.modality,
    )


@dataclass
class Extraction:
    """The features of some moments, on their way into a store.

    Args:
        wanted: The moments.
        root: Their recordings, or the optical flow of them.
        engine: Of the backbone.
        writer: Of the store.
        num_workers: Recordings that are decoded at the same time.
    """

    wanted: WantedMoments
    root: MediaRoot | FlowRoot
    engine: Engine
    writer: StoreWriter
    num_workers: int
    failures: list[Failure] = field(default_factory=list)
    num_frames: int = 0
    num_added: int = 0

    def go(self) -> int:
        """Do what is missing; gives the number of segments, or whole recordings, that failed."""
        before = len(self.writer.index)
        counts = {video: len(self.wanted.missing(self.writer.of(video))) for video in self.wanted.video_ids}
        jobs = self._jobs([video for video, count in counts.items() if count])
        self._warn_of_errata(jobs)
        begun = time.monotonic()
        totals = [self._estimate(job, counts[job.source.video_id]) for job in jobs]
        total = None if None in totals else sum(filter(None, totals))
        kept = [f for f in read_failures(self.writer.path) if not self._is_tried(f)]
        with Progress("extract", total=total, unit="frames") as progress:
            self._compute(jobs, progress)
        write_failures(self.writer.path, [*kept, *self.failures])
        num_failed = self._count_failed()
        self._summarise(before, num_failed, len(jobs), time.monotonic() - begun)
        return num_failed

    def _is_tried(self, failure: Failure) -> bool:
        """Whether this run wants a moment that an earlier one found to be missing."""
        if failure.video_id not in self.wanted.segments:
            return False
        times = self.wanted.missing(self.writer.of(failure.video_id))
        return bool(((times > failure.start_seconds - 0.001) & (times < failure.stop_seconds + 0.001)).any())

    def _jobs(self, video_ids: Sequence[str]) -> list[VideoJob]:
        jobs, first_error = [], None
        for video_id in video_ids:
            row = self.writer.of(video_id)
            try:
                source = self.root.find(video_id)
            except MediaError as error:
                first_error = first_error or error
                self.failures.append(self._failure(video_id, self.wanted.missing(row), str(error)))
            else:
                jobs.append(VideoJob(source, partial(self.wanted.missing, row), self.wanted.is_whole))
        if first_error and not jobs and len(video_ids) == len(self.wanted.video_ids):
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
        return None if stated is None else max(stated - len(self.writer.of(job.source.video_id).moments), 0)

    def _warn_of_errata(self, jobs: Sequence[VideoJob]) -> None:
        stills = {j.source.video_id for j in jobs if isinstance(j.source, MediaSource) and j.source.is_stills}
        wrong = sorted(stills & epic.ERRATUM_VIDEOS)
        if wrong:
            print(
                f"extract: warning: the published frames of {', '.join(wrong)} were wrong for years; "
                "extract them anew from the MP4, or remove them so that the MP4 is read"
            )

    def _compute(self, jobs: Sequence[VideoJob], progress: Progress) -> None:
        size = self.writer.spec.input_size
        parts: dict[str, _Part] = {}
        events = decode(jobs, size=size, batch_size=self.engine.batch_size, num_workers=self.num_workers)
        try:
            with closing(events):
                for event in events:
                    video_id = event.job.source.video_id
                    if video_id not in parts:
                        parts[video_id] = _Part(self.writer.begin())
                    part = parts[video_id]
                    if isinstance(event, FrameBatch):
                        self._infer(event, part)
                        progress.advance(len(event.times))
                    elif isinstance(event, FrameFailure):
                        part.failed.append((event.times, event.error))
                        progress.advance(0 if event.job.to_end else len(event.times))
                    elif isinstance(event, JobDone):
                        self._commit(event.job, parts.pop(video_id))
        finally:
            for part in parts.values():
                part.buffer.__exit__()

    def _infer(self, batch: FrameBatch, part: "_Part") -> None:
        with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is found below
            features = self.engine.run(fill_up(batch.frames, self.engine.batch_size)).astype(np.float16)
        features = features[: len(batch.frames)]
        self.num_frames += len(features)
        finite = np.array([np.isfinite(feature).all() for feature in features])[batch.frame_of_time]
        if not finite.all():
            reason = "the backbone's features are not finite numbers in float16; try --precision f32"
            part.failed.append((batch.times[~finite], MediaError(reason, path=batch.job.source.path)))
        part.buffer.append(features[batch.frame_of_time[finite]])
        part.times.append(batch.times[finite])

    def _commit(self, job: VideoJob, part: "_Part") -> None:
        video_id = job.source.video_id
        times = np.concatenate([np.empty(0), *part.times])
        num_steps = self._find_end(video_id, part, times)
        with part.buffer as buffer:
            self.writer.commit(video_id, buffer, to_microseconds(times), num_steps=num_steps)
        self.num_added += len(times)
        failed = [
            (t, error) for t, error in part.failed if not (job.to_end and _is_end(error) and num_steps != UNKNOWN)
        ]
        # In what is left of a recording after its last whole step, that one is shown.
        failed = [(t[t * self.wanted.rate > num_steps + 1] if _is_end(e) else t, e) for t, e in failed]
        self.failures += self._stretches(video_id, [(t, error) for t, error in failed if len(t)])

    def _stretches(self, video_id: str, failed: list[tuple[Floats, MediaError]]) -> Iterator[Failure]:
        """Failed moments that lie less than a second apart as one, with the reason of the first."""
        failed = sorted(failed, key=lambda pair: float(pair[0][0]))
        while failed:
            stretch = [failed.pop(0)]
            while failed and failed[0][0][0] - stretch[-1][0][-1] < 1:
                stretch.append(failed.pop(0))
            error = stretch[0][1]
            times = np.concatenate([t for t, _ in stretch])
            for part in np.split(times, np.flatnonzero(np.diff(times) >= 1) + 1):
                yield self._failure(video_id, part, f"{error.path}: {error.reason}")

    def _find_end(self, video_id: str, part: "_Part", times: Floats) -> int:
        """How many steps the recording has, where the first one that it lacks comes right after one that it has."""
        if self.wanted.exact is not None:
            return UNKNOWN
        beyond = [failed[0] for failed, error in part.failed if _is_end(error)]
        if not beyond:
            return UNKNOWN
        first = int(min(beyond) * self.wanted.rate)
        last = (first - 0.5) / self.wanted.rate
        has_last = last in times or to_microseconds(np.array([last]))[0] in self.writer.of(video_id).moments
        return first if has_last else UNKNOWN

    def _failure(self, video_id: str, times: Floats, reason: str) -> Failure:
        """A stretch without features; of a recording whose end nobody knows it has no length."""
        stop = times[0] if self.wanted.is_whole and times[-1] - times[0] > _DAY_SECONDS / 2 else times[-1]
        return Failure(video_id, float(times[0]), float(stop), reason)

    def _count_failed(self) -> int:
        if self.wanted.is_whole:
            return len({failure.video_id for failure in self.failures})
        failed = 0
        for video_id in {failure.video_id for failure in self.failures}:
            row = self.writer.of(video_id)
            failed += sum(len(self.wanted.missing_of([s], row)) > 0 for s in self.wanted.segments[video_id])
        return failed

    def _summarise(self, num_before: int, num_failed: int, num_videos: int, seconds: float) -> None:
        rate = self.num_frames / seconds if seconds > 0 else 0.0
        failed = _count(num_failed, "recording" if self.wanted.is_whole else "segment")
        print(
            f"extract: {_count(self.num_added, 'moment')} of {_count(num_videos, 'recording')}, "
            f"{_count(self.num_frames, 'frame')} in "
            f"{format_seconds(seconds)} ({rate:.0f} frames/s, {self.engine.name} {self.engine.precision}); "
            f"{num_before} were there already, {failed} failed"
        )
        if self.failures:
            first = min(self.failures)
            place = f"{first.video_id} from {first.start_seconds:.2f} s"
            print(f"extract: see {self.writer.path / FAILURES_NAME}; the first: {place}: {first.reason}")


_DAY_SECONDS = 24 * 3600


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _is_end(error: MediaError) -> bool:
    return isinstance(error, EndOfRecordingError)


@dataclass
class _Part:
    """What has been computed of a recording, and what could not be."""

    buffer: FeatureBuffer
    times: list[Floats] = field(default_factory=list)
    failed: list[tuple[Floats, MediaError]] = field(default_factory=list)


def fill_up(frames: np.ndarray, batch_size: int) -> np.ndarray:
    """Black frames behind the last batch of a video, up to a multiple of four: engines plan anew for each new size."""
    size = min(-(-len(frames) // 4) * 4, max(batch_size, len(frames)))
    if size == len(frames):
        return frames
    return np.concatenate([frames, np.zeros((size - len(frames), *frames.shape[1:]), dtype=frames.dtype)])
