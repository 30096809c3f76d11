"""`egoact extract`: from segments and recordings to a feature store."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.commands.data.extract_settings import ExtractSettings
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.progress import working

if TYPE_CHECKING:
    from egoact.extraction.networks import ImageNetwork, VideoNetwork
    from egoact.extraction.work import Work

MAX_WORKERS = 8


def extract(settings: ExtractSettings) -> int:
    """Fill a feature store; gives the number of segments that failed."""
    from egoact.core.machine import num_cores

    if settings.cluster is not None:  # its processes begin in other folders
        media, weights = tuple(map(Path.absolute, settings.media)), settings.weights and settings.weights.absolute()
        settings = replace(settings, media=media, weights=weights)
    work = work_of(settings)
    if settings.cluster is None and work.is_finished(settings.features):
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
    from egoact.extraction.networks import ImageNetwork
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
    network = _network_of(settings)
    wanted = WantedMoments(
        segments,
        rate=settings.rate if isinstance(network, ImageNetwork) else network.rate,
        is_whole=not settings.segments or settings.recordings,
        exact=settings.clips() if settings.exact else None,
    )
    return Work(wanted, root, network, settings.dtype, settings.decoder)


def _network_of(settings: ExtractSettings) -> "ImageNetwork | VideoNetwork":
    from egoact.engines.interface import EngineChoice
    from egoact.extraction.networks import ImageNetwork, VideoNetwork
    from egoact.models.backbones.spec import STREAMS

    choice = EngineChoice(settings.weights, settings.engine, settings.precision, settings.device)
    if settings.may_be_video:
        from egoact.models.backbones.video import WindowOptions, is_video_encoder, load_video_backbone

        is_video = is_video_encoder(settings.backbone, settings.weights)
        settings.check_window_flags(is_video=is_video)
        if is_video:
            windows = WindowOptions(settings.rate, settings.window, settings.tokens, settings.stride, settings.past)
            options: dict[str, Any] = {"weights": settings.weights, "size": settings.size, "windows": windows}
            with working("extract: loading the network"):
                return VideoNetwork(load_video_backbone(settings.backbone, **options), choice)
    return ImageNetwork(
        settings.backbone,
        tuple(name for name in STREAMS if name in settings.streams),
        choice,
        size=settings.size,
        kind=settings.kind,
        cut=settings.cut,
        modality=settings.modality,
        stack=settings.stack,
    )
