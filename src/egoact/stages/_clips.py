"""The clips of a split: their segments, their rows in the feature store, their labels, and what a run says of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from egoact.core.errors import ArtifactError
from egoact.core.labels import Target, Vocabulary
from egoact.core.segments import SegmentTable
from egoact.data.batches import ClipBatches
from egoact.data.stack import FeatureSource
from egoact.models.joint import ACTION, encode_pairs, pairs_seen
from egoact.models.recognizer import Recognizer, RecognizerConfig

_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class Split:
    """The labelled clips of one side, training or validation."""

    table: SegmentTable
    rows: np.ndarray
    labels: dict[Target, np.ndarray]


def load_split(table: SegmentTable, store: FeatureSource, vocabularies: dict[Target, Vocabulary]) -> Split:
    """Look a table up in a store, and encode its labels."""
    labels = {target: v.encode(table, allow_unlabelled=False) for target, v in vocabularies.items()}
    return Split(table, store.rows(table), labels)


def pairs_of(split: Split, vocabularies: dict[Target, Vocabulary]) -> tuple[int, ...]:
    """The pairs of verb and noun that a split shows, as `RecognizerConfig.pairs`."""
    return pairs_seen(split.labels["verb"], split.labels["noun"], num_nouns=vocabularies["noun"].size)


def training_labels(split: Split, config: RecognizerConfig) -> dict[str, np.ndarray]:
    """Labels of every classifier of a run: of its targets, and of the joint one where there is one."""
    labels: dict[str, np.ndarray] = dict(split.labels)  # type: ignore[arg-type]
    if config.pairs:
        size = config.vocabularies["noun"].size
        labels[ACTION] = encode_pairs(labels["verb"], labels["noun"], config.pairs, num_nouns=size)
    return labels


def plain_batches(store: FeatureSource, split: Split) -> ClipBatches:
    """Every clip once, in order, view 0."""
    return ClipBatches(store, split.rows, split.labels, batch_size=_batch_size(store))  # type: ignore[arg-type]


def finite_features(store: FeatureSource, split: Split) -> Iterator[torch.Tensor]:
    """All features of a split as float32 batches.

    Raises:
        ArtifactError: Names the first segment whose features are not finite.
    """
    for batch in plain_batches(store, split):
        features = batch.features.float()
        finite = torch.isfinite(features).flatten(1).all(1)
        if not finite.all():
            first = int(batch.positions[int((~finite).nonzero()[0])])
            name = split.table[first].narration_id
            raise ArtifactError(f"features of segment {name} are not finite; run egoact verify", path=store.path)
        yield features


def score_rows(recognizer: Recognizer, store: FeatureSource, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of stored clips, averaged over the views of the store: target -> float32 (N, classes)."""
    parts: list[dict[str, np.ndarray]] = []
    step = _batch_size(store)
    for start in range(0, len(rows), step):
        chosen = rows[start : start + step]
        views = [recognizer.score(store.gather(chosen, views=view)) for view in range(store.specs[0].views)]
        parts.append({target: np.mean([view[target] for view in views], axis=0) for target in views[0]})
    return {target: np.concatenate([part[target] for part in parts]) for target in parts[0]}


def _batch_size(store: FeatureSource) -> int:
    """Clips to read at once: 256, or as many maps as fit into `_BATCH_BYTES` as float16."""
    clip_bytes = sum(2 * math.prod(spec.clip_shape[1:]) for spec in store.specs)
    return max(1, min(256, _BATCH_BYTES // clip_bytes))
