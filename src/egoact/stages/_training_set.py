"""What a training learns from: its segments, classes, batches and losses."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from egoact.core.imbalance import CLASS_WEIGHTS
from egoact.core.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.segments import SegmentTable, read_segments
from egoact.models.losses import TargetLoss
from egoact.models.recipes import Recipe


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
    wanted = set(validation_videos)
    unknown = sorted(wanted - set(table.video_ids))
    if unknown:
        raise ValueError(f"--validation-videos: {table.path} has no video {unknown[0]!r}")
    training = table.select(lambda segment: segment.video_id not in wanted)
    if not len(training):
        raise ValueError("--validation-videos takes all videos, none is left to train on")
    return training, table.select(lambda segment: segment.video_id in wanted)


def choose_vocabularies(
    table: SegmentTable, *, targets: tuple[Target, ...], classes: Path | None, labels: Literal["classes", "categories"]
) -> dict[Target, Vocabulary]:
    """The classes to learn, of each target.

    Raises:
        ValueError: No labels of a target that is asked for, or none at all.
    """
    found: dict[Target, Vocabulary] = {}
    for target in targets or TARGETS:
        named = build_vocabulary(table, target)
        if named is None:
            if target in targets:
                raise ValueError(f"{table.path} has no {target} labels to learn")
            continue
        vocabulary = named if classes is None else read_vocabulary(classes, target)
        found[target] = vocabulary.to_categories()[0] if labels == "categories" else vocabulary
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
    losses: dict[str, torch.nn.Module] = {}
    for target, seen in counts.items():
        weigh = CLASS_WEIGHTS.get(recipe.class_weights)
        losses[target] = TargetLoss(
            recipe.loss,
            class_counts=torch.from_numpy(seen),
            class_weights=None if weigh is None else torch.from_numpy(weigh(seen)),
            label_smoothing=recipe.label_smoothing,
            temperature=recipe.temperature,
        )
    return losses
