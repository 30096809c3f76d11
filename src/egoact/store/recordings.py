"""Whole recordings out of feature stores, and the stretches of recordings that they hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import numpy as np

from egoact.store.concatenation import ConcatenatedStores, FeatureSource
from egoact.store.layout.encoding import decode
from egoact.store.layout.index import grid_moments
from egoact.store.reader import FeatureStore


@dataclass(frozen=True, eq=False)
class Stretch:
    """Consecutive steps of a recording; `stretch[rows]` reads features, float16 (N, D), streams side by side."""

    video_id: str
    first_step: int  # number of the first of them in the recording
    rate: int  # steps a second
    path: Path  # of the store, or the stores
    parts: tuple[tuple[FeatureStore, int, np.ndarray], ...]  # of each store: it, the shard, and int64 (F,) rows of it

    def __len__(self) -> int:
        return len(self.parts[0][2])

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        found = [self._read(store, shard, places[rows]) for store, shard, places in self.parts]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def steps_between(self, start_seconds: float, stop_seconds: float) -> slice:
        """Those whose moments lie in [start, stop), or where there is none, the step that the interval lies in."""
        start, stop = (int(np.ceil(round(t * self.rate - 0.5, 6))) for t in (start_seconds, stop_seconds))
        if stop <= start:
            start = int(start_seconds * self.rate)
            stop = start + 1
        edges = np.clip([start - self.first_step, stop - self.first_step], 0, len(self))
        return slice(*edges.tolist())

    @staticmethod
    def _read(store: FeatureStore, shard: int, places: np.ndarray) -> np.ndarray:
        if not len(places):
            return np.empty((0, *store.spec.backbone.feature_shape), dtype=np.float16)
        stored = store.shard(shard)
        # Where nothing lies between the steps they are mapped and not read.
        is_dense = places[-1] - places[0] == len(places) - 1
        return decode(stored[places[0] : places[-1] + 1] if is_dense else stored[places], store.spec.dtype)


class Recordings(Mapping[str, np.ndarray]):
    """Recordings that are in all of some stores from beginning to end: video_id -> float16 (F, *feature).

    `path` is that of the store, or the stores, `rate` the steps a second, the same in all of them.
    """

    def __init__(self, source: FeatureSource) -> None:
        self.stores = source.stores if isinstance(source, ConcatenatedStores) else (source,)
        self.path, self.rate = source.path, self.stores[0].spec.rate
        each = {video_id: self._find_whole(video_id) for video_id in self.stores[0].index.rows}
        self._whole = {video_id: found for video_id, found in each.items() if found is not None}

    def __getitem__(self, video_id: str) -> np.ndarray:
        return self._whole[video_id][:]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def whole(self, video_id: str) -> list[Stretch]:
        """The recording as one stretch; nothing where it is not here from beginning to end."""
        return [self._whole[video_id]] if video_id in self._whole else []

    def stretches(self, video_id: str) -> list[Stretch]:
        """All of the recording that is here, in runs of consecutive steps."""
        if any(video_id not in store.index.rows for store in self.stores):
            return []
        steps = [self._steps(store, video_id) for store in self.stores]
        common = reduce(partial(np.intersect1d, assume_unique=True), steps)
        runs = np.split(common, np.flatnonzero(np.diff(common) > 1) + 1)
        return [self._stretch(video_id, run) for run in runs if len(run)]

    def _find_whole(self, video_id: str) -> Stretch | None:
        if any(video_id not in store.index.rows for store in self.stores):
            return None
        counts = [store.index.rows[video_id].num_steps for store in self.stores]
        steps = np.arange(max(min(counts), 0))
        found = self._stretch(video_id, steps)
        return found if len(steps) and all((places >= 0).all() for _, _, places in found.parts) else None

    def _stretch(self, video_id: str, steps: np.ndarray) -> Stretch:
        moments = grid_moments(steps, rate=self.rate)
        parts = tuple(
            (store, store.index.video_ids.index(video_id), store.index.rows[video_id].find_moments(moments))
            for store in self.stores
        )
        return Stretch(video_id, int(steps[0]) if len(steps) else 0, self.rate, self.path, parts)

    def _steps(self, store: FeatureStore, video_id: str) -> np.ndarray:
        """Numbers of the steps that a store holds; moments between them are left out."""
        moments = store.index.rows[video_id].moments
        steps = np.floor(moments * self.rate / 1e6).astype(np.int64)
        return steps[grid_moments(steps, rate=self.rate) == moments]
