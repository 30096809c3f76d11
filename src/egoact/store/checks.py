"""What is wrong with a feature store: shapes, hashes, numbers that are not finite, segments that are missing."""

import hashlib
from collections.abc import Iterator

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.store.encoding import decode
from egoact.store.index import IndexRow
from egoact.store.reader import FeatureStore

_CHUNK_BYTES = 32 << 20


def shard_problems(store: FeatureStore, number: int) -> Iterator[str]:
    """What is wrong with one shard; the first problem that makes the others meaningless is the last."""
    path = store.index.shard_path(store.path, number)
    rows = sorted((row for row in store.index.rows if row.shard == path.name), key=lambda row: row.offset)
    if [row.offset for row in rows] != list(range(len(rows))):
        yield f"{path}: the index does not number its segments 0 to {len(rows) - 1}"
        return
    try:
        features = store.shard(number)
    except ArtifactError as error:
        yield str(error)
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != rows[0].shard_sha256:
        yield f"{path}: its bytes have changed since it was written; delete it and run egoact extract again"
    yield from _number_problems(features, rows, store.spec.dtype)


def _number_problems(features: np.ndarray, rows: list[IndexRow], dtype: str) -> Iterator[str]:
    step = max(1, _CHUNK_BYTES // features[0].nbytes)
    for start in range(0, len(rows), step):
        chunk = decode(features[start : start + step], dtype)
        flat = chunk.reshape(len(chunk), -1)
        for row, clip in zip(rows[start : start + step], flat, strict=True):
            if not np.isfinite(clip).all():
                yield f"{row.narration_id}: features that are not finite numbers"
            elif not clip.any():
                yield f"{row.narration_id}: all features are zero"


def table_problems(store: FeatureStore, table: SegmentTable) -> Iterator[str]:
    """Segments of a CSV that are not in the store, or with other times."""
    known = {(row.video_id, row.narration_id): row for row in store.index.rows}
    for position in np.flatnonzero(store.index.find(table) < 0).tolist():
        segment = table[position]
        row = known.get((segment.video_id, segment.narration_id))
        state = "is not in the store"
        if row is not None:
            state = f"is in the store with other times, {row.start_seconds:.3f} to {row.stop_seconds:.3f} s"
        yield f"{table.path}, {table.place(position)}: {segment.narration_id} {state}"
