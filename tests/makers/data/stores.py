"""Stores of made features that tell by themselves which segment and view they are of."""

import hashlib
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.sampling import ClipSampling
from egoact.store.reader import StoreSpec
from egoact.store.writer import StoreWriter
from tests.makers.data.clips import lacking, write_clips
from tests.makers.data.features import other_spec

SPEC = other_spec(input_size=(64, 64), feature_shape=(8,))
SAMPLING = ClipSampling(num_frames=4, num_views=2)
MOMENTS_EACH = 8


def segment(number: int, *, video: str = "P01_01", start: float | None = None) -> Segment:
    """A segment of a second and a half; those that begin at whole seconds share no moment."""
    begin = float(number) if start is None else start
    return Segment(f"{video}_{number}", "P01", video, begin, begin + 1.5)


def features_of(item: Segment, spec: StoreSpec = SPEC) -> np.ndarray:
    """float16 (V, T, D)."""
    seed = int.from_bytes(hashlib.sha256(repr(item).encode()).digest()[:4])
    shape = (SAMPLING.num_views, SAMPLING.num_frames, *spec.backbone.feature_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float16)


def fill(path: Path, segments: list[Segment], *, spec: StoreSpec = SPEC, fail: set[str] = frozenset()) -> int:
    """Write the missing segments video by video; gives how many were added."""
    with StoreWriter(path, spec) as writer:
        todo = [s for s in lacking(writer, segments, SAMPLING) if s.narration_id not in fail]
        write_clips(writer, todo, [features_of(item, spec) for item in todo], SAMPLING)
    return len(todo)


def table(segments: list[Segment]) -> SegmentTable:
    """As if read from a file."""
    return SegmentTable(Path("some.csv"), tuple(segments))


SEGMENTS = [segment(i, video=v) for v in ("P02_03", "P01_01") for i in (3, 1, 2)]
