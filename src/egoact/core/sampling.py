"""When to look: the times of the frames of a clip. Seconds in, seconds out; knows nothing about videos.

Shapes: `V` views, `T` frames per clip.

Pieces of a recording that was sampled at a fixed rate. Seconds and step numbers; knows nothing about features.

    steps    |  0  |  1  |  2  |  3  |  4  | ...      step i shows the moment (i + 0.5) / rate
    window         [~~~~~~~~~~~~~~~~~)                its T frames are the steps at the middles of T equal bins

Shapes: `F` steps, `N` windows, `T` frames per clip.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import Segment


def sample_uniform(
    start_seconds: float, stop_seconds: float, *, num_frames: int, rng: np.random.Generator | None = None
) -> npt.NDArray[np.float64]:
    """Times of `num_frames` frames spread evenly over a segment, one in each equal bin.

        start |--x--|--x--|--x--|--x--| stop          num_frames = 4, no rng: the middles
        start |x----|---x-|--x--|----x| stop          with rng: anywhere inside the bins

    A segment shorter than `num_frames` video frames works: neighbouring times then show the same frame.

    Args:
        start_seconds: Where the segment begins, seconds from the start of the video.
        stop_seconds: Where it ends, exclusive; must be greater than `start_seconds`.
        num_frames: Frames per clip, at least 1.
        rng: Draws each time uniformly from its bin; None takes the middles.

    Returns:
        float64, shape (num_frames,), ascending, inside [start, stop).

    Raises:
        ValueError: An empty or endless segment, or `num_frames` below 1.

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

    Args:
        num_steps: How many there are, at least 1; with fewer than `num_frames` some are seen more than once.
        num_frames: Frames per clip, at least 1.

    Returns:
        int64, shape (num_frames,), ascending, inside [0, num_steps).

    Raises:
        ValueError: Nothing to choose from, or nothing wanted.

    >>> resample_indices(8, num_frames=4).tolist(), resample_indices(2, num_frames=4).tolist()
    ([1, 3, 5, 7], [0, 0, 1, 1])
    """
    if num_steps < 1 or num_frames < 1:
        raise ValueError(f"{num_frames} of {num_steps} frames cannot be chosen; both are at least 1")
    return (2 * np.arange(num_frames, dtype=np.int64) + 1) * num_steps // (2 * num_frames)


def sample_views(segment: Segment, *, num_frames: int, num_views: int, seed: int) -> npt.NDArray[np.float64]:
    """Times of several clips of one segment: view 0 takes the middles of the bins, the others jitter.

    The same seed, narration id and view always give the same times, whatever else is sampled.

    Args:
        segment: What to look at.
        num_frames: Frames per clip, at least 1.
        num_views: Clips, at least 1.
        seed: Of the jitter, from 0 on.

    Returns:
        float64, shape (num_views, num_frames), each row ascending and inside the segment.

    Raises:
        ValueError: `num_frames` or `num_views` below 1, or a negative seed.
    """
    if num_views < 1 or seed < 0:
        raise ValueError(f"num_views is {num_views} and seed {seed}; at least 1 and 0 are needed")
    name = int.from_bytes(hashlib.sha256(segment.narration_id.encode()).digest()[:16], "big")
    generators = [None, *(np.random.default_rng((seed, name, view)) for view in range(1, num_views))]
    span = (segment.start_seconds, segment.stop_seconds)
    return np.stack([sample_uniform(*span, num_frames=num_frames, rng=rng) for rng in generators])


Floats = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


def step_times(num_steps: int, *, rate: float) -> Floats:
    """Which moment each step shows, seconds; float64, shape (F,).

    >>> step_times(3, rate=8).tolist()
    [0.0625, 0.1875, 0.3125]
    """
    return np.asarray((np.arange(num_steps) + 0.5) / rate, dtype=np.float64)


def windows_around(times: Floats, *, length_seconds: float, end_seconds: float) -> tuple[Floats, Floats]:
    """Windows around some moments, cut off where the recording begins and ends.

    Args:
        times: float64 (N,), seconds.
        length_seconds: From start to stop of a window that fits.
        end_seconds: Where the recording ends.

    Returns:
        Starts and stops, float64 (N,) each.
    """
    half = length_seconds / 2
    return np.maximum(times - half, 0.0), np.minimum(times + half, end_seconds)


def frame_steps(starts: Floats, stops: Floats, *, rate: float, num_frames: int, num_steps: int) -> Steps:
    """The steps that make the clip of each window: those at the middles of equal bins, as in `sample_uniform`.

    Args:
        starts: float64 (N,), seconds.
        stops: float64 (N,), seconds; after the starts.
        rate: Steps per second.
        num_frames: T.
        num_steps: F; a window that ends after the last step shows the last step there.

    Returns:
        int64, shape (N, T).

    Raises:
        ValueError: A window that is empty, or a recording without steps.

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
