"""What a training learns from: its segments, classes, batches and losses.

The clips of a split: their segments, their rows in the feature store, their labels, and what a run says of them.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.annotations.parsing import parse_video_id
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.imbalance import CLASS_WEIGHTS, count_classes
from egoact.core.sampling import ClipSampling
from egoact.models.classifier import encode_pairs, pairs_seen
from egoact.models.names import ACTION
from egoact.store.concatenation import FeatureSource, clips_at_once
from egoact.training.losses import TargetLoss
from egoact.training.recipes import Recipe

WINDOW_LENGTHS = (0.5, 1.0, 2.0)  # of the median segment


def split_segments(
    table: SegmentTable, *, validation: Path | None, validation_videos: tuple[str, ...]
) -> tuple[SegmentTable, SegmentTable | None]:
    """Training and validation segments: of two files, or of the videos of one.

    Raises:
        ValueError: A video that is not there, or nothing left to train on.
    """
    if validation is not None:
        return table, read_segments(validation)
    if not validation_videos:
        return table, None
    wanted = set(map(parse_video_id, validation_videos))
    unknown = sorted(wanted - set(table.video_ids))
    if unknown:
        raise ValueError(f"--validation-videos: {table.path} has no video {unknown[0]!r}")
    training = table.select(lambda segment: segment.video_id not in wanted)
    if not len(training):
        raise ValueError("--validation-videos takes all videos, none is left to train on")
    return training, table.select(lambda segment: segment.video_id in wanted)


def choose_vocabularies(
    table: SegmentTable,
    *,
    targets: tuple[Target, ...],
    classes: Path | None,
    labels: Literal["classes", "categories"],
    least: int = 2,
) -> dict[Target, Vocabulary]:
    """The classes to learn, of each target that has at least `least`; a class can be told from background, too.

    Raises:
        ValueError: No labels of a target that is asked for, one class only, or no labels at all.
    """
    found: dict[Target, Vocabulary] = {}
    singles: list[str] = []
    for target in targets or TARGETS:
        named = build_vocabulary(table, target)
        if named is None:
            if target in targets:
                raise ValueError(f"{table.path} has no {target} labels to learn")
            continue
        vocabulary = named if classes is None else read_vocabulary(classes, target)
        vocabulary = vocabulary.to_categories()[0] if labels == "categories" else vocabulary
        if vocabulary.size >= least:
            found[target] = vocabulary
            continue
        alone = f"every {target} of {table.path} is {vocabulary.names[0]!r}: there is nothing to tell apart"
        if target in targets:
            raise ValueError(alone)
        singles.append(alone)
    if not found and singles:
        raise ValueError("; ".join(singles))
    for single in singles:
        print(f"train: {single}, so {'verbs' if 'verb' in found else 'nouns'} alone are learned", file=sys.stderr)
    if not found:
        raise ValueError(f"{table.path} has no labels: columns verb, verb_class, noun or noun_class are needed")
    return found


def balanced_odds(labels: dict[Target, np.ndarray]) -> np.ndarray:
    """Odds of each clip for class-balanced sampling, float64 (N,), sum 1.

    A target, one of its classes and a clip of that class are drawn, each with equal odds: with verbs and nouns, one
    half of the clips is balanced by verb and the other by noun.
    """
    shares = []
    for values in labels.values():
        counts = np.bincount(values)
        shares.append(1.0 / (counts[values] * np.count_nonzero(counts)))
    return np.mean(shares, axis=0)


def target_losses(recipe: Recipe, counts: dict[str, np.ndarray]) -> dict[str, torch.nn.Module]:
    """The loss of each classifier, from its training segments a class."""
    weigh = CLASS_WEIGHTS.get(recipe.class_weights)
    return {
        target: TargetLoss(
            recipe.loss,
            class_counts=torch.from_numpy(seen),
            class_weights=None if weigh is None else torch.from_numpy(weigh(seen)),
            label_smoothing=recipe.label_smoothing,
            temperature=recipe.temperature,
        )
        for target, seen in counts.items()
    }


@dataclass(frozen=True)
class Split:
    """The labelled clips of one side, training or validation."""

    table: SegmentTable
    rows: np.ndarray
    labels: dict[Target, np.ndarray]


def load_split(
    table: SegmentTable, store: FeatureSource, vocabularies: dict[Target, Vocabulary], sampling: ClipSampling
) -> Split:
    """Look a table up in a store, and encode its labels."""
    labels = {target: v.encode(table, allow_unlabelled=False) for target, v in vocabularies.items()}
    return Split(table, store.locate(table, sampling), labels)


def finite_features(store: FeatureSource, split: Split) -> Iterator[torch.Tensor]:
    """All features of a split, view 0, as float32 batches.

    Raises:
        ArtifactError: Names the first segment whose features are not finite.
    """
    step = clips_at_once(store, split.rows.shape[2])
    for start in range(0, len(split.rows), step):
        features = torch.from_numpy(store.gather(split.rows[start : start + step])).float()
        finite = torch.isfinite(features).flatten(1).all(1)
        if not finite.all():
            name = split.table[start + int((~finite).nonzero()[0])].narration_id
            raise ArtifactError(f"features of segment {name} are not finite; run egoact verify", path=store.path)
        yield features


@dataclass(frozen=True)
class TrainingData:
    """Features, both sides of the split, and the classes to learn."""

    store: FeatureSource
    training: Split
    validation: Split | None
    vocabularies: dict[Target, Vocabulary]

    def select(self, chosen: np.ndarray) -> "TrainingData":
        """Some of the training clips, bool (N,), without validation."""
        whole = self.training
        labels = {target: values[chosen] for target, values in whole.labels.items()}
        return replace(self, training=Split(whole.table.select(chosen), whole.rows[chosen], labels), validation=None)

    @property
    def pairs(self) -> tuple[int, ...]:
        """The pairs of verb and noun that the training clips show, as `RecognizerConfig.pairs`."""
        labels = self.training.labels
        return pairs_seen(labels["verb"], labels["noun"], num_nouns=self.vocabularies["noun"].size)

    @property
    def class_counts(self) -> dict[Target, tuple[int, ...]]:
        """Training clips of each class, as `RecognizerConfig.training_counts`."""
        return {
            target: tuple(count_classes(labels, num_classes=self.vocabularies[target].size).tolist())
            for target, labels in self.training.labels.items()
        }

    @property
    def window_seconds(self) -> tuple[float, ...]:
        """Lengths of windows in which to look for such actions in a stream, as `RecognizerConfig.window_seconds`."""
        typical = float(np.median([segment.duration_seconds for segment in self.training.table]))
        return tuple(round(factor * typical, 3) for factor in WINDOW_LENGTHS)

    def classifier_labels(self, pairs: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Training labels of every classifier: of the targets, and of the joint one where there are pairs."""
        labels: dict[str, np.ndarray] = {**self.training.labels}
        if pairs:
            size = self.vocabularies["noun"].size
            labels[ACTION] = encode_pairs(labels["verb"], labels["noun"], pairs, num_nouns=size)
        return labels
