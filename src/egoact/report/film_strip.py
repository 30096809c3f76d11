"""Film strips: a few frames of a segment, side by side in one JPEG."""

from pathlib import Path

import cv2
import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.sampling import sample_uniform
from egoact.media.sources import MediaRoot, read_clip
from egoact.report.page import inline_picture

NUM_FRAMES = 6
_FRAME_SIZE = (180, 240)
_GAP = 4
_QUALITY = 82


def read_strip(root: MediaRoot, segment: Segment, *, num_frames: int = NUM_FRAMES) -> np.ndarray:
    """Frames of a segment at the middles of equal bins.

    Returns:
        uint8 (num_frames, H, W, 3), RGB.

    Raises:
        MediaError: The recording, or one of the frames, cannot be read.
    """
    times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=num_frames)
    return read_clip(root.find(segment.video_id), times, size=_FRAME_SIZE)


def inline_strip(frames: np.ndarray) -> str:
    """Frames, uint8 (T, H, W, 3) RGB, from left to right in one JPEG with white gaps, as the `src` of an image."""
    gap = np.full((frames.shape[1], _GAP, 3), 255, dtype=np.uint8)
    parts = [part for frame in frames for part in (frame, gap)][:-1]
    picture = cv2.cvtColor(np.concatenate(parts, axis=1), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return inline_picture(content.tobytes(), kind="jpeg")


def open_videos(kitchen: Path) -> MediaRoot:
    """The recordings of a kitchen."""
    return MediaRoot(kitchen / "videos")
