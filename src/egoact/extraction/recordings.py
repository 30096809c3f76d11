"""A whole recording as features, a few times a second, for whoever looks at it once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np

from egoact.core.errors import MediaError
from egoact.engines.streams import StreamEngine
from egoact.extraction.run_ahead import run_ahead
from egoact.media.pairs import frame_lag
from egoact.media.recording import read_paired_steps, read_steps
from egoact.media.sources import MediaSource
from egoact.store.buffer import FeatureBuffer

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

    Args:
        source: The recording.
        engine: Of the streams.
        buffer: Empty; gets a row a step, the features of all streams side by side.
        rate: Steps per second.
        stride: Of these, every `stride`-th is looked at.
        advance: Called with the number of steps that were added.
        watch: Called with the pictures of these steps, uint8 (B, H, W, 3) RGB, and how many each stands for, (B,).

    Returns:
        What is wrong with the recording after the last step, or None where it is whole.

    Raises:
        MediaError: Not one step can be read.
    """
    try:
        make = partial(_batches, source, engine, rate, stride)
        with closing(run_ahead([make], num_threads=1, most=_BATCHES_AHEAD)) as batches:
            for batch in batches:
                found = engine.run(batch.frames, batch.earlier, lag_seconds=batch.lag_seconds or None)
                with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is found below
                    features = np.concatenate(found, axis=1).astype(np.float16)
                if not np.isfinite(features).all():
                    place = f"at {len(buffer) * stride / rate:.3f} s"
                    raise MediaError("the backbone's features are not finite here", path=source.path, place=place)
                buffer.append(np.repeat(features, batch.counts, axis=0))
                watch(batch.frames, batch.counts)
                advance(int(batch.counts.sum()))
    except MediaError as error:
        if not len(buffer):
            raise
        return error
    return None


@dataclass(frozen=True, eq=False)
class _Batch:
    """Pictures, uint8 (B, H, W, 3), what was shown before each, and the number of steps each stands for, (B,)."""

    frames: np.ndarray
    earlier: np.ndarray | None
    counts: np.ndarray
    lag_seconds: float


def _batches(source: MediaSource, engine: StreamEngine, rate: int, stride: int) -> Iterator[_Batch]:
    lag = frame_lag(source, engine.lag_seconds) if engine.needs_earlier else 0.0
    steps: list[tuple[np.ndarray, np.ndarray | None, int]] = []

    def batch() -> _Batch:
        frames, before, counts = zip(*steps, strict=True)
        earlier = np.stack([each for each in before if each is not None]) if lag else None
        steps.clear()
        return _Batch(np.stack(frames), earlier, np.array(counts), lag)

    try:
        for step in _read(source, rate, stride, engine.input_size, lag):
            steps.append(step)
            if len(steps) == engine.batch_size:
                yield batch()
    except MediaError:
        if steps:  # what came before the break is good
            yield batch()
        raise
    if steps:
        yield batch()


def _read(
    source: MediaSource, rate: int, stride: int, size: tuple[int, int], lag: float
) -> Iterator[tuple[np.ndarray, np.ndarray | None, int]]:
    if lag:
        yield from read_paired_steps(source, rate=rate, stride=stride, size=size, lag_seconds=lag)
        return
    for frame, count in read_steps(source, rate=rate, stride=stride, size=size):
        yield frame, None, count
