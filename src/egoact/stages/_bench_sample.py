"""What is measured with: recordings, some of their frames, and engines for them."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from egoact.core.errors import MediaError
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.media import MediaRoot, read_frames
from egoact.engines import Engine, tune_batch
from egoact.engines.engine import find_device
from egoact.kitchen import make_kitchen
from egoact.models.backbones import Backbone, load_backbone
from egoact.stages._decoding import Sampling, VideoJob
from egoact.stages._run_engine import load_backbone_engine
from egoact.stages.bench import BenchSettings

NUM_FRAMES = 20
NUM_CALIBRATION_FRAMES = 64


def open_recordings(settings: BenchSettings) -> tuple[MediaRoot, SegmentTable]:
    """The user's recordings, or a small kitchen, which is filmed once for all measurements in a folder.

    Raises:
        InputError: They cannot be used.
    """
    if settings.segments is not None:
        return MediaRoot(settings.media), read_segments(settings.segments)
    folder = settings.out / ("kitchen-quick" if settings.quick else "kitchen")
    num_videos, each = (3, 3) if settings.quick else (5, 17)
    make_kitchen(folder, num_videos=num_videos, segments_per_video=each)
    return MediaRoot(folder / "videos"), read_segments(folder / "train.csv")


def plan_jobs(root: MediaRoot, table: SegmentTable) -> list[VideoJob]:
    """One job a recording."""
    by_video: dict[str, list] = {}
    for segment in table:
        by_video.setdefault(segment.video_id, []).append(segment)
    return [VideoJob(root.find(video_id), segments) for video_id, segments in by_video.items()]


def plan_sampling(size: int, *, batch_size: int) -> Sampling:
    """20 frames a segment, one view."""
    return Sampling(NUM_FRAMES, 1, 0, (size, size), batch_size)


def read_sample(root: MediaRoot, table: Sequence, *, count: int, size: tuple[int, int] | None) -> np.ndarray:
    """Real frames, spread over the segments, uint8 (count, H, W, 3); repeated if there are too few.

    Raises:
        MediaError: Not one can be read.
    """
    found = list(islice(_frames(root, table, size), count))
    if not found:
        raise MediaError("not one frame of these segments can be read", path=root.path)
    return np.stack([found[i % len(found)] for i in range(count)])


def _frames(root: MediaRoot, table: Sequence, size: tuple[int, int] | None) -> Iterator[np.ndarray]:
    for segment in table:
        times = np.linspace(segment.start_seconds, segment.stop_seconds, NUM_FRAMES, endpoint=False)
        for _, frame in read_frames(root.find(segment.video_id), times, size=size):
            if isinstance(frame, np.ndarray):
                yield frame


def load_sample_backbone(settings: BenchSettings) -> Backbone:
    """The backbone that was asked for."""
    return load_backbone(settings.backbone, weights=settings.weights, size=settings.size)


def load_sample_engine(
    backbone: Backbone, frames: np.ndarray, *, engine: str = "auto", precision: str = "auto", device: str = "auto"
) -> Engine:
    """An engine for a backbone; int8 is calibrated on the frames.

    Raises:
        ValueError: It is not offered here.
    """
    chosen = load_backbone_engine(
        backbone,
        engine=engine,
        precision=precision,
        device=device,
        calibration=frames[:NUM_CALIBRATION_FRAMES] if precision == "int8" else None,
    )
    tune_batch(chosen, backbone.module, input_size=backbone.spec.input_size, device=find_device(device, engine))
    return chosen
