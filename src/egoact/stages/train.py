"""`egoact train`: from features and labels to a run directory."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from egoact.core.errors import ArtifactError
from egoact.core.imbalance import count_classes
from egoact.core.labels import Target, Vocabulary
from egoact.core.metrics import evaluate_scores
from egoact.core.segments import read_segments
from egoact.data.batches import ClipBatches
from egoact.data.stack import FeatureSource, open_features
from egoact.models.classifier import ActionClassifier
from egoact.models.learner import Learner, NotFiniteError
from egoact.models.recipes import Recipe
from egoact.models.recognizer import Recognizer, RecognizerConfig
from egoact.stages._clips import (
    Split,
    finite_features,
    load_split,
    pairs_of,
    plain_batches,
    score_rows,
    training_labels,
)
from egoact.stages._features import backbone_of
from egoact.stages._fit import Fitted, fit
from egoact.stages._long_tail import split_by_frequency
from egoact.stages._processes import is_leader, part_ways
from egoact.stages._run_files import METRICS_NAME, is_finished, write_json, write_settings
from egoact.stages._timeline_training import TimelineTraining
from egoact.stages._train_settings import TrainSettings, parse_options
from egoact.stages._training_set import balanced_odds, choose_vocabularies, split_segments, target_losses


def train(settings: TrainSettings) -> int:
    """Train and write the run directory; see `TrainSettings`.

    Raises:
        AnnotationError: Labels that cannot be used.
        ArtifactError: Features that are missing or not finite, or a run directory in use.
    """
    recipe = settings.chosen_recipe()
    if is_finished(settings):
        if is_leader():
            print(f"{settings.run} is already trained with these settings")
        return 0
    table = read_segments(settings.segments)
    training, validation = split_segments(
        table, validation=settings.validation, validation_videos=settings.validation_videos
    )
    vocabularies = choose_vocabularies(
        table, targets=settings.targets, classes=settings.classes, labels=settings.labels
    )
    store = open_features(settings.features)
    train_split = load_split(training, store, vocabularies)
    valid_split = None if validation is None else load_split(validation, store, vocabularies)
    config = _configure(settings, recipe, store, train_split, vocabularies)
    data = TrainingData(store, train_split, valid_split, training_labels(train_split, config))
    torch.manual_seed(settings.seed)
    model = config.build()
    num_parameters = model.num_trainable
    if is_leader():
        write_settings(settings, recipe, num_parameters=num_parameters)
    model.observe(finite_features(store, data.training))
    began = time.monotonic()
    fitted = _fit_phase(settings, recipe, model, data, config)
    if recipe.retrain_epochs:
        fitted = _retrain(settings, recipe, _chosen(settings, fitted), data, config)
    part_ways()
    if is_leader():
        metrics = _save(settings, recipe, config, fitted, data)
        _report(settings, num_parameters, metrics, time.monotonic() - began)
    return 0


def _configure(
    settings: TrainSettings,
    recipe: Recipe,
    store: FeatureSource,
    split: Split,
    vocabularies: dict[Target, Vocabulary],
) -> RecognizerConfig:
    backbone, *stacked = map(backbone_of, store.specs)
    if settings.joint and set(vocabularies) != {"verb", "noun"}:
        raise ValueError(f"--joint needs verbs and nouns to learn, there are only {', '.join(vocabularies)}s")
    return RecognizerConfig(
        head=settings.head,
        head_options=parse_options(settings.head_options),
        vocabularies=vocabularies,
        backbone=backbone,
        stacked=tuple(stacked),
        fusion=settings.fusion,
        precision=store.specs[0].precision,
        pairs=pairs_of(split, vocabularies) if settings.joint else (),
        num_frames=store.specs[0].num_frames,
        dropout=recipe.dropout,
        training_counts={
            target: tuple(count_classes(labels, num_classes=vocabularies[target].size).tolist())
            for target, labels in split.labels.items()
        },
    )


@dataclass(frozen=True)
class TrainingData:
    """Features, both sides of the split, and the training labels of every classifier."""

    store: FeatureSource
    training: Split
    validation: Split | None
    labels: dict[str, np.ndarray]

    def batches(self, learner: Learner, recipe: Recipe, *, seed: int) -> ClipBatches:
        """Shuffled training batches, in another order each epoch."""
        return ClipBatches(
            self.store,
            self.training.rows,
            self.labels,
            batch_size=recipe.batch_size,
            seed=seed,
            shuffle=True,
            weights=balanced_odds(self.training.labels) if recipe.class_balanced_sampling else None,
            epoch=lambda: learner.current_epoch,
        )


def _fit_phase(
    settings: TrainSettings,
    recipe: Recipe,
    model: ActionClassifier,
    data: TrainingData,
    config: RecognizerConfig,
    *,
    phase: str = "",
) -> Fitted:
    counts = {target: count_classes(data.labels[target], num_classes=size) for target, size in config.sizes.items()}
    learner = Learner(model, target_losses(recipe, counts), recipe, seed=settings.seed)
    try:
        return fit(
            learner,
            data.batches(learner, recipe, seed=settings.seed),
            None if data.validation is None else plain_batches(data.store, data.validation),
            run=settings.run,
            phase=phase,
            machine=settings.machine(),
        )
    except NotFiniteError as error:
        names = [data.training.table[i].narration_id for i in error.positions[:3]]
        raise ArtifactError(
            f"{error} (segments {', '.join(names)}, ...); use a smaller --learning-rate or --gradient-clip 1",
            path=settings.run,
        ) from error


def _retrain(
    settings: TrainSettings, recipe: Recipe, model: ActionClassifier, data: TrainingData, config: RecognizerConfig
) -> Fitted:
    """Classifier re-training (cRT): new classifiers on the frozen head, every class drawn equally often.

    Source: Decoupling Representation and Classifier for Long-Tailed Recognition, Kang et al. 2020, arXiv:1910.09217.
    """
    if not any(True for _ in model.head.parameters()) and is_leader():
        print(f"head {settings.head} has no parameters: re-training its classifiers is a training from zero")
    torch.manual_seed(settings.seed)
    model.freeze_head()
    balanced = replace(
        recipe,
        epochs=recipe.retrain_epochs,
        retrain_epochs=0,
        loss="cross_entropy",
        class_weights="none",
        class_balanced_sampling=True,
    )
    return _fit_phase(settings, balanced, model, data, config, phase="classifiers")


def _chosen(settings: TrainSettings, fitted: Fitted) -> ActionClassifier:
    return fitted.last if fitted.best is None or settings.select == "last" else fitted.best


def _save(
    settings: TrainSettings, recipe: Recipe, config: RecognizerConfig, fitted: Fitted, data: TrainingData
) -> dict[str, Any]:
    """Write models and metrics; the chosen model's configuration comes last, and says that the run is finished."""
    chosen = Recognizer(config, _chosen(settings, fitted))
    metrics: dict[str, Any] = {}
    if data.validation is not None:
        metrics = _measure(chosen, data.store, data.validation)
        write_json(settings.run / METRICS_NAME, metrics)
    timelines = TimelineTraining(chosen, data.store, recipe, run=settings.run, seed=settings.seed)
    finished = timelines.learn(data.training, data.validation, background=settings.background)
    if fitted.best is not None:
        # A model of background belongs to the chosen weights alone; without it they share the rules.
        rules = None if settings.background else finished.config.timeline
        for name, model in (("best", fitted.best), ("last", fitted.last)):
            Recognizer(replace(config, timeline=rules), model).save(settings.run / name)
    finished.save(settings.run)
    return metrics


def _measure(recognizer: Recognizer, store: FeatureSource, split: Split) -> dict[str, Any]:
    tail, head = split_by_frequency(recognizer.config.vocabularies, recognizer.config.training_counts)
    scores = score_rows(recognizer, store, split.rows)
    return evaluate_scores(scores, split.labels, tail=tail, head=head)  # type: ignore[arg-type]


def _report(settings: TrainSettings, num_parameters: int, metrics: dict[str, Any], seconds: float) -> None:
    scores = ""
    if metrics:
        shown = [f"{t} {metrics[t]['top1']:.1f}" for t in ("verb", "noun", "action") if t in metrics]
        scores = f"; validation top-1 %: {', '.join(shown)}"
    print(f"trained {settings.head} ({num_parameters:,} parameters) in {seconds:.0f} s{scores}; {settings.run}")
