"""Features of whole recordings, a few times a second: kept beside the clips of a store, or for a while in a file.

features/               the feature store of the segments
features/recordings/    a feature store whose clips are the seconds of the recordings: 8 frames each
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import check_same_backbone
from egoact.store.encoding import decode
from egoact.store.reader import FeatureStore

RECORDINGS_NAME = "recordings"
DEFAULT_RATE = 8


class Recordings(Mapping[str, np.ndarray]):
    """Features of whole recordings, float16 (F, *feature) each, memory-mapped.

    Args:
        store: Of segments; its recordings are beside it.

    Raises:
        ArtifactError: They were not extracted, or with another backbone.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.path = path = store.path / RECORDINGS_NAME
        if not path.is_dir():
            raise ArtifactError(
                "this feature store has no whole recordings; run egoact extract again with --recordings",
                path=store.path,
            )
        self._store = FeatureStore.open(path)
        check_same_backbone(self._store.spec.backbone_spec, store.spec.backbone_spec, path=path)
        self._shards = {row.video_id: row.shard for row in self._store.index.rows}

    @property
    def rate(self) -> int:
        """Steps per second."""
        return self._store.spec.num_frames

    def __getitem__(self, video_id: str) -> np.ndarray:
        shard = self._store.shard(self._store.index.shards.index(self._shards[video_id]))
        return decode(shard, self._store.spec.dtype).reshape(-1, *self._store.spec.feature_shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shards)

    def __len__(self) -> int:
        return len(self._shards)


class FeatureBuffer:
    """Features of a recording whose length nobody knows yet, appended to a temporary file, then read like an array.

    An hour of pooled features is 74 MB, of feature maps more than a gigabyte: memory does not grow with the recording.
    A context manager that removes the file.

    Args:
        feature_shape: (D,) or (C, h, w) of one step.
        folder: Where the file is; None: the system's place for such files.
    """

    def __init__(self, feature_shape: tuple[int, ...], *, folder: Path | None = None) -> None:
        self._shape = feature_shape
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed by __exit__
        self._num_steps = 0

    def __enter__(self) -> "FeatureBuffer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._num_steps

    def append(self, features: np.ndarray) -> None:
        """Add steps, float16 (N, *feature_shape)."""
        if features.dtype != np.float16 or features.shape[1:] != self._shape:
            raise ValueError(f"expected float16 (N, {self._shape}), got {features.dtype} {features.shape}")
        self._file.write(np.ascontiguousarray(features).data)
        self._num_steps += len(features)

    def read(self) -> np.ndarray:
        """All steps so far, float16 (F, *feature_shape), mapped and not read."""
        self._file.flush()
        if not self._num_steps:
            return np.empty((0, *self._shape), dtype=np.float16)
        shape = (self._num_steps, *self._shape)
        return np.memmap(self._file, dtype=np.float16, mode="r", shape=shape).view(np.ndarray)
