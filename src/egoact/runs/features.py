"""Where feature stores meet runs: whether the features of one fit the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import check_same_backbone
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.store.concatenation import ConcatenatedStores, FeatureSource, clips_at_once, open_features
from egoact.store.reader import FeatureStore


def choose_stores(config: RecognizerConfig, paths: Sequence[Path]) -> list[Path]:
    """Of some stores those that a run reads, in its order; all of them where backbones do not tell which."""
    of_backbone = {FeatureStore.open(path).spec.backbone_spec: path for path in paths}
    found = {of_backbone[backbone] for backbone in config.backbones if backbone in of_backbone}
    if len(found) < len(config.backbones):
        return list(paths)
    return [of_backbone[backbone] for backbone in config.backbones]


def open_features_for(config: RecognizerConfig, paths: Path | Sequence[Path]) -> FeatureStore | ConcatenatedStores:
    """Open the store, or the stores, whose features a run can read.

    Raises:
        ArtifactError: Another backbone, other weights or preprocessing, or another number of stores.
    """
    source = open_features(paths)
    needed = config.backbones
    if len(source.specs) != len(needed):
        names = ", ".join(spec.title for spec in needed)
        reason = f"{len(source.specs)} given, the run needs {len(needed)}, in this order: --features with {names}"
        raise ArtifactError(f"feature stores: {reason}", path=source.path)
    stores = source.stores if isinstance(source, ConcatenatedStores) else (source,)
    for store, backbone in zip(stores, needed, strict=True):
        check_same_backbone(store.spec.backbone_spec, backbone, path=store.path)
    return source


def score_rows(recognizer: Recognizer, store: FeatureSource, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of stored clips, rows as from `locate`, averaged over their views: target -> float32 (N, classes)."""
    parts: list[dict[str, np.ndarray]] = []
    step = clips_at_once(store, recognizer.config.num_frames)
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        views = [recognizer.score(store.gather(chosen, views=view)) for view in range(rows.shape[1])]
        parts.append({target: np.mean([view[target] for view in views], axis=0) for target in views[0]})
    return {target: np.concatenate([part[target] for part in parts]) for target in parts[0]}
