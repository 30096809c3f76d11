"""`egoact flow`: optical flow of whole recordings in EPIC-KITCHENS' layout, or between two pictures."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.core.errors import MediaError

MAX_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """Compute optical flow: how far each pixel moved from one picture to the next.

    Of recordings: 8-bit u/ and v/ JPEGs, +-20 pixels, as EPIC-KITCHENS publishes them. What is there already is not
    computed again. Of two pictures, with --pair: every method, as pictures side by side.
    """

    out: Path
    """Folder for the flow."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings, as for egoact extract."""
    videos: tuple[str, ...] = ()
    """Which recordings, by id; default: all of them."""
    pair: tuple[Path, Path] | None = None
    """Two pictures of one size, instead of --media."""
    method: Literal["tvl1", "farneback", "dis"] = "tvl1"
    """TV-L1 is what EPIC-KITCHENS used; DIS takes a fraction of its time."""
    stride: int | None = None
    """RGB frames per flow frame; default: 2 for ids of EPIC-KITCHENS recorded in 2018, else 1."""
    dilation: int | None = None
    """RGB frames between the two pictures; default: as many as the stride."""
    size: int = 256
    """Of the shorter side, pixels; 0: as recorded. Motion is measured in pixels of this size."""
    without_camera: bool = False
    """Take off the camera's own motion, an affine field that most of each picture follows."""
    frame_rate: float | None = None
    """Frames per second of extracted frames that no id or fps.txt says."""
    workers: int = 0
    """Threads; 0: one a core."""

    def __post_init__(self) -> None:
        if bool(self.media) == bool(self.pair):
            raise ValueError("give either --media, or --pair with two pictures")
        if self.size and self.size < 32:
            raise ValueError(f"--size must be at least 32 pixels (or 0), got {self.size}")
        if self.workers < 0:
            raise ValueError(f"--workers cannot be negative, got {self.workers}")


def flow(settings: FlowSettings) -> int:
    """Compute flow; gives the number of flow frames that failed, and of recordings."""
    import cv2

    from egoact.commands.recordings import open_recordings
    from egoact.extraction.flow import FlowPlan, compute_flow, compute_pair_flow

    cv2.setNumThreads(1)  # pairs run side by side: more threads for each would only get into each other's way
    if settings.pair is not None:
        compute_pair_flow(settings.pair, settings.out, size=settings.size)
        return 0
    root = open_recordings(settings.media, frame_rate=settings.frame_rate)
    video_ids = settings.videos or tuple(root.video_ids)
    if not video_ids:
        raise MediaError("found no recording at all", path=root.path)
    plan = FlowPlan(settings.method, settings.stride, settings.dilation, settings.size, settings.without_camera)
    num_workers = settings.workers or min(os.cpu_count() or 1, MAX_WORKERS)
    return compute_flow(root, video_ids, settings.out, plan, num_workers=num_workers)
