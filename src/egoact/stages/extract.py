"""`egoact extract`: from segments and recordings to a feature store."""

import contextlib
import errno
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from egoact.core import epic
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.progress import Progress, format_seconds
from egoact.core.segments import Segment, SegmentTable, read_segments
from egoact.data.encoding import StoredDtype
from egoact.data.flow import FlowRoot
from egoact.data.media import MediaRoot, MediaSource
from egoact.data.store import StoreSpec
from egoact.data.store_writer import Shard, StoreWriter
from egoact.engines import Engine
from egoact.models.backbones import Backbone, load_backbone
from egoact.stages._decoding import FrameBatch, FrameFailure, JobDone, Sampling, VideoJob, decode
from egoact.stages._engine_choice import choose_engine, graph_hash, keep_graph
from egoact.stages._failures import FAILURES_NAME, update_failures
from egoact.stages._recordings import extract_recordings

MAX_WORKERS = 8


@dataclass(frozen=True)
class ExtractSettings:
    """Compute the features of segments once, and keep them.

    A store that exists is filled up: what it holds already is not computed again, and a killed run goes on where it
    was. Segments that fail are listed in failures.csv beside the features.
    """

    segments: Path
    """Segments CSV."""
    media: tuple[Path, ...]
    """Folder (or several) with the recordings: EPIC-KITCHENS' own layout, or video files, frame folders and tars by
    video id."""
    features: Path
    """Feature store to fill."""
    backbone: str = "efficientnet_lite0"
    """efficientnet_lite0, mobilenet_v2, timm:NAME, or tiny-random (for tests)."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors) instead of the packaged or downloaded ones."""
    num_frames: int = 20
    """Frames per clip."""
    size: int = 256
    """Height and width that frames are resized to, pixels."""
    views: int = 1
    """Clips per segment: the first looks at the middles of equal bins, the others anywhere in them."""
    modality: Literal["rgb", "flow"] = "rgb"
    """Look at frames, or at optical flow as egoact flow writes it (and EPIC-KITCHENS publishes it): u, v and their
    magnitude as the three channels of a picture."""
    kind: Literal["pooled", "maps"] = "pooled"
    """One vector a frame, or feature maps for the heads that need space (much larger)."""
    cut: int | None = None
    """Stop the backbone after this block."""
    dtype: StoredDtype = "float16"
    """Of the features on disk: float16, or for maps int8 with a scale for each channel, half as large."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What computes: auto takes the fastest here, as measured once and remembered."""
    precision: Literal["auto", "f32", "bf16", "f16", "int8"] = "auto"
    """Of the computation: auto takes the fastest of f32, bf16 and (on a GPU) f16 whose features
    are as good; int8 is calibrated on frames of these recordings."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Videos that are decoded at the same time; 0: one a core."""
    frame_rate: float | None = None
    """Frames per second of extracted frames; default: by EPIC-KITCHENS' rule for its ids, or the file fps.txt
    beside the frames. Video files need none."""
    seed: int = 0
    """Of the views after the first."""
    recordings: bool = False
    """Also compute the whole recordings, 8 pictures a second, so that train --background can learn from the gaps."""

    def __post_init__(self) -> None:
        if self.num_frames < 1 or self.views < 1:
            raise ValueError(f"--num-frames and --views must be at least 1, got {self.num_frames} and {self.views}")
        if self.dtype == "int8" and self.kind != "maps":
            raise ValueError("--dtype int8 is for --kind maps: pooled features have one number a channel")
        if self.workers < 0 or self.seed < 0:
            raise ValueError(f"--workers and --seed cannot be negative, got {self.workers} and {self.seed}")
        if self.frame_rate is not None and not self.frame_rate > 0:
            raise ValueError(f"--frame-rate must be positive, got {self.frame_rate}")
        if self.modality == "flow" and (self.recordings or self.frame_rate):
            raise ValueError(
                "--modality flow goes without --recordings (timelines are found in frames) and without --frame-rate "
                "(flow.json beside the flow says it)"
            )


