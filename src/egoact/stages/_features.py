"""Where feature stores meet runs: whether the features of one fit the other."""

from collections.abc import Sequence
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.data.stack import FeatureStack, open_features
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
        modality=spec.modality,
    )


def choose_stores(config: RecognizerConfig, paths: Sequence[Path]) -> list[Path]:
    """Of some stores those that a run reads, in its order; all of them where backbones do not tell which."""
    of_backbone = {backbone_of(FeatureStore.open(path).spec): path for path in paths}
    found = {of_backbone[backbone] for backbone in config.backbones if backbone in of_backbone}
    if len(found) < len(config.backbones):
        return list(paths)
    return [of_backbone[backbone] for backbone in config.backbones]


def open_features_for(config: RecognizerConfig, paths: Path | Sequence[Path]) -> FeatureStore | FeatureStack:
    """Open the store, or the stores, whose features a run can read.

    Raises:
        ArtifactError: Another backbone, other weights or preprocessing, or another number of stores or frames.
    """
    source = open_features(paths)
    needed = config.backbones
    if len(source.specs) != len(needed):
        names = ", ".join(spec.title for spec in needed)
        reason = f"{len(source.specs)} given, the run needs {len(needed)}, in this order: --features with {names}"
        raise ArtifactError(f"feature stores: {reason}", path=source.path)
    stores = source.stores if isinstance(source, FeatureStack) else (source,)
    for store, backbone in zip(stores, needed, strict=True):
        check_same_backbone(backbone_of(store.spec), backbone, path=store.path)
    if source.specs[0].num_frames != config.num_frames:
        raise ArtifactError(
            f"its clips have {source.specs[0].num_frames} frames, the run needs {config.num_frames}", path=source.path
        )
    return source
