"""When to look: the frames of a clip, and the windows of a recording; knows nothing about videos or features.

    steps    |  0  |  1  |  2  |  3  |  4  | ...      step i of a fixed rate shows the moment (i + 0.5) / rate
    window         [~~~~~~~~~~~~~~~~~)                its T frames are the steps at the middles of T equal bins

Shapes: `V` views, `T` frames per clip, `F` steps, `N` windows.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import Segment

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
    inside = 0.5 if rng is None else rng.random(num_frames)
    times = start_seconds + (np.arange(num_frames) + inside) * ((stop_seconds - start_seconds) / num_frames)
    # Rounding may lift a time to `stop` itself, which is already outside.
    return np.clip(times, start_seconds, np.nextafter(stop_seconds, -np.inf))


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


def sample_views(segment: Segment, *, num_frames: int, num_views: int, seed: int) -> Floats:
    """Times of several clips of one segment: view 0 takes the middles of the bins, the others jitter.

    The same seed, narration id and view always give the same times, whatever else is sampled.

    Returns:
        float64, shape (num_views, num_frames), each row ascending and inside the segment.
    """
    if num_views < 1 or seed < 0:
        raise ValueError(f"num_views is {num_views} and seed {seed}; at least 1 and 0 are needed")
    name = int.from_bytes(hashlib.sha256(segment.narration_id.encode()).digest()[:16], "big")
    generators = [None, *(np.random.default_rng((seed, name, view)) for view in range(1, num_views))]
    span = (segment.start_seconds, segment.stop_seconds)
    return np.stack([sample_uniform(*span, num_frames=num_frames, rng=rng) for rng in generators])


def step_times(num_steps: int, *, rate: float) -> Floats:
    """Which moment each step shows, seconds; float64, shape (F,).

    >>> step_times(3, rate=8).tolist()
    [0.0625, 0.1875, 0.3125]
    """
    return np.asarray((np.arange(num_steps) + 0.5) / rate, dtype=np.float64)


def windows_around(times: Floats, *, length_seconds: float, end_seconds: float) -> tuple[Floats, Floats]:
    """Starts and stops (N,) of windows around moments (N,), cut off where the recording begins and ends; seconds."""
    half = length_seconds / 2
    return np.maximum(times - half, 0.0), np.minimum(times + half, end_seconds)


def frame_steps(
    starts: Floats, stops: Floats, *, rate: float, num_frames: int, num_steps: int
) -> npt.NDArray[np.int64]:
    """The steps that make the clip of each window, (N, T): those at the middles of equal bins, as in `sample_uniform`.

    Starts and stops are (N,), seconds; a window that ends after the last of the F steps shows the last step there.

    >>> frame_steps(np.array([1.0]), np.array([2.0]), rate=4, num_frames=2, num_steps=100).tolist()
    [[5, 7]]
    """
    if num_steps < 1:
        raise ValueError("the recording has no steps")
    if not (stops > starts).all():
        raise ValueError("every window must stop after it starts")
    middles = (np.arange(num_frames) + 0.5) / num_frames
    times = starts[:, None] + middles * (stops - starts)[:, None]
    return np.clip(np.floor(times * rate).astype(np.int64), 0, num_steps - 1)