def extract(settings: ExtractSettings) -> int:
    """Fill a feature store.

    Returns:
        Number of segments that failed.

    Raises:
        AnnotationError: The CSV is wrong.
        MediaError: The media folder is wrong, or has not one of the videos.
        ArtifactError: The store is damaged, made with other settings, in use, or the disk is full.
        ValueError: Impossible settings.
    """
    table = read_segments(settings.segments)
    is_flow = settings.modality == "flow"
    root = FlowRoot(settings.media) if is_flow else MediaRoot(settings.media, frame_rate=settings.frame_rate)
    backbone = load_backbone(
        settings.backbone,
        weights=settings.weights,
        cut=settings.cut,
        size=settings.size,
        kind=settings.kind,
        modality=settings.modality,
    )
    engine = choose_engine(
        backbone,
        engine=settings.engine,
        precision=settings.precision,
        device=settings.device,
        store=settings.features,
        root=root,
        segments=table,
        frames_each=settings.num_frames * settings.views,
    )
    with StoreWriter(settings.features, plan_store(settings, backbone, engine)) as writer:
        keep_graph(engine, settings.features)
        run = Extraction(settings, table, root, engine, writer)
        try:
            num_failed = run.go()
            if settings.recordings and isinstance(root, MediaRoot):
                num_failed += extract_recordings(settings.features, writer.spec, _sources(root, table), engine)
            return num_failed
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ArtifactError(
                "the disk is full; what is finished is kept: make room and give the same command again",
                path=settings.features,
            ) from None


def _sources(root: MediaRoot, table: SegmentTable) -> list[MediaSource]:
    """The recordings of a table, those left out that are not there: their segments have failed already."""
    found = []
    for video_id in table.video_ids:
        with contextlib.suppress(MediaError):
            found.append(root.find(video_id))
    return found


def plan_store(settings: ExtractSettings, backbone: Backbone, engine: Engine) -> StoreSpec:
    """What the manifest of a store says of its features."""
    spec = backbone.spec
    return StoreSpec(
        backbone=spec.name,
        weights_hash=spec.weights_hash,
        input_size=spec.input_size,
        mean=spec.mean,
        std=spec.std,
        num_frames=settings.num_frames,
        views=settings.views,
        seed=settings.seed,
        kind=spec.kind,
        cut=spec.cut,
        feature_shape=spec.feature_shape,
        engine=engine.name,
        precision=engine.precision,
        quantized=graph_hash(engine),
        dtype=settings.dtype,
        modality=spec.modality,
    )


@dataclass
class Extraction:
    """One extraction."""

    settings: ExtractSettings
    table: SegmentTable
    root: MediaRoot | FlowRoot
    engine: Engine
    writer: StoreWriter
    failures: dict[Segment, str] = field(default_factory=dict)
    num_frames: int = 0
    num_added: int = 0

    def go(self) -> int:
        """Do what is missing; gives the number of failed segments."""
        missing = self.writer.missing(self.table)
        jobs = self._jobs(missing)
        self._warn_of_errata(jobs)
        begun = time.monotonic()
        slots_each = self.settings.num_frames * self.settings.views
        with Progress("extract", total=slots_each * sum(len(j.segments) for j in jobs), unit="frames") as progress:
            self._compute(jobs, progress)
        update_failures(self.writer.path, tried=self.table, failed=list(self.failures.items()), index=self.writer.index)
        self._summarise(len(self.table) - len(missing), len(jobs), time.monotonic() - begun)
        return len(self.failures)

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
        num_workers = self.settings.workers or min(_num_cores(), MAX_WORKERS)
        try:
            with closing(decode(jobs, sampling, num_workers=num_workers)) as events:
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
        slots_each = self.settings.num_frames * self.settings.views
        for number in np.unique(slots // slots_each).tolist():
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


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
