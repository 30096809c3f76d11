"""Whole recordings as features, a few times a second: computed for a video, kept beside the clips of a store.

features/               the feature store of the segments
features/recordings/    a feature store whose clips are the seconds of the recordings: 8 frames each
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import MediaError
from egoact.core.progress import Progress
from egoact.engines import Engine
from egoact.extraction.run_ahead import run_ahead
from egoact.media.recording import read_steps
from egoact.media.sources import MediaRoot, MediaSource
from egoact.store.reader import StoreSpec
from egoact.store.recordings import DEFAULT_RATE, RECORDINGS_NAME, FeatureBuffer
from egoact.store.writer import StoreWriter, update_failures

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


def extract_recordings(
    folder: Path,
    spec: StoreSpec,
    root: MediaRoot,
    video_ids: Sequence[str],
    engine: Engine,
    *,
    rate: int = DEFAULT_RATE,
) -> int:
    """Fill the store of whole recordings beside a store of segments; what it holds is not computed again.

    Returns:
        Number of recordings that cannot be read to their end; they are in its failures.csv, and not in the store.
    """
    sources = []
    for video_id in video_ids:
        with suppress(MediaError):  # what is not there has failed already, segment by segment
            sources.append(root.find(video_id))
    failed: list[tuple[Segment, str]] = []
    with StoreWriter(folder / RECORDINGS_NAME, replace(spec, num_frames=rate, views=1, seed=0)) as writer:
        todo = [source for source in sources if not writer.index.of_video(source.video_id)]
        with Progress("extract", total=len(todo), unit="recordings") as progress:
            for source in todo:
                try:
                    _extract_recording(source, writer, engine, rate)
                except MediaError as error:
                    failed.append((_second(source.video_id, 0), str(error)))
                    progress.say(str(error))
                progress.advance(1)
        tried = [_second(source.video_id, 0) for source in sources]
        update_failures(writer.path, tried=tried, failed=failed, index=writer.index)
    print(f"extract: {len(todo) - len(failed)} whole recordings at {rate} frames/s, {len(failed)} failed")
    return len(failed)


def _extract_recording(source: MediaSource, writer: StoreWriter, engine: Engine, rate: int) -> None:
    with FeatureBuffer(writer.spec.feature_shape, folder=writer.path) as buffer:
        broken = compute_features(source, engine, buffer, rate=rate, size=writer.spec.input_size)
        if broken is not None:
            raise broken
        num_seconds = len(buffer) // rate
        if not num_seconds:
            raise MediaError("this recording is shorter than a second", path=source.path)
        shard = writer.begin([_second(source.video_id, number) for number in range(num_seconds)])
        shard.write(np.arange(num_seconds * rate), buffer.read()[: num_seconds * rate])
    writer.commit(shard)


def _second(video_id: str, number: int) -> Segment:
    return Segment(f"{video_id}@{number}", video_id, video_id, float(number), float(number + 1))
