"""Stacks: the last few optical flows, or differences of frames, up to a moment, side by side as channels.

    flow         u v | u v | u v | u v | u v        10 channels of five, the last at the moment itself
    difference   f1-f0 | f2-f1 | f3-f2 | f4-f3 | f5-f4        15 channels, round 128

Source: Simonyan and Zisserman 2014, arXiv:1406.2199; Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859.
"""

from collections.abc import Callable, Iterator
from functools import partial

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

    A stack is of `count` flows, which follow each other as they are, or of as many differences between frames that lie
    `lag_seconds` apart, as `frame_lag` says.

    Yields:
        One position each, in ascending order, and the stack there, uint8 (H, W, C), or the first `MediaError` in it.

    Raises:
        MediaError: The recording as a whole cannot be read.
    """
    read: Callable[..., Iterator[tuple[slice, Picture]]]
    if isinstance(source, FlowSource):
        read, num_pictures = partial(read_flow, source), count
        lag = source.stride / source.frame_rate
    else:
        read, num_pictures = partial(read_frames, source, num_threads=num_threads), count + 1
        lag = frame_lag(source, lag_seconds)
    times = np.asarray(times_seconds, dtype=np.float64)
    every = np.maximum(times[:, None] - lag * np.arange(num_pictures - 1, -1, -1), 0.0).ravel()
    order = np.argsort(every, kind="stable")
    stacks: dict[int, list[Picture]] = {}  # moments whose stack is not whole yet; pictures are shared by them
    done = 0
    for positions, picture in read(every[order], size=size):
        for number in order[positions] // num_pictures:
            stacks.setdefault(int(number), []).append(picture)
        while len(stacks.get(done, ())) == num_pictures:
            yield slice(done, done + 1), _stack(stacks.pop(done), is_flow=num_pictures == count)
            done += 1


def _stack(pictures: list[Picture], *, is_flow: bool) -> Picture:
    good = []
    for picture in pictures:
        if isinstance(picture, MediaError):
            return picture
        good.append(picture)
    return np.concatenate(good if is_flow else difference_pictures(np.stack(good[1:]), np.stack(good[:-1])), axis=2)
