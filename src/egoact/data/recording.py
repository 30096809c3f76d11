"""A whole recording at a fixed rate, from its first picture to its last; knows nothing about segments.

pictures   |  f0  |  f1  |  f2  |  f3  |
steps         x      x      x      x         step i is the picture at (i + 0.5) / rate seconds
"""

from collections.abc import Iterator

import numpy as np

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.windows import step_times
from egoact.data.media import MediaSource, read_frames
from egoact.data.video_file import VideoFile

MOST_HOURS = 24


def estimate_steps(source: MediaSource, *, rate: float) -> int | None:
    """How many steps a video file says it has, for showing progress; None where it does not say."""
    with VideoFile(source.path) as file:
        return None if file.stated_seconds is None else round(file.stated_seconds * rate)


def read_steps(
    source: MediaSource, *, rate: float, size: tuple[int, int], num_threads: int = 0
) -> Iterator[tuple[np.ndarray, int]]:
    """The pictures of a recording, decoded once and in order; only those that are shown are converted.

    Args:
        source: The recording; how long it is need not be known.
        rate: Steps per second.
        size: (height, width) in pixels to resize to.
        num_threads: For decoding; 0: as many as there are cores.

    Yields:
        A picture, uint8 (H, W, 3) RGB, and how many steps it stands for: more than one where the recording has fewer
        pictures a second than `rate`.

    Raises:
        MediaError: It cannot be read, has not one step, breaks (after what came before the break was given), or is
            longer than a day.
    """
    num_given = 0
    times = step_times(round(MOST_HOURS * 3600 * rate), rate=rate)
    for positions, frame in read_frames(source, times, size=size, num_threads=num_threads):
        if isinstance(frame, EndOfRecordingError):
            if not num_given:
                raise MediaError(f"this recording is shorter than {times[0]:.4f} s", path=source.path)
            return
        if isinstance(frame, MediaError):
            raise frame
        num_given = positions.stop
        yield frame, positions.stop - positions.start
    raise MediaError(f"this recording is longer than {MOST_HOURS} hours; cut it into pieces", path=source.path)
