"""Whole clips of real recordings, as a run looks at them: to prove an export on, or to measure it."""

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import MediaError
from egoact.core.sampling import sample_uniform
from egoact.extraction.engine_choice import RealFrames
from egoact.media.sources import read_frames


def read_clips(frames: RealFrames, count: int, num_frames: int) -> np.ndarray:
    """uint8 (N, T, H, W, 3): whole clips spread over the segments; those that cannot be read are passed over.

    Raises:
        MediaError: There is not one; says why the first cannot be read.
    """
    segments = sorted(frames.segments, key=lambda s: (s.video_id, s.start_seconds, s.narration_id))
    found: list[np.ndarray] = []
    refusal: MediaError | None = None
    for index in np.linspace(0, len(segments) - 1, min(count, len(segments))).round().astype(int):
        try:
            found.append(read_clip(frames, segments[index], num_frames))
        except MediaError as error:
            refusal = refusal or error
    if refusal is not None and not found:
        raise refusal
    return np.stack(found)


def read_clip(frames: RealFrames, segment: Segment, num_frames: int) -> np.ndarray:
    """uint8 (T, H, W, 3): frames at the middles of equal bins of a segment.

    Raises:
        MediaError: One of them cannot be read.
    """
    times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=num_frames)
    clip = np.empty((num_frames, *frames.size, 3), np.uint8)
    for positions, frame in read_frames(frames.root.find(segment.video_id), times, size=frames.size):
        if isinstance(frame, MediaError):
            raise frame
        clip[positions] = frame
    return clip
