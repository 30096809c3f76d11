"""What is measured with: recordings, some of their frames, a backbone and engines for it.

Torch and the kitchen are imported late: whoever measures an exported folder with own recordings needs neither.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.errors import MediaError
from egoact.engines.interface import Engine
from egoact.media.sources import MediaRoot, read_frames

if TYPE_CHECKING:
    from egoact.extraction.decoding import Decoder
    from egoact.models.backbones.registry import Backbone

NUM_FRAMES = 20
NUM_CALIBRATION_FRAMES = 64


@dataclass(frozen=True)
class Workload:
    """What a measurement is to use; most is as `egoact bench` has it.

    Args:
        segments: None: those of the built-in kitchen.
        size: None: as `default_size` says, or what a video encoder was trained with.
        window: Of a video encoder: pictures of a window; None: as it was trained.
        is_random: Of a video encoder: do without its weights.
        run: None: one that is trained for the measurement.
        command: Runs a command of egoact by name and flags; gives its words and how many inputs failed.
    """

    out: Path
    segments: Path | None = None
    media: tuple[Path, ...] = ()
    backbone_name: str = "efficientnet_lite0"
    weights: Path | None = None
    size: int | None = None
    window: int | None = None
    is_random: bool = False
    engine_name: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    decoder: "Decoder" = "auto"
    run: Path | None = None
    annotations: Path | None = None
    is_quick: bool = False
    runs: tuple[Path, ...] = ()
    watts: float = 5.0
    num_clips: int = 200
    command: Callable[..., tuple[str, int]] | None = None

    def recordings(self) -> tuple[MediaRoot, SegmentTable]:
        """The user's recordings, or an `InputError`; without any a small kitchen, filmed once for all in a folder."""
        if self.segments is not None:
            return MediaRoot(self.media), read_segments(self.segments)
        from egoact.kitchen import make_kitchen

        folder = self.out / ("kitchen-quick" if self.is_quick else "kitchen")
        num_videos, each = (3, 3) if self.is_quick else (5, 17)
        make_kitchen(folder, num_videos=num_videos, segments_per_video=each)
        return MediaRoot(folder / "videos"), read_segments(folder / "train.csv")

    @property
    def is_video(self) -> bool:
        """Whether the backbone is a video encoder."""
        from egoact.models.backbones.video import is_video_encoder

        return self.is_random or is_video_encoder(self.backbone_name, self.weights)

    @property
    def pixels(self) -> int:
        """Height and width of the frames."""
        from egoact.models.backbones.registry import default_size

        return default_size(self.backbone_name, self.weights) if self.size is None else self.size

    def backbone(self) -> "Backbone":
        """The backbone that was asked for."""
        from egoact.models.backbones.registry import load_backbone
        from egoact.models.backbones.video import WindowOptions, load_video_backbone

        if self.is_video:
            return load_video_backbone(
                self.backbone_name,
                weights=self.weights,
                size=self.size,
                windows=WindowOptions(num_pictures=self.window),
                is_random=self.is_random,
            )
        return load_backbone(self.backbone_name, weights=self.weights, size=self.size)

    def engine(self, backbone: "Backbone", frames: np.ndarray) -> Engine:
        """The engine that was asked for, int8 calibrated on the frames; a `ValueError` where it is not offered here."""
        from egoact.engines.loading import find_device, load_engine, tune_batch

        chosen = load_engine(
            backbone,
            engine=self.engine_name,
            precision=self.precision,
            device=self.device,
            calibration=frames[:NUM_CALIBRATION_FRAMES] if self.precision == "int8" else None,
        )
        tune_batch(chosen, backbone, device=find_device(self.device, self.engine_name))
        return chosen


def read_sample(root: MediaRoot, table: Sequence, *, count: int, size: tuple[int, int] | None) -> np.ndarray:
    """Real frames over the segments, uint8 (count, H, W, 3), repeated if there are too few; `MediaError` if not one."""
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
