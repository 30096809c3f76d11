"""A whole recording as features, a few times a second, for whoever looks at it once; and the hands in it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from egoact.core.errors import MediaError
from egoact.core.timelines.hands import HandTracks, Palm, track_hands
from egoact.engines.streams import StreamEngine
from egoact.extraction.run_ahead import run_ahead
from egoact.media.pairs import frame_lag
from egoact.media.recording import read_paired_steps
from egoact.media.sources import MediaSource, read_clip
from egoact.store.buffer import FeatureBuffer

if TYPE_CHECKING:
    from egoact.engines.hands import HandDetector

_BATCHES_AHEAD = 2


def compute_features(
    source: MediaSource,
    engine: StreamEngine,
    buffer: FeatureBuffer,
    *,
    rate: int,
    stride: int = 1,
    advance: Callable[[int], None] = lambda _: None,
    watch: Callable[[np.ndarray, np.ndarray], None] = lambda _frames, _counts: None,
) -> MediaError | None:
    """Compute the features of a recording from its first step to its last, or to where it breaks.

    The empty buffer gets a row a step, the features of all streams side by side; of `rate` steps a second every
    `stride`-th is looked at. `advance` is called with the number of steps that were added, `watch` with their pictures,
    uint8 (B, H, W, 3) RGB, and how many steps each stands for, (B,).

    Returns:
        What is wrong with the recording after the last step, or None where it is whole.

    Raises:
        MediaError: Not one step can be read.
    """
    lag = frame_lag(source, engine.lag_seconds) if engine.needs_earlier else 0.0
    steps = read_paired_steps(source, rate=rate, stride=stride, size=engine.input_size, lag_seconds=lag)
    make = partial(_batches, steps, engine.batch_size, lag > 0)
    try:
        with closing(run_ahead([make], num_threads=1, most=_BATCHES_AHEAD)) as batches:
            for frames, earlier, counts in batches:
                found = engine.run(frames, earlier, lag_seconds=lag or None)
                with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is found below
                    features = np.concatenate(found, axis=1).astype(np.float16)
                if not np.isfinite(features).all():
                    place = f"at {len(buffer) * stride / rate:.3f} s"
                    raise MediaError("the backbone's features are not finite here", path=source.path, place=place)
                buffer.append(np.repeat(features, counts, axis=0))
                watch(frames, counts)
                advance(int(counts.sum()))
    except MediaError as error:
        if not len(buffer):
            raise
        return error
    return None


def _batches(
    steps: Iterator[tuple[np.ndarray, np.ndarray, int]], batch_size: int, is_paired: bool
) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
    """Pictures, what was shown before each, and how many steps each stands for; what came before a break is good."""
    waiting: list[tuple[np.ndarray, np.ndarray, int]] = []

    def batch() -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        frames, before, counts = zip(*waiting, strict=True)
        waiting.clear()
        return np.stack(frames), np.stack(before) if is_paired else None, np.array(counts)

    try:
        for step in steps:
            waiting.append(step)
            if len(waiting) == batch_size:
                yield batch()
    except MediaError:
        if waiting:
            yield batch()
        raise
    if waiting:
        yield batch()


class HandPass:
    """Looks for hands in one batch of pictures after another; `aspect_ratio` is that of the recording."""

    def __init__(self, detector: "HandDetector", *, aspect_ratio: float) -> None:
        self._detector, self._aspect_ratio = detector, aspect_ratio
        self._palms: list[tuple[Palm, ...]] = []

    def __len__(self) -> int:
        """Steps so far."""
        return len(self._palms)

    def add(self, frames: np.ndarray, counts: np.ndarray) -> None:
        """Look at the next pictures, uint8 (B, H, W, 3) RGB; int (B,) says for how many steps each stands."""
        for palms, count in zip(self._detector.run(frames, aspect_ratio=self._aspect_ratio), counts, strict=True):
            self._palms += [palms] * int(count)

    def track(self, *, rate: float) -> HandTracks:
        """Both hands in all pictures so far, `rate` steps a second."""
        return track_hands(self._palms, rate=rate)


def aspect_ratio_of(source: MediaSource) -> float:
    """Width through height of a recording as a person sees it; a `MediaError` where its first picture is lost."""
    (picture,) = read_clip(source, np.zeros(1))
    return float(picture.shape[1] / picture.shape[0])
