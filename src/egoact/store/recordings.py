"""Features of whole recordings, a few times a second, kept beside the clips of a store.

features/               the feature store of the segments
features/recordings/    a feature store whose clips are the seconds of the recordings: 8 frames each
"""

from collections.abc import Iterator, Mapping

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

    Attributes:
        path: Their folder.

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
