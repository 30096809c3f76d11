"""Stacks: the last few optical flows, or differences of frames, up to a moment, side by side as channels.

    flow         u v | u v | u v | u v | u v        10 channels of five, the last at the moment itself
    difference   f1-f0 | f2-f1 | f3-f2 | f4-f3 | f5-f4        15 channels, round 128

Source: Simonyan and Zisserman 2014, arXiv:1406.2199; Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859.
"""

from collections.abc import Iterator

import numpy as np

from egoact.core.errors import MediaError
from egoact.media.pairs import Picture, difference_pictures, frame_lag
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.flow import FlowSource, read_flow


def read_stacks(
    source: MediaSource | FlowSource,
    times_seconds: np.ndarray,
    *,
    count: int,
    lag_seconds: float,
    size: tuple[int, int],
    num_threads: int = 0,
) -> Iterator[tuple[slice, Picture]]:
    """As `read_frames`, with a stack at every moment; before the recording begins it shows its first picture.

    Args:
        source: Frames, of which differences are stacked, or flow.
        times_seconds: float64 (M,), ascending.
        count: Differences or flows in a stack.
        lag_seconds: Between the frames of a difference, as `frame_lag` says; flows follow each other as they are.
        size: (height, width) in pixels.
        num_threads: For decoding.

    Yields:
        One position each, in ascending order, and the stack there, uint8 (H, W, C), or the first `MediaError` in it.

    Raises:
        MediaError: The recording as a whole cannot be read.
    """
    is_flow = isinstance(source, FlowSource)
    lag = source.stride / source.frame_rate if isinstance(source, FlowSource) else frame_lag(source, lag_seconds)
    num_pictures = count if is_flow else count + 1
    times = np.asarray(times_seconds, dtype=np.float64)
    every = np.maximum(times[:, None] - lag * np.arange(num_pictures - 1, -1, -1), 0.0)
    order = np.argsort(every, axis=None, kind="stable")
    stacks: dict[int, list[Picture]] = {}  # moments whose stack is not whole yet; pictures are shared by them
    done = 0
    if isinstance(source, FlowSource):
        pictures = read_flow(source, every.flatten()[order], size=size)
    else:
        pictures = read_frames(source, every.flatten()[order], size=size, num_threads=num_threads)
    for positions, picture in pictures:
        for number in order[positions] // num_pictures:
            stacks.setdefault(int(number), []).append(picture)
        while len(stacks.get(done, ())) == num_pictures:
            yield slice(done, done + 1), _stack(stacks.pop(done), is_flow=is_flow)
            done += 1


def _stack(pictures: list[Picture], *, is_flow: bool) -> Picture:
    good = [picture for picture in pictures if isinstance(picture, np.ndarray)]
    if len(good) < len(pictures):
        return next(picture for picture in pictures if isinstance(picture, MediaError))
    if not is_flow:
        good = list(difference_pictures(np.stack(good[1:]), np.stack(good[:-1])))
    return np.concatenate(good, axis=2)
