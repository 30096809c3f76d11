"""Stores of made features that tell by themselves which segment and view they are of."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.store.reader import StoreSpec
from egoact.store.writer import StoreWriter
from tests.makers.features import SPEC as CLIPS

SPEC = replace(CLIPS, input_size=(64, 64), num_frames=4, views=2, feature_shape=(8,))


def segment(number: int, *, video: str = "P01_01", start: float | None = None) -> Segment:
    """A segment of a second and a half."""
    begin = float(number) if start is None else start
    return Segment(f"{video}_{number}", "P01", video, begin, begin + 1.5)


def features_of(item: Segment, spec: StoreSpec = SPEC) -> np.ndarray:
    """float16 (V, T, D)."""
    seed = int.from_bytes(hashlib.sha256(repr(item).encode()).digest()[:4])
    return np.random.default_rng(seed).standard_normal(spec.clip_shape).astype(np.float16)


def fill(path: Path, segments: list[Segment], *, spec: StoreSpec = SPEC, fail: set[str] = frozenset()) -> int:
    """Write the missing segments video by video; gives how many were added."""
    added = 0
    with StoreWriter(path, spec) as writer:
        missing = writer.missing(segments)
        for video in sorted({s.video_id for s in missing}):
            todo = [s for s in missing if s.video_id == video]
            shard = writer.begin(todo)
            each = spec.views * spec.num_frames
            for i, item in enumerate(todo):
                if item.narration_id not in fail:
                    values = features_of(item, spec).reshape(each, *spec.feature_shape)
                    shard.write(np.arange(i * each, (i + 1) * each), values)
            added += writer.commit(shard)
    return added


def table(segments: list[Segment]) -> SegmentTable:
    """As if read from a file."""
    return SegmentTable(Path("some.csv"), tuple(segments))


SEGMENTS = [segment(i, video=v) for v in ("P02_03", "P01_01") for i in (3, 1, 2)]
