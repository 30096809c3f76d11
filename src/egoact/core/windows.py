"""Pieces of a recording that was sampled at a fixed rate. Seconds and step numbers; knows nothing about features.

    steps    |  0  |  1  |  2  |  3  |  4  | ...      step i shows the moment (i + 0.5) / rate
    window         [~~~~~~~~~~~~~~~~~)                its T frames are the steps at the middles of T equal bins

Shapes: `F` steps, `N` windows, `T` frames per clip.
"""

import numpy as np
import numpy.typing as npt

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
