"""`egoact train`: from features and labels to a run directory."""

import json
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from egoact.core.errors import ArtifactError
from egoact.core.imbalance import CLASS_WEIGHTS, count_classes
from egoact.core.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.metrics import evaluate_scores
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.batches import ClipBatches
from egoact.data.store import FeatureStore
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import DEFAULT_HEAD, HEADS
from egoact.models.learner import Learner, NotFiniteError
from egoact.models.losses import TargetLoss
from egoact.models.recipes import RECIPES, Recipe, choose_recipe
from egoact.models.recognizer import Recognizer, RecognizerConfig
from egoact.stages._clips import Split, finite_features, load_split, plain_batches, score_rows
from egoact.stages._features import backbone_of
from egoact.stages._fit import fit
from egoact.stages._run_files import METRICS_NAME, is_finished, write_json, write_settings
from egoact.stages._timeline_training import TimelineTraining


@dataclass(frozen=True)
class TrainSettings:
    """Train a temporal head and its classifiers on extracted features.

    A killed training goes on where it was when the same command is given again.
    """

    segments: Path
    """Segments CSV with labels to learn from."""
    features: Path
    """Feature store made by `egoact extract`; must hold all segments."""
    run: Path
    """Run directory to write."""
    validation: Path | None = None
    """Segments CSV to validate on; its features are in the same store."""
    validation_videos: tuple[str, ...] = ()
    """Videos of --segments to keep for validation instead."""
    head: str = DEFAULT_HEAD
    """Temporal head: average, max, lstm, gru, convnet1d, difference, tcn, relation, attention, transformer;
    on maps: convlstm, lsta."""
    head_options: tuple[str, ...] = ()
    """Options of the head, as NAME=VALUE: width=256."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """What to learn; default: what --segments has labels for."""
    labels: Literal["classes", "categories"] = "classes"
    """Classes, or the categories that the class files give for them."""
    classes: Path | None = None
    """Folder with verb_classes.csv and noun_classes.csv; default: classes as in --segments."""
    recipe: str = "default"
    """Set of hyperparameters: default or report. The flags below change single ones."""
    select: Literal["best", "last"] = "best"
    """Which weights to keep: the best epoch on validation data, or the last. Without validation: the last."""
    seed: int = 0
    """Of initial weights, shuffling and dropout."""
    device: str = "auto"
    """auto, cpu or cuda."""
    background: bool = False
    """Also learn what it looks like when nothing happens, from the gaps between segments; needs the whole recordings
    (egoact extract --recordings) and makes egoact predict much better."""
    overwrite: bool = False
    """Replace a run of other settings that is already there."""
    epochs: int | None = None
    """Passes over the training clips."""
    batch_size: int | None = None
    """Clips in a batch."""
    learning_rate: float | None = None
    """Of AdamW, at the start."""
    weight_decay: float | None = None
    """Decoupled, as in AdamW."""
    dropout: float | None = None
    """Before the classifiers."""
    schedule: Literal["constant", "step", "cosine"] | None = None
    """Of the learning rate."""
    loss: Literal["cross_entropy", "focal", "balanced_softmax", "logit_adjustment"] | None = None
    """For each target; the sum is minimised."""
    class_weights: Literal["none", "inverse", "square_root", "effective_number"] | None = None
    """Of the loss, from the class counts."""
    class_balanced_sampling: bool | None = None
    """Draw every class equally often (by the first target)."""
    temperature: float | None = None
    """Of logit adjustment."""
    label_smoothing: float | None = None
    """Share of the target that is spread over all classes."""
    mixup: float | None = None
    """Alpha of mixup on features; 0: none."""
    gradient_clip: float | None = None
    """Largest gradient norm; 0: no clipping."""
    patience: int | None = None
    """Stop after that many epochs without a better validation score; 0: never."""
    ema: float | None = None
    """Decay of the moving average of the weights; 0: none."""

    def __post_init__(self) -> None:
        if self.validation is not None and self.validation_videos:
            raise ValueError("give --validation or --validation-videos, not both")
        if self.head not in HEADS:
            raise ValueError(f"unknown head {self.head!r}; there are {', '.join(HEADS)}")
        self.chosen_recipe()

    def chosen_recipe(self) -> Recipe:
        """The recipe with the changes that flags ask for."""
        return choose_recipe(self.recipe, **{f.name: getattr(self, f.name) for f in fields(Recipe)})


assert set(f.name for f in fields(Recipe)) <= set(f.name for f in fields(TrainSettings)), RECIPES


def train(settings: TrainSettings) -> int:
    """Train and write the run directory; see `TrainSettings`.

    Raises:
        AnnotationError: Labels that cannot be used.
        ArtifactError: Features that are missing or not finite, or a run directory in use.
    """
    recipe = settings.chosen_recipe()
    if is_finished(settings):
        print(f"{settings.run} is already trained with these settings")
        return 0
    table = read_segments(settings.segments)
    training, validation = _split(settings, table)
    vocabularies = _vocabularies(settings, table)
    store = FeatureStore.open(settings.features)
    config = RecognizerConfig(
        head=settings.head,
        head_options=parse_options(settings.head_options),
        vocabularies=vocabularies,
        backbone=backbone_of(store.spec),
        num_frames=store.spec.num_frames,
        dropout=recipe.dropout,
    )
    torch.manual_seed(settings.seed)
    model = config.build()
    train_split = load_split(training, store, vocabularies)
    valid_split = None if validation is None else load_split(validation, store, vocabularies)
    write_settings(settings, recipe, num_parameters=model.num_trainable)
    model.observe(finite_features(store, train_split))
    learner = Learner(model, _losses(recipe, train_split.labels, vocabularies), recipe, seed=settings.seed)
    train_batches = _train_batches(store, train_split, learner, recipe, settings.seed)
    valid_batches = None if valid_split is None else plain_batches(store, valid_split)
    began = time.monotonic()
    try:
        kept = fit(
            learner,
            train_batches,
            valid_batches,
            run=settings.run,
            select_best=settings.select == "best" and valid_batches is not None,
            device=settings.device,
        )
    except NotFiniteError as error:
        names = [train_split.table[i].narration_id for i in error.positions[:3]]
        raise ArtifactError(
            f"{error} (segments {', '.join(names)}, ...); use a smaller --learning-rate or --gradient-clip 1",
            path=settings.run,
        ) from error
    recognizer = Recognizer(config, kept)
    if valid_split is not None:
        metrics = _measure(recognizer, store, valid_split)
        write_json(settings.run / METRICS_NAME, metrics)
    timelines = TimelineTraining(recognizer, store, recipe, run=settings.run, seed=settings.seed)
    timelines.learn(train_split, valid_split, background=settings.background).save(settings.run)
    _report(settings, model, valid_split and metrics, time.monotonic() - began)
    return 0


def parse_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs as keyword arguments; values are read as JSON, else as text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"head options are NAME=VALUE, got {pair!r}")
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        options[name] = tuple(parsed) if isinstance(parsed, list) else parsed
    return options


def _split(settings: TrainSettings, table: SegmentTable) -> tuple[SegmentTable, SegmentTable | None]:
    if settings.validation is not None:
        return table, read_segments(settings.validation)
    if not settings.validation_videos:
        return table, None
    wanted = set(settings.validation_videos)
    unknown = sorted(wanted - set(table.video_ids))
    if unknown:
        raise ValueError(f"--validation-videos: {settings.segments} has no video {unknown[0]!r}")
    training = table.select(lambda segment: segment.video_id not in wanted)
    if not len(training):
        raise ValueError("--validation-videos takes all videos, none is left to train on")
    return training, table.select(lambda segment: segment.video_id in wanted)


def _vocabularies(settings: TrainSettings, table: SegmentTable) -> dict[Target, Vocabulary]:
    found: dict[Target, Vocabulary] = {}
    for target in settings.targets or TARGETS:
        named = build_vocabulary(table, target)
        if named is None:
            if target in settings.targets:
                raise ValueError(f"{settings.segments} has no {target} labels to learn")
            continue
        vocabulary = named if settings.classes is None else read_vocabulary(settings.classes, target)
        found[target] = vocabulary.to_categories()[0] if settings.labels == "categories" else vocabulary
    if not found:
        raise ValueError(f"{settings.segments} has no labels: columns verb, verb_class, noun or noun_class are needed")
    return found


def _train_batches(store: FeatureStore, split: Split, learner: Learner, recipe: Recipe, seed: int) -> ClipBatches:
    odds = None
    if recipe.class_balanced_sampling:
        first = next(iter(split.labels.values()))
        odds = 1.0 / np.bincount(first)[first]
    return ClipBatches(
        store,
        split.rows,
        split.labels,  # type: ignore[arg-type]
        batch_size=recipe.batch_size,
        seed=seed,
        shuffle=True,
        weights=odds,
        epoch=lambda: learner.current_epoch,
    )


def _losses(
    recipe: Recipe, labels: dict[Target, np.ndarray], vocabularies: dict[Target, Vocabulary]
) -> dict[str, torch.nn.Module]:
    losses: dict[str, torch.nn.Module] = {}
    for target, vocabulary in vocabularies.items():
        counts = count_classes(labels[target], num_classes=vocabulary.size)
        weigh = CLASS_WEIGHTS.get(recipe.class_weights)
        losses[target] = TargetLoss(
            recipe.loss,
            class_counts=torch.from_numpy(counts),
            class_weights=None if weigh is None else torch.from_numpy(weigh(counts)),
            label_smoothing=recipe.label_smoothing,
            temperature=recipe.temperature,
        )
    return losses


def _measure(recognizer: Recognizer, store: FeatureStore, split: Split) -> dict[str, Any]:
    return evaluate_scores(score_rows(recognizer, store, split.rows), split.labels)  # type: ignore[arg-type]


def _report(settings: TrainSettings, model: ActionClassifier, metrics: Any, seconds: float) -> None:
    scores = ""
    if metrics:
        shown = [f"{t} {metrics[t]['top1']:.1f}" for t in ("verb", "noun", "action") if t in metrics]
        scores = f"; validation top-1 %: {', '.join(shown)}"
    print(f"trained {settings.head} ({model.num_trainable:,} parameters) in {seconds:.0f} s{scores}; {settings.run}")
