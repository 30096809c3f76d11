"""`egoact extract`: from segments and recordings to a feature store."""

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.core.errors import ArtifactError

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
    dtype: Literal["float16", "int8"] = "float16"
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
    from egoact.core.annotations.segments import read_segments
    from egoact.core.machine import num_cores
    from egoact.extraction.clips import Extraction, plan_store
    from egoact.extraction.engine_choice import choose_engine, keep_graph
    from egoact.extraction.recordings import extract_recordings
    from egoact.media.sources import MediaRoot
    from egoact.media.stills.flow import FlowRoot
    from egoact.models.backbones.registry import load_backbone
    from egoact.store.writer import StoreWriter

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
    spec = plan_store(
        backbone.spec,
        engine,
        num_frames=settings.num_frames,
        views=settings.views,
        seed=settings.seed,
        dtype=settings.dtype,
    )
    with StoreWriter(settings.features, spec) as writer:
        keep_graph(engine, settings.features)
        clips = Extraction(table, root, engine, writer, settings.workers or min(num_cores(), MAX_WORKERS))
        try:
            num_failed = clips.go()
            if settings.recordings and isinstance(root, MediaRoot):
                num_failed += extract_recordings(settings.features, writer.spec, root, table.video_ids, engine)
            return num_failed
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ArtifactError(
                "the disk is full; what is finished is kept: make room and give the same command again",
                path=settings.features,
            ) from None
