"""A whole recording as evenly spaced frames: how many there are, and when to look for each."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core import epic
from egoact.core.errors import MediaError
from egoact.data.media import MediaSource, open_stills, stills_rate
from egoact.data.video_file import VideoFile

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
            rate = stills_rate(source, stills)
            return FrameGrid(stills.last_number(), rate)
    with VideoFile(source.path) as file:
        stream_rate = file.stream.average_rate or file.stream.guessed_rate
        rate = epic.frame_rate(source.video_id) or (float(stream_rate) if stream_rate else 0.0)
        seconds = _last_picture_seconds(file)
    if not rate > 0:
        raise MediaError("this video does not say how many frames per second it has", path=source.path)
    # The last picture is shown for as long as one frame.
    return FrameGrid(int(np.floor(seconds * rate + 0.5 * (1 + _RATE_TOLERANCE))) + 1, rate)


def _last_picture_seconds(file: VideoFile) -> float:
    """When the last picture begins, seconds from the first: by the packets, as containers overstate their length."""
    times: list[int] = []
    while (packet := file.read()) is not None:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None:
            times.append(ticks)
    if not times:
        reason = re.sub(r"\s+", " ", file.damage) or "it has no pictures"
        raise MediaError(f"cannot find out how long this video is: {reason}", path=file.path)
    return (max(times) - min(times)) * file.tick_seconds
