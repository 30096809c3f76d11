"""A whole recording at a fixed rate, from its first picture to its last; knows nothing about segments.

pictures   |  f0  |  f1  |  f2  |  f3  |
steps         x      x      x      x         step i is the picture at (i + 0.5) / rate seconds
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.epic import facts as epic
from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import step_times
from egoact.media.pairs import read_pairs
from egoact.media.sources import MediaSource, open_stills, stills_rate
from egoact.media.video.file import VideoFile, shown_ticks

MOST_HOURS = 24
_RATE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Frames 1 to `num_frames`, `frame_rate` a second; frame 1 begins at 0 s."""

    num_frames: int
    frame_rate: float

    def __post_init__(self) -> None:
        if self.num_frames < 1 or not self.frame_rate > 0:
            raise ValueError(f"{self.num_frames} frames at {self.frame_rate} a second: both must be positive")

    def middles_seconds(self, numbers: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """When each 1-based frame is shown: the middle of its time, which no rounding moves into a neighbour."""
        return (np.asarray(numbers, dtype=np.float64) - 0.5) / self.frame_rate


def lay_grid(source: MediaSource) -> FrameGrid:
    """The frames of a recording.

    Extracted frames as they are; a video file at the rate that EPIC-KITCHENS' frames have for its ids, else at its own.

    Raises:
        MediaError: No frames, no known rate, or a file that cannot be read.
    """
    if source.is_stills:
        with open_stills(source) as stills:
            return FrameGrid(stills.last_number(), stills_rate(source, stills))
    with VideoFile(source.path) as file:
        rate = epic.frame_rate(source.video_id) or file.rate
        seconds = _last_picture_seconds(file)
    if rate is None:
        raise MediaError("this video does not say how many frames per second it has", path=source.path)
    # The last picture is shown for as long as one frame.
    return FrameGrid(int(np.floor(seconds * rate + 0.5 * (1 + _RATE_TOLERANCE))) + 1, rate)


def _last_picture_seconds(file: VideoFile) -> float:
    """When the last picture begins, seconds from the first: by the packets, as containers overstate their length."""
    times = [ticks for packet in iter(file.read, None) if (ticks := shown_ticks(packet)) is not None]
    if not times:
        reason = re.sub(r"\s+", " ", file.damage) or "it has no pictures"
        raise MediaError(f"cannot find out how long this video is: {reason}", path=file.path)
    return (max(times) - min(times)) * file.tick_seconds


def estimate_steps(source: MediaSource, *, rate: float) -> int | None:
    """How many steps a recording says it has, for showing progress; None where it does not say."""
    if source.is_stills:
        grid = lay_grid(source)
        return round(grid.num_frames / grid.frame_rate * rate)
    with VideoFile(source.path) as file:
        return None if file.stated_seconds is None else round(file.stated_seconds * rate)


def read_steps(
    source: MediaSource, *, rate: float, size: tuple[int, int], stride: int = 1, num_threads: int = 0
) -> Iterator[tuple[np.ndarray, int]]:
    """The pictures of a recording, decoded once and in order; only those that are shown are converted.

    How long it is need not be known. Of `rate` steps a second every `stride`-th is given, beginning with the first;
    size and threads are as in `read_frames`.

    Yields:
        A picture, uint8 (H, W, 3) RGB, and how many steps it stands for: more than one where the recording has fewer
        pictures a second than `rate`.

    Raises:
        MediaError: It cannot be read, has not one step, breaks (after what came before the break was given), or is
            longer than a day.
    """
    for frame, _, count in read_paired_steps(source, rate=rate, size=size, stride=stride, num_threads=num_threads):
        yield frame, count


def read_paired_steps(
    source: MediaSource,
    *,
    rate: float,
    size: tuple[int, int],
    lag_seconds: float = 0.0,
    stride: int = 1,
    num_threads: int = 0,
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """As `read_steps`, with what was shown `lag_seconds` before each picture, see `read_pairs`."""
    times = step_times(round(MOST_HOURS * 3600 * rate), rate=rate)[::stride]
    for positions, frame, earlier in read_pairs(
        source, times, lag_seconds=lag_seconds, size=size, num_threads=num_threads
    ):
        if isinstance(frame, EndOfRecordingError):
            if not positions.start:
                raise MediaError(f"this recording is shorter than {times[0]:.4f} s", path=source.path)
            return
        if isinstance(frame, MediaError):
            raise frame
        if isinstance(earlier, MediaError):
            raise earlier
        yield frame, earlier, positions.stop - positions.start
    raise MediaError(f"this recording is longer than {MOST_HOURS} hours; cut it into pieces", path=source.path)
