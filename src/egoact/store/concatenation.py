"""Several feature stores of the same recordings, read as one: their features side by side, frame by frame.

Shapes: N segments, V views, T frames, S stores; pooled features (D,), maps (C, h, w).
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.models.names import BACKBONE_FILE
from egoact.store.layout.manifest import StoreSpec
from egoact.store.reader import FeatureStore
from egoact.store.streams import STREAMS_NAME, choose_streams

_BATCH_BYTES = 64 << 20


class ConcatenatedStores:
    """At least two stores; pooled, or maps of one size.

        store A  (T, D)  ──┐
                           ├──►  (T, D + E)       maps: (T, C, h, w) and (T, K, h, w) ──► (T, C + K, h, w)
        store B  (T, E)  ──┘

    Raises:
        ArtifactError: A store that cannot stand beside the first.
    """

    def __init__(self, stores: Sequence[FeatureStore]) -> None:
        self.stores = tuple(stores)
        first, seen = self.stores[0], set[Path]()
        for store in self.stores:
            if store.path.resolve() in seen:
                raise ArtifactError("this feature store is given twice", path=store.path)
            seen.add(store.path.resolve())
            ours, theirs = store.spec.backbone, first.spec.backbone
            if ours.kind != theirs.kind:
                reason = f"its kind is {ours.kind}, that of {first.path} is {theirs.kind}"
                raise ArtifactError(f"{reason}; stores that are used together must agree", path=store.path)
            if ours.feature_shape[1:] != theirs.feature_shape[1:]:
                sizes = f"{ours.feature_shape[1:]}, those of {first.path} {theirs.feature_shape[1:]}"
                raise ArtifactError(f"its maps have size {sizes}; choose another --cut or --size", path=store.path)

    @property
    def path(self) -> Path:
        """The paths of all, as one name."""
        return Path(" + ".join(str(store.path) for store in self.stores))

    @property
    def specs(self) -> tuple[StoreSpec, ...]:
        """How the features of each store were made."""
        return tuple(store.spec for store in self.stores)

    def locate(self, segments: Sequence[Segment], sampling: ClipSampling) -> np.ndarray:
        """Where clips are in every store, int64 (N, V, T, S); an `ArtifactError` as `FeatureStore.locate`."""
        return np.stack([store.locate(segments, sampling) for store in self.stores], axis=-1)

    def gather(self, rows: np.ndarray, *, views: int | np.ndarray = 0) -> np.ndarray:
        """Features side by side, as `FeatureStore.gather`, of rows int64 (N, V, T, S)."""
        parts = [store.gather(rows[..., number], views=views) for number, store in enumerate(self.stores)]
        return np.concatenate(parts, axis=2)


FeatureSource = FeatureStore | ConcatenatedStores
"""What training and evaluation read features from."""


def own_weights(source: FeatureSource) -> Path | None:
    """The file of the one backbone that features were made with, where their folder carries it."""
    paths = [store.path for store in (source.stores if isinstance(source, ConcatenatedStores) else (source,))]
    folders = {path.parents[1] if path.parent.name == STREAMS_NAME else path for path in paths}
    found = [folder / BACKBONE_FILE for folder in sorted(folders) if (folder / BACKBONE_FILE).is_file()]
    return found[0] if len(found) == 1 else None


def open_features(paths: str | Path | Sequence[str | Path], streams: Sequence[str] = ()) -> FeatureSource:
    """Some streams of features folders, see `choose_streams`, or all that they have, read as one.

    Raises:
        ArtifactError: No store, no such stream, a damaged one, or stores that do not fit together.
        ValueError: No path at all.
    """
    each = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not each:
        raise ValueError("give at least one feature store")
    return open_stores(choose_streams(each, streams))


def open_stores(paths: Sequence[Path]) -> FeatureSource:
    """As `open_features`, of these stores alone, whatever streams are beside them."""
    stores = [FeatureStore.open(path) for path in paths]
    return stores[0] if len(stores) == 1 else ConcatenatedStores(stores)


def clips_at_once(store: FeatureSource, num_frames: int) -> int:
    """Clips of T frames to read at once: 256, or as many maps as fit into `_BATCH_BYTES` as float16."""
    clip_bytes = sum(2 * num_frames * math.prod(spec.backbone.feature_shape) for spec in store.specs)
    return max(1, min(256, _BATCH_BYTES // clip_bytes))
