"""Clips of segments through the backbone into a feature store.

recordings ──► decoding threads ──► batches of frames ──► engine ──► shards of the store, one a recording
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.epic import facts as epic
from egoact.core.errors import MediaError
from egoact.core.progress import Progress, format_seconds
from egoact.engines import Engine
from egoact.extraction.decoding import FrameBatch, FrameFailure, JobDone, Sampling, VideoJob, decode
from egoact.extraction.engine_choice import graph_hash
from egoact.media.sources import MediaRoot, MediaSource
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.encoding import StoredDtype
from egoact.store.index import stretch_of
from egoact.store.manifest import StoreSpec
from egoact.store.writer import FAILURES_NAME, Shard, StoreWriter, update_failures


def plan_store(
    backbone: BackboneSpec,
    engine: Engine,
    *,
    num_frames: int = 20,
    views: int = 1,
    seed: int = 0,
    dtype: StoredDtype = "float16",
) -> StoreSpec:
    """What the manifest of a store says of its features; see `StoreSpec`."""
    return StoreSpec(
        backbone=backbone.name,
        weights_hash=backbone.weights_hash,
        input_size=backbone.input_size,
        mean=backbone.mean,
        std=backbone.std,
        num_frames=num_frames,
        views=views,
        seed=seed,
        kind=backbone.kind,
        cut=backbone.cut,
        feature_shape=backbone.feature_shape,
        engine=engine.name,
        precision=engine.precision,
        quantized=graph_hash(engine),
        dtype=dtype,
        modality=backbone.modality,
    )


@dataclass
class Extraction:
    """The clips of some segments, on their way into a store.

    Args:
        table: Segments that are wanted.
        root: Their recordings, or the optical flow of them.
        engine: Of the backbone.
        writer: Of the store.
        num_workers: Recordings that are decoded at the same time.
    """

    table: SegmentTable
    root: MediaRoot | FlowRoot
    engine: Engine
    writer: StoreWriter
    num_workers: int
    failures: dict[Segment, str] = field(default_factory=dict)
    num_frames: int = 0
    num_added: int = 0

    def go(self) -> int:
        """Do what is missing; gives the number of failed segments."""
        missing = self.writer.missing(self.table)
        jobs = self._jobs(missing)
        self._warn_of_errata(jobs)
        begun = time.monotonic()
        with Progress(
            "extract", total=self._slots_each * sum(len(j.segments) for j in jobs), unit="frames"
        ) as progress:
            self._compute(jobs, progress)
        reasons = {stretch_of(segment): reason for segment, reason in self.failures.items()}
        for segment in self.table:  # several segments of the same stretch fail together
            if stretch_of(segment) in reasons:
                self.failures.setdefault(segment, reasons[stretch_of(segment)])
        update_failures(self.writer.path, tried=self.table, failed=list(self.failures.items()), index=self.writer.index)
        self._summarise(len(self.table) - len(missing), len(jobs), time.monotonic() - begun)
        return len(self.failures)

    @property
    def _slots_each(self) -> int:
        return self.writer.spec.num_frames * self.writer.spec.views

    def _jobs(self, missing: Sequence[Segment]) -> list[VideoJob]:
        by_video: dict[str, list[Segment]] = {}
        for segment in missing:
            by_video.setdefault(segment.video_id, []).append(segment)
        jobs, first_error = [], None
        for video_id, segments in by_video.items():
            try:
                jobs.append(VideoJob(self.root.find(video_id), segments))
            except MediaError as error:
                first_error = first_error or error
                self.failures |= dict.fromkeys(segments, str(error))
        if first_error and not jobs and len(missing) == len(self.table):
            raise first_error  # not one video is there: the folder is wrong, rather than a few videos
        return jobs

    def _warn_of_errata(self, jobs: Sequence[VideoJob]) -> None:
        stills = {j.source.video_id for j in jobs if isinstance(j.source, MediaSource) and j.source.is_stills}
        wrong = sorted(stills & epic.ERRATUM_VIDEOS)
        if wrong:
            print(
                f"extract: warning: the published frames of {', '.join(wrong)} were wrong for years; "
                "extract them anew from the MP4, or remove them so that the MP4 is read"
            )

    def _compute(self, jobs: Sequence[VideoJob], progress: Progress) -> None:
        spec = self.writer.spec
        sampling = Sampling(spec.num_frames, spec.views, spec.seed, spec.input_size, self.engine.batch_size)
        shards: dict[str, Shard] = {}
        try:
            with closing(decode(jobs, sampling, num_workers=self.num_workers)) as events:
                for event in events:
                    video_id = event.job.source.video_id
                    if video_id not in shards:
                        shards[video_id] = self.writer.begin(event.job.segments)
                    if isinstance(event, FrameBatch):
                        self._infer(event, shards[video_id])
                        progress.advance(len(event.slots))
                    elif isinstance(event, FrameFailure):
                        self._fail(event.job, event.slots, event.reason)
                        progress.advance(len(event.slots))
                    elif isinstance(event, JobDone):
                        self.num_added += self.writer.commit(shards[video_id])
                        del shards[video_id]
        finally:
            for shard in shards.values():
                shard.discard()

    def _infer(self, batch: FrameBatch, shard: Shard) -> None:
        with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is found below
            features = self.engine.run(fill_up(batch.frames, self.engine.batch_size)).astype(np.float16)
        features = features[: len(batch.frames)]
        self.num_frames += len(features)
        finite = np.array([np.isfinite(feature).all() for feature in features])[batch.frame_of_slot]
        if not finite.all():
            reason = "the backbone's features are not finite numbers in float16; try --precision f32"
            self._fail(batch.job, batch.slots[~finite], reason)
        shard.write(batch.slots[finite], features[batch.frame_of_slot[finite]])

    def _fail(self, job: VideoJob, slots: np.ndarray, reason: str) -> None:
        for number in np.unique(slots // self._slots_each).tolist():
            self.failures.setdefault(job.segments[number], reason)

    def _summarise(self, num_present: int, num_videos: int, seconds: float) -> None:
        rate = self.num_frames / seconds if seconds > 0 else 0.0
        print(
            f"extract: {self.num_added} segments of {num_videos} videos, {self.num_frames} frames in "
            f"{format_seconds(seconds)} ({rate:.0f} frames/s, {self.engine.name} {self.engine.precision}); "
            f"{num_present} were there already, {len(self.failures)} failed"
        )
        if self.failures:
            first = min(self.failures, key=lambda s: (s.video_id, s.narration_id))
            print(
                f"extract: see {self.writer.path / FAILURES_NAME}; the first: {first.narration_id}: "
                f"{self.failures[first]}"
            )


def fill_up(frames: np.ndarray, batch_size: int) -> np.ndarray:
    """Black frames behind the last batch of a video, up to a multiple of four: engines plan anew for each new size."""
    size = min(-(-len(frames) // 4) * 4, max(batch_size, len(frames)))
    if size == len(frames):
        return frames
    return np.concatenate([frames, np.zeros((size - len(frames), *frames.shape[1:]), dtype=frames.dtype)])
