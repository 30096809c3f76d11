"""`egoact extract`: from segments and recordings to a feature store."""

import errno
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.commands.data.extract_settings import ExtractSettings
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.progress import working

if TYPE_CHECKING:
    from egoact.engines.streams import StreamEngine
    from egoact.extraction.wanted import WantedMoments
    from egoact.extraction.work import Work
    from egoact.media.sources import MediaRoot
    from egoact.media.stills.flow import FlowRoot
    from egoact.models.backbones.registry import Backbone

MAX_WORKERS = 8


def extract(settings: ExtractSettings) -> int:
    """Fill a feature store; gives the number of segments that failed."""
    from egoact.core.machine import num_cores

    if settings.cluster is not None:
        settings = settings.for_elsewhere()
    work = work_of(settings)
    if settings.cluster is None and is_finished(settings, work):
        print("extract: nothing is missing: all that is wanted is there already")
        return 0
    try:
        if settings.cluster is not None:
            from egoact.extraction.distributed.cluster import extract_on_cluster

            return extract_on_cluster(
                work,
                settings.features,
                address=settings.cluster,
                num_workers=settings.workers,
                wants_gpu=settings.wants_gpu,
            )
        return work.go(settings.features, num_workers=settings.workers or min(num_cores(), MAX_WORKERS))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = "the disk is full; what is finished is kept: make room and give the same command again"
        raise ArtifactError(reason, path=settings.features) from None


def work_of(settings: ExtractSettings) -> "Work":
    """What is to be done: labels and folders are read, and the network of a video encoder is loaded."""
    from egoact.commands.labels import read_and_tell
    from egoact.commands.recordings import open_recordings
    from egoact.core.annotations.segments import SegmentTable, group_by_recording
    from egoact.extraction.wanted import WantedMoments
    from egoact.extraction.work import Work
    from egoact.media.sources import MediaRoot
    from egoact.media.stills.flow import FlowRoot

    table, anticipation = read_and_tell(settings.segments) if settings.segments else (), settings.anticipation()
    if anticipation is not None and isinstance(table, SegmentTable):
        table = anticipation.observed(table)
    root: MediaRoot | FlowRoot = (
        FlowRoot(settings.media)
        if settings.modality == "flow"
        else open_recordings(settings.media, frame_rate=settings.frame_rate)
    )
    segments = group_by_recording(table)
    if not settings.segments and isinstance(root, MediaRoot):
        segments = {video_id: [] for video_id in root.video_ids}
        if not segments:
            raise MediaError("there is no recording here: no video file, no frame folder, no tar", path=root.path)
    video = _load_video(settings) if settings.may_be_video else None
    wanted = WantedMoments(
        segments,
        rate=settings.rate if video is None or video.spec.window is None else video.spec.window.rate,
        is_whole=not settings.segments or settings.recordings,
        exact=settings.clips() if settings.exact else None,
    )
    choose = partial(_choose_streams, settings) if video is None else partial(_choose_video, settings, video)
    return Work(wanted, root, choose, settings.dtype, settings.weights, settings.decoder)


def _choose_streams(
    settings: ExtractSettings, wanted: "WantedMoments", root: "MediaRoot | FlowRoot", features: Path
) -> "StreamEngine":
    from egoact.engines.streams import grids_of, stream_specs
    from egoact.extraction.engine_choice import RealFrames, choose_stream_engine
    from egoact.extraction.work import remember_weights
    from egoact.media.stills.flow import FlowRoot
    from egoact.store.streams import check_fits

    size, streams = settings.frame_size(), settings.stream_names()
    with working("extract: loading the network"):
        backbones = {grid: _load_backbone(settings, grid) for grid in grids_of(streams)}
    for backbone in backbones.values() if settings.weights is None and settings.stack == 1 else ():
        remember_weights(backbone.spec)
    specs = stream_specs(streams, backbones, input_size=size)
    if isinstance(root, FlowRoot):
        specs = [replace(spec, without_camera=root.is_without_camera(wanted.video_ids)) for spec in specs]
    for spec in specs:
        check_fits(features, spec, rate=settings.rate)
    examples = wanted.examples(root)
    with working("extract: choosing an engine"):
        return choose_stream_engine(
            specs,
            backbones,
            engine=settings.engine,
            precision=settings.precision,
            device=settings.device,
            features=features,
            frames=RealFrames(root, examples, size, specs[0].stack, specs[0].lag_seconds),
            num_frames=wanted.estimate(examples),
        )


def _choose_video(
    settings: ExtractSettings,
    backbone: "Backbone",
    wanted: "WantedMoments",
    root: "MediaRoot | FlowRoot",
    features: Path,
) -> "StreamEngine":
    from egoact.engines.streams import one_stream
    from egoact.extraction.engine_choice import RealFrames, choose_video_engine
    from egoact.store.streams import check_fits

    check_fits(features, backbone.spec, rate=wanted.rate)
    examples = wanted.examples(root)
    engine = choose_video_engine(
        backbone,
        engine=settings.engine,
        precision=settings.precision,
        device=settings.device,
        store=features,
        frames=RealFrames(root, examples, backbone.spec.input_size),
        num_rows=wanted.estimate(examples),
    )
    return one_stream(backbone.spec, engine)


def is_finished(settings: ExtractSettings, work: "Work") -> bool:
    """Whether there is nothing to do, as far as that can be said without loading a network."""
    from egoact.extraction.work import is_finished as holds_all
    from egoact.media.stills.flow import FlowRoot

    # The commit of the hub may be a new one; a stack's network is not one of those that are remembered by name.
    if settings.weights is not None or settings.may_be_video or settings.stack > 1:
        return False
    facts = {
        "backbone": settings.backbone,
        "cut": settings.cut,
        "input_size": settings.frame_size(),
        "kind": settings.kind,
        "rate": settings.rate,
        "dtype": settings.dtype,
        "without_camera": isinstance(work.root, FlowRoot) and work.root.is_without_camera(work.wanted.video_ids),
    }
    names = settings.stream_names() if settings.modality == "rgb" else (settings.modality,)  # streams are of frames
    return holds_all(
        settings.features, names, work.wanted, facts=facts, engine=settings.engine, precision=settings.precision
    )


def _load_video(settings: ExtractSettings) -> "Backbone | None":
    """A video encoder; None: the backbone looks at single pictures."""
    from egoact.models.backbones.video import WindowOptions, is_video_encoder, load_video_backbone

    is_video = is_video_encoder(settings.backbone, settings.weights)
    settings.check_window_flags(is_video=is_video)
    if not is_video:
        return None
    windows = WindowOptions(settings.rate, settings.window, settings.tokens, settings.stride, settings.past)
    with working("extract: loading the network"):
        return load_video_backbone(settings.backbone, weights=settings.weights, size=settings.size, windows=windows)


def _load_backbone(settings: ExtractSettings, grid: int) -> "Backbone":
    from egoact.models.backbones.registry import Backbone, load_backbone
    from egoact.models.backbones.spec import LAG_SECONDS

    found = load_backbone(
        settings.backbone,
        weights=settings.weights,
        cut=settings.cut,
        size=settings.size,
        kind=settings.kind,
        modality="flow" if settings.modality == "flow" else "rgb",
        grid=grid,
        channels=settings.channels(),
    )
    if settings.stack == 1:
        return found
    lag = LAG_SECONDS if settings.modality == "difference" else 0.0
    spec = replace(found.spec, modality=settings.modality, lag_seconds=lag, stack=settings.stack)
    return Backbone(spec, found.module)
