"""`egoact verify`: is a feature store whole?"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.progress import Progress
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.encoding import decode
from egoact.data.store import FeatureStore
from egoact.data.store_index import IndexRow

_CHUNK_BYTES = 32 << 20


@dataclass(frozen=True)
class VerifySettings:
    """Check a feature store: shapes, hashes, finite numbers, and whether it holds the segments of a CSV.

    Prints each problem; nothing is changed.
    """

    features: Path
    """Feature store."""
    segments: Path | None = None
    """Segments CSV whose segments should all be there, with these times."""


def verify(settings: VerifySettings) -> int:
    """Check a store; gives the number of problems.

    Raises:
        ArtifactError: There is no store, or its manifest or index is damaged.
        AnnotationError: The CSV is wrong.
    """
    store = FeatureStore.open(settings.features)
    problems: list[str] = []
    with Progress("verify", total=len(store.index.shards), unit="shards") as progress:
        for number in range(len(store.index.shards)):
            problems += shard_problems(store, number)
            progress.advance(1)
    if settings.segments is not None:
        problems += table_problems(store, read_segments(settings.segments))
    for problem in problems:
        print(f"verify: {problem}")
    print(
        f"verify: {len(store)} segments of {len(store.index.shards)} videos, "
        f"{store.spec.backbone}, {store.spec.kind} {store.spec.clip_shape}: {len(problems)} problems"
    )
    return len(problems)


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
