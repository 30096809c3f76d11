"""What is wrong with a feature store: shapes, hashes, numbers that are not finite, segments that are missing."""

import hashlib
from collections.abc import Iterator

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.spec import IMPORTED
from egoact.store.layout.encoding import decode
from egoact.store.layout.index import RecordingRow
from egoact.store.reader import FeatureStore

_CHUNK_BYTES = 32 << 20


def shard_problems(store: FeatureStore, number: int) -> Iterator[str]:
    """What is wrong with one shard; the first problem that makes the others meaningless is the last."""
    path = store.index.shard_path(store.path, number)
    row = store.index.rows[store.index.video_ids[number]]
    try:
        features = store.shard(number)
    except ArtifactError as error:
        yield str(error)
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != row.shard_sha256:
        yield f"{path}: its bytes have changed since it was written; delete it and run egoact extract again"
    may_be_zero = store.spec.modality in ("motion", IMPORTED)  # nothing moves in a still picture; others may pad
    yield from _number_problems(features, row, store.spec.dtype, may_be_zero=may_be_zero)


def _number_problems(features: np.ndarray, row: RecordingRow, dtype: str, *, may_be_zero: bool) -> Iterator[str]:
    step = max(1, _CHUNK_BYTES // features[:1].nbytes) if len(features) else 1
    for start in range(0, len(features), step):
        flat = decode(features[start : start + step], dtype)
        flat = flat.reshape(len(flat), -1)
        bad = {
            "features that are not finite numbers": ~np.isfinite(flat).all(axis=1),
            "all features are zero": ~flat.any(axis=1) & (not may_be_zero),
        }
        for reason, where in bad.items():
            for moment in row.moments[start : start + step][where].tolist():
                yield f"{row.video_id} at {moment / 1e6:.3f} s: {reason}"


def table_problems(store: FeatureStore, table: SegmentTable, sampling: ClipSampling) -> Iterator[str]:
    """Segments of a CSV whose frames are not all in the store."""
    for position in np.flatnonzero((store.find(table, sampling) < 0).any(axis=(1, 2))).tolist():
        segment = table[position]
        stretch = f"{segment.video_id} from {segment.start_seconds:.3f} to {segment.stop_seconds:.3f} s"
        yield f"{table.path}, {table.place(position)}: {stretch} is not in the store"
