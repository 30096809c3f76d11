"""A whole recording as features, a few times a second, for whoever looks at it once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import numpy as np

from egoact.core.errors import MediaError
from egoact.engines import Engine
from egoact.extraction.run_ahead import run_ahead
from egoact.media.recording import read_steps
from egoact.media.sources import MediaSource
from egoact.store.buffer import FeatureBuffer

_BATCHES_AHEAD = 2


def compute_features(
    source: MediaSource,
    engine: Engine,
    buffer: FeatureBuffer,
    *,
    rate: int,
    size: tuple[int, int],
    advance: Callable[[int], None] = lambda _: None,
) -> MediaError | None:
    """Compute the features of a recording from its first step to its last, or to where it breaks.

    Args:
        source: The recording.
        engine: Of the backbone.
        buffer: Empty; gets a row a step.
        rate: Steps per second.
        size: (height, width) in pixels that the backbone takes.
        advance: Called with the number of steps that were added.

    Returns:
        What is wrong with the recording after the last step, or None where it is whole.

    Raises:
        MediaError: Not one step can be read.
    """
    try:
        make = partial(_batches, source, engine.batch_size, rate, size)
        with closing(run_ahead([make], num_threads=1, most=_BATCHES_AHEAD)) as batches:
            for frames, counts in batches:
                with np.errstate(over="ignore"):  # what float16 cannot hold becomes infinite, and is found below
                    features = engine.run(frames).astype(np.float16)
                if not np.isfinite(features).all():
                    place = f"at {len(buffer) / rate:.3f} s"
                    raise MediaError("the backbone's features are not finite here", path=source.path, place=place)
                buffer.append(np.repeat(features, counts, axis=0))
                advance(int(counts.sum()))
    except MediaError as error:
        if not len(buffer):
            raise
        return error
    return None


def _batches(
    source: MediaSource, batch_size: int, rate: int, size: tuple[int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures, uint8 (B, H, W, 3), and the number of steps that each stands for, int64 (B,)."""
    frames: list[np.ndarray] = []
    counts: list[int] = []
    try:
        for frame, count in read_steps(source, rate=rate, size=size):
            frames.append(frame)
            counts.append(count)
            if len(frames) == batch_size:
                yield np.stack(frames), np.array(counts)
                frames, counts = [], []
    except MediaError:
        if frames:  # what came before the break is good
            yield np.stack(frames), np.array(counts)
        raise
    if frames:
        yield np.stack(frames), np.array(counts)
