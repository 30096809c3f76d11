"""Whole recordings out of a feature store."""

from collections.abc import Iterator, Mapping

import numpy as np

from egoact.store.encoding import decode
from egoact.store.reader import FeatureStore


class Recordings(Mapping[str, np.ndarray]):
    """Every step of the recordings that a store holds from beginning to end: video_id -> float16 (F, *feature).

    Where nothing lies between the steps they are mapped and not read.

    Attributes:
        path: Of the store.
        rate: Steps a second.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.path, self.rate = store.path, store.spec.rate
        self._store = store
        steps = {video_id: row.steps(rate=store.spec.rate) for video_id, row in store.index.rows.items()}
        self._steps = {video_id: rows for video_id, rows in steps.items() if len(rows) and (rows >= 0).all()}

    def __getitem__(self, video_id: str) -> np.ndarray:
        rows = self._steps[video_id]
        stored = self._store.shard(self._store.index.video_ids.index(video_id))
        is_dense = rows[-1] - rows[0] == len(rows) - 1
        return decode(stored[rows[0] : rows[-1] + 1] if is_dense else stored[rows], self._store.spec.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)
