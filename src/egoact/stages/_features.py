"""Where feature stores meet runs: whether the features of one fit the other."""

from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.data.store import FeatureStore, StoreSpec
from egoact.models.backbones import BackboneSpec, check_same_backbone
from egoact.models.recognizer import RecognizerConfig


def backbone_of(spec: StoreSpec) -> BackboneSpec:
    """The backbone that made the features of a store."""
    return BackboneSpec(
        name=spec.backbone,
        weights_hash=spec.weights_hash,
        input_size=spec.input_size,
        mean=spec.mean,
        std=spec.std,
        kind=spec.kind,
        cut=spec.cut,
        feature_shape=spec.feature_shape,
    )


def open_features_for(config: RecognizerConfig, path: Path) -> FeatureStore:
    """Open a store whose features a run can read.

    Raises:
        ArtifactError: Another backbone, other weights or preprocessing, or another number of frames.
    """
    store = FeatureStore.open(path)
    check_same_backbone(backbone_of(store.spec), config.backbone, path=path)
    if store.spec.num_frames != config.num_frames:
        raise ArtifactError(
            f"its clips have {store.spec.num_frames} frames, the run needs {config.num_frames}", path=path
        )
    return store
