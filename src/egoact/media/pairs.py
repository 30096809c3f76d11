"""What a recording shows at a moment, and what it showed a little earlier, in one pass: pairs of frames, or stacks.

frames      |  f0  |  f1  |  f2  |  f3  |  f4  |
pairs          e1       e2   x1       x2              x1 gives f2 and f0, x2 gives f3 and f1: e is x - lag

Stacks are the last few optical flows, or differences of frames, up to a moment, side by side as channels.

flow         u v | u v | u v | u v | u v              10 channels of five, the last at the moment itself
difference   f1-f0 | f2-f1 | f3-f2 | f4-f3 | f5-f4    15 channels, round 128

Source: Simonyan and Zisserman 2014, arXiv:1406.2199; Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from egoact.core.errors import MediaError
from egoact.media.sources import MediaSource, open_stills, read_frames, stills_rate
from egoact.media.stills.flow import FlowSource, read_flow
from egoact.media.video.file import VideoFile

Picture = np.ndarray | MediaError
Pixels = Any
"""An array of host memory, or a tensor of the device that decoded it."""


def frame_lag(source: MediaSource, lag_seconds: float) -> float:
    """How much earlier the earlier frame is shown: the number of whole frames, at least one, that is nearest.

    Between two frames of a steady recording lies always the same time then, whatever the moment; where it is not known
    how many frames a second it has, that is `lag_seconds`.

    Raises:
        MediaError: The recording cannot be opened.
    """
    if source.is_stills:
        with open_stills(source) as stills:
            rate = stills_rate(source, stills)
    else:
        with VideoFile(source.path) as file:
            rate = file.rate or 0.0
    return max(round(lag_seconds * rate), 1) / rate if rate > 0 else lag_seconds


def read_pairs(
    source: MediaSource | FlowSource,
    times_seconds: np.ndarray,
    *,
    lag_seconds: float,
    size: tuple[int, int],
    num_threads: int = 0,
    read: Callable[..., Iterator[tuple[slice, Picture]]] | None = None,
) -> Iterator[tuple[slice, Picture, Picture]]:
    """As `read_frames`, with the frame that was shown `lag_seconds` before; at the beginning that is the first one.

    `read` does what `read_frames` does in another way.

    Yields:
        The positions in `times_seconds` that two frames answer, the frame shown there, and the earlier one; either may
        be a `MediaError`. Every position once, in ascending order.

    Raises:
        MediaError: The recording as a whole cannot be read.
    """
    read_at = partial(read or read_frames, source, size=size, num_threads=num_threads)
    if not lag_seconds:
        yield from ((positions, picture, picture) for positions, picture in read_at(times_seconds))
        return
    times = np.asarray(times_seconds, dtype=np.float64)
    every = np.concatenate([np.maximum(times - lag_seconds, 0.0), times])
    order = np.argsort(every, kind="stable")
    num_earlier = np.append(0, np.cumsum(order < len(times)))  # of the moments before each of all these
    waiting: deque[tuple[Picture, int]] = deque()  # earlier frames, and for how many moments
    done = 0
    for positions, picture in read_at(every[order]):
        earlier = int(num_earlier[positions.stop] - num_earlier[positions.start])
        if earlier:
            waiting.append((picture, earlier))
        left = positions.stop - positions.start - earlier
        while left:
            before, num_moments = waiting.popleft()
            taken = min(left, num_moments)
            if num_moments > taken:
                waiting.appendleft((before, num_moments - taken))
            yield slice(done, done + taken), picture, before
            done, left = done + taken, left - taken


def difference_pictures(frames: Pixels, earlier: Pixels) -> Pixels:
    """Frames minus what was shown before, round 128 and cut off at 0 and 255: uint8 of the same shape.

    Temporal Segment Networks (section 3.2) gives them to networks that were trained on frames.
    """
    if not isinstance(frames, np.ndarray):  # on the device that decoded them
        return (frames.short() - earlier.short() + 128).clamp(0, 255).byte()
    import cv2

    now, before = (pictures.reshape(len(pictures), -1) for pictures in (frames, earlier))
    return cv2.addWeighted(now, 1, before, -1, 128).reshape(frames.shape)  # a tenth of numpy's time


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
