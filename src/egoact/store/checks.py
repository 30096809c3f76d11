"""What is wrong with a feature store: shapes, hashes, numbers that are not finite, segments that are missing."""

from collections.abc import Iterator

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.files import file_sha256
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.spec import IMPORTED
from egoact.store.layout.encoding import decode
from egoact.store.layout.index import CHUNK_BYTES, REPAIR
from egoact.store.reader import FeatureStore


def shard_problems(store: FeatureStore, number: int) -> Iterator[str]:
    """What is wrong with one shard; the first problem that makes the others meaningless is the last."""
    path = store.index.shard_path(store.path, number)
    row = store.index.rows[store.index.video_ids[number]]
    try:
        features = store.shard(number)
    except ArtifactError as error:
        yield str(error)
        return
    if file_sha256(path) != row.shard_sha256:
        yield f"{path}: its bytes have changed since it was written; {REPAIR}"
    # Nothing moves in a still picture; others may pad.
    may_be_zero = store.spec.backbone.modality in ("motion", IMPORTED)
    step = max(1, CHUNK_BYTES // max(features[:1].nbytes, 1))
    for start in range(0, len(features), step):
        flat = decode(features[start : start + step], store.spec.dtype)
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
