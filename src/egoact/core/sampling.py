"""When to look: the frames of a clip, and the steps of a recording; knows nothing about videos or features.

    steps    |  0  |  1  |  2  |  3  |  4  | ...      step i of a fixed rate shows the moment (i + 0.5) / rate

Shapes: `V` views, `T` frames per clip, `F` steps, `N` segments.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import Segment
from egoact.core.bounds import MOST_FRAMES, MOST_VIEWS, check_whole

Floats = npt.NDArray[np.float64]


def sample_uniform(
    start_seconds: float, stop_seconds: float, *, num_frames: int, rng: np.random.Generator | None = None
) -> Floats:
    """Times of `num_frames` frames spread evenly over a segment, one in each equal bin.

        start |--x--|--x--|--x--|--x--| stop          num_frames = 4, no rng: the middles
        start |x----|---x-|--x--|----x| stop          with rng: anywhere inside the bins

    A segment shorter than `num_frames` video frames works: neighbouring times then show the same frame.

    Returns:
        float64, shape (num_frames,), ascending, inside [start, stop); seconds from the start of the video.

    Source: Temporal Segment Networks, arXiv:1608.00859.

    >>> sample_uniform(10, 20, num_frames=2).tolist()
    [12.5, 17.5]
    """
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; a clip has at least one frame")
    if not (math.isfinite(start_seconds) and math.isfinite(stop_seconds) and start_seconds < stop_seconds):
        raise ValueError(f"[{start_seconds}, {stop_seconds}) s is not a segment; stop must be after start")
    inside = np.full(num_frames, 0.5) if rng is None else rng.random(num_frames)
    ends = np.array([[start_seconds], [stop_seconds]], dtype=np.float64)
    return bin_times(ends[0], ends[1], inside=inside).ravel()


def resample_indices(num_steps: int, *, num_frames: int) -> npt.NDArray[np.int64]:
    """Which of some evenly spaced frames make a clip of `num_frames`: those shown at the middles of equal bins.

        steps   0 1 2 3 4 5 6 7        num_frames = 4
        bins    [  1][  3][  5][  7]   `sample_uniform` would look at the same pictures

    Returns:
        int64, shape (num_frames,), ascending, inside [0, num_steps); with fewer than `num_frames` steps some repeat.

    >>> resample_indices(8, num_frames=4).tolist(), resample_indices(2, num_frames=4).tolist()
    ([1, 3, 5, 7], [0, 0, 1, 1])
    """
    if num_steps < 1 or num_frames < 1:
        raise ValueError(f"{num_frames} of {num_steps} frames cannot be chosen; both are at least 1")
    return (2 * np.arange(num_frames, dtype=np.int64) + 1) * num_steps // (2 * num_frames)


@dataclass(frozen=True)
class ClipSampling:
    """How a segment becomes clips: the first looks at the middles of equal bins, the others anywhere in them."""

    num_frames: int = 20  # of a clip, T
    num_views: int = 1  # clips per segment, V: one of them at random in training, the mean of all in testing

    def __post_init__(self) -> None:
        check_whole("--num-frames", self.num_frames, most=MOST_FRAMES)
        check_whole("--views", self.num_views, most=MOST_VIEWS)

    def times(self, segments: Sequence[Segment]) -> Floats:
        """When the frames of each clip are shown, seconds; float64, (N, V, T), ascending and inside the segment.

        Other views of a stretch of a recording are the same wherever and whenever they are asked for.
        """
        starts, stops = (np.array([getattr(s, f"{edge}_seconds") for s in segments]) for edge in ("start", "stop"))
        out = np.empty((len(segments), self.num_views, self.num_frames))
        out[:, 0] = bin_times(starts, stops, inside=np.full(self.num_frames, 0.5))
        for views, segment in zip(out if self.num_views > 1 else (), segments, strict=False):
            stretch = f"{segment.video_id} {segment.start_seconds!r} {segment.stop_seconds!r}"
            name = int.from_bytes(hashlib.sha256(stretch.encode()).digest()[:16], "big")
            for view in range(1, self.num_views):
                rng = np.random.default_rng((name, view))
                views[view] = sample_uniform(
                    segment.start_seconds, segment.stop_seconds, num_frames=self.num_frames, rng=rng
                )
        return out


def bin_times(starts: Floats, stops: Floats, *, inside: Floats) -> Floats:
    """A moment in each of T equal bins of N intervals, (N, T); `inside`, (T,) in [0, 1), is where in its bin."""
    num_frames = len(inside)
    widths = (stops - starts) / num_frames
    times = starts[:, None] + (np.arange(num_frames) + inside) * widths[:, None]
    # Rounding may lift a time to `stop` itself, which is already outside.
    return np.clip(times, starts[:, None], np.nextafter(stops, -np.inf)[:, None])


def to_microseconds(times_seconds: Floats) -> npt.NDArray[np.int64]:
    """Moments as whole microseconds, by which they are known; video files tell no finer ones apart."""
    return np.rint(times_seconds * 1e6).astype(np.int64)


def step_times(num_steps: int, *, rate: float) -> Floats:
    """Which moment each step shows, seconds; float64, shape (F,).

    >>> step_times(3, rate=8).tolist()
    [0.0625, 0.1875, 0.3125]
    """
    return np.asarray((np.arange(num_steps) + 0.5) / rate, dtype=np.float64)
