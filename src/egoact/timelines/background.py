"""`egoact train --background`: a second model that also knows what nothing looks like, and how sure to be of it.

It is trained on windows of the training recordings: their actions and the gaps between them. What the decoder is to
believe, and temperatures, are chosen on recordings that were not trained on: the validation recordings, or each in
turn of a few groups of training recordings. Test recordings are never looked at.

A short training on windows of recordings; arrays in, a model out. Seconds, so it needs no checkpoints.

Shapes: N clips, T frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary
from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.core.metrics.calibration import fit_temperature
from egoact.core.timelines.files import timelines_of
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.online_prediction import BACKGROUND_NAME
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineSegment, TimelineTarget
from egoact.core.timelines.viterbi import Floats
from egoact.models.classifier import ActionClassifier
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.timelines.rules import learn_rules, tracks_of
from egoact.timelines.windows import Interval, WindowDataset, find_gaps, score_steps, score_windows
from egoact.training.recipes import Recipe

MOST_FOLDS = 4
MOST_TUNING_VIDEOS = 20
WEIGHTS = (0.4, 0.8, 1.5, 2.5)  # of scores against the grammar
SHORTEST = (0.5, 1.0)  # of what nine tenths of the segments last


@dataclass(frozen=True)
class BackgroundTraining:
    """What all trainings of this kind have in common.

    Args:
        config: Of the run.
        recipe: Hyperparameters.
        store: Features of whole recordings.
        seed: Of initial weights and windows.
    """

    config: RecognizerConfig
    recipe: Recipe
    store: FeatureStore
    seed: int

    @cached_property
    def recordings(self) -> Recordings:
        """Those that are in the store from beginning to end."""
        return Recordings(self.store)

    @property
    def vocabularies(self) -> Mapping[Target, Vocabulary]:
        """Of the run, without background."""
        return self.config.vocabularies

    def fit(self, table: SegmentTable) -> Recognizer:
        """Train on the recordings of a table.

        Raises:
            ArtifactError: Some were not extracted.
        """
        missing = [video for video in table.video_ids if video not in self.recordings]
        if missing:
            raise ArtifactError(
                f"{len(missing)} recordings such as {missing[0]} are not in the feature store as a whole; run egoact "
                "extract without --segments, or with --recordings",
                path=self.store.path,
            )
        ids = {t: v.encode(table, allow_unlabelled=False) for t, v in self.vocabularies.items()}
        rate = self.recordings.rate
        tracks = tracks_of(table, np.ones(len(table), dtype=np.int64), rate=rate)
        gaps = find_gaps(tracks, {video: len(self.recordings[video]) for video in tracks}, rate=rate)
        if not gaps:
            raise AnnotationError("--background: these recordings have no gaps between their actions", path=table.path)
        dataset = WindowDataset(
            self.recordings,
            [Interval(segment.video_id, segment.start_seconds, segment.stop_seconds) for segment in table],
            gaps,
            num_frames=self.config.num_frames,
            rate=rate,
            seed=self.seed,
        )
        # Background is the last class of every target.
        labels: dict[str, np.ndarray] = {
            t: np.append(i, np.full(dataset.num_background, self.vocabularies[t].size)) for t, i in ids.items()
        }
        vocabularies = {t: _with_background(v) for t, v in self.vocabularies.items()}
        # A joint classifier's pairs count in classes without background.
        config = replace(self.config, vocabularies=vocabularies, training_counts={}, pairs=())
        torch.manual_seed(self.seed)
        return Recognizer(config, learn_windows(config.build(), dataset, labels, recipe=self.recipe, seed=self.seed))


def train_background(
    training: BackgroundTraining, table: SegmentTable, validation: SegmentTable | None
) -> tuple[Recognizer, TimelineRules]:
    """Train the background model of a run, and choose how its scores become actions.

    Args:
        training: What is trained on.
        table: Training segments.
        validation: Segments of other recordings, or None; those that were not extracted as a whole are left out.

    Returns:
        The model, and the rules.
    """
    model = training.fit(table)
    rules = learn_rules(table, training.vocabularies, rate=training.recordings.rate)
    held_out: list[_HeldOut] = []
    videos = [] if validation is None else [v for v in validation.video_ids if v in training.recordings]
    if validation is not None and videos:
        held_out = _hold_out(training, model, table, validation, videos)
    else:
        for fold in _folds(table):
            rest = table.select(lambda segment, fold=fold: segment.video_id not in fold)  # type: ignore[misc]
            held_out += _hold_out(training, training.fit(rest), rest, table, fold)
    rules = replace(rules, has_background=True)
    if held_out:
        shortest, weight = _choose(held_out, training.vocabularies, rules.rate)
        chosen = learn_rules(table, training.vocabularies, rate=rules.rate, shortest=shortest)
        rules = replace(rules, grammar=chosen.grammar, weight=weight, temperature=_temperatures(held_out))
    return model, rules


@dataclass(frozen=True)
class _HeldOut:
    """A recording, and what a model that has not seen it says of it.

    Args:
        scores: Target -> log probabilities of every step.
        logits: Target -> logits of its labelled segments.
        labels: Target -> their classes.
        truth: The labelled segments.
        seen: What the model was trained on.
    """

    scores: dict[str, Floats]
    logits: dict[str, np.ndarray]
    labels: dict[Target, np.ndarray]
    truth: Timeline
    seen: SegmentTable


def _folds(table: SegmentTable) -> list[list[str]]:
    videos = list(table.video_ids)
    number = min(MOST_FOLDS, len(videos))
    return [videos[first::number] for first in range(number)] if number > 1 else []


def _hold_out(
    training: BackgroundTraining, model: Recognizer, seen: SegmentTable, labelled: SegmentTable, videos: Sequence[str]
) -> list[_HeldOut]:
    rules = learn_rules(seen, training.vocabularies, rate=training.recordings.rate)
    held_out = []
    for video in videos[:MOST_TUNING_VIDEOS]:
        features = training.recordings[video]
        table = labelled.select([segment.video_id == video for segment in labelled])
        starts, stops = (np.array([getattr(s, f"{edge}_seconds") for s in table]) for edge in ("start", "stop"))
        truth = _true_timeline(table, training.vocabularies)
        held_out.append(
            _HeldOut(
                scores=score_steps(model, features, rate=rules.rate, window_seconds=rules.window_seconds),
                logits=score_windows(model, features, starts, stops, rate=rules.rate),
                labels={t: v.encode(table, allow_unlabelled=False) for t, v in training.vocabularies.items()},
                truth=replace(truth, duration_seconds=max(len(features) / rules.rate, truth.last_stop_seconds)),
                seen=seen,
            )
        )
    return held_out


def _temperatures(held_out: Sequence[_HeldOut]) -> dict[str, float]:
    return {
        target: fit_temperature(
            np.concatenate([held.logits[target] for held in held_out]),
            np.concatenate([held.labels[target] for held in held_out]),
        )
        for target in held_out[0].labels
    }


def _choose(held_out: Sequence[_HeldOut], vocabularies: Mapping[Target, Vocabulary], rate: int) -> tuple[float, float]:
    """The shortest duration and the weight of scores that do best on recordings that were not trained on."""
    target: TimelineTarget = "action" if len(vocabularies) > 1 else next(iter(vocabularies))
    truth = {held.truth.video_id: held.truth for held in held_out}
    found: dict[tuple[float, float], float] = {}
    for shortest in SHORTEST:
        rules = {
            id(held.seen): replace(
                learn_rules(held.seen, vocabularies, rate=rate, shortest=shortest), has_background=True
            )
            for held in held_out
        }
        for weight in WEIGHTS:
            answers = {
                held.truth.video_id: _timeline_of(held, replace(rules[id(held.seen)], weight=weight), vocabularies)
                for held in held_out
            }
            metrics = evaluate_timelines(answers, truth, targets=[target], rate=rate)[target]
            found[shortest, weight] = metrics["f1"]["25"] + metrics["frame_accuracy"]
    return max(found, key=lambda choice: found[choice])


def _timeline_of(held: _HeldOut, rules: TimelineRules, vocabularies: Mapping[Target, Vocabulary]) -> Timeline:
    segments = []
    for start, stop, action in rules.find_actions(held.scores):
        names = {t: vocabularies[t].names[i] for t, i in zip(vocabularies, action, strict=True)}
        times = (start / rules.rate, stop / rules.rate)
        segments.append(TimelineSegment(*times, names.get("verb"), names.get("noun")))
    return Timeline(held.truth.video_id, tuple(segments), held.truth.duration_seconds)


def _true_timeline(table: SegmentTable, vocabularies: Mapping[Target, Vocabulary]) -> Timeline:
    ids = {target: v.encode(table, allow_unlabelled=False) for target, v in vocabularies.items()}

    def names(position: int, segment: Segment) -> tuple[str | None, str | None]:
        verb, noun = (
            vocabularies[target].names[ids[target][position]] if target in vocabularies else None for target in TARGETS
        )
        return verb, noun

    return next(iter(timelines_of(table, names=names).values()))


def _with_background(vocabulary: Vocabulary) -> Vocabulary:
    return Vocabulary(vocabulary.target, (*vocabulary.names, BACKGROUND_NAME))


class ClipDataset(Protocol):
    """Clips by number, each in as many variants as there are epochs."""

    def gather(self, rows: np.ndarray, *, views: int | np.ndarray) -> np.ndarray:
        """Features, float16 (N, T, ...)."""


def learn_windows(
    model: ActionClassifier,
    dataset: ClipDataset,
    labels: Mapping[str, np.ndarray],
    *,
    recipe: Recipe,
    seed: int,
    most_steps: int = 6000,
) -> ActionClassifier:
    """Train on every clip once an epoch, in another variant each time, with AdamW and a cosine schedule.

    Of a recipe it takes epochs, batch size, learning rate, weight decay, label smoothing and gradient clipping.

    Args:
        model: Not trained yet.
        dataset: What to train on.
        labels: Target -> int64 (N,).
        recipe: Hyperparameters.
        seed: Of the order, and of dropout.
        most_steps: Fewer epochs, where they would be more steps than this.

    Returns:
        The model, in eval mode.
    """
    num_clips = len(next(iter(labels.values())))
    num_batches = -(-num_clips // recipe.batch_size)
    num_epochs = max(1, min(recipe.epochs, most_steps // num_batches))
    model.observe(
        torch.from_numpy(dataset.gather(np.arange(first, min(first + 256, num_clips)), views=0)).float()
        for first in range(0, min(num_clips, 16 * 256), 256)
    )
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_epochs * num_batches)
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model.train()
    for epoch in range(num_epochs):
        order = generator.permutation(num_clips)
        for rows in np.array_split(order, num_batches):
            logits = model(torch.from_numpy(dataset.gather(rows, views=epoch)).float())
            loss = torch.stack(
                [
                    functional.cross_entropy(
                        values, torch.from_numpy(labels[target][rows]), label_smoothing=recipe.label_smoothing
                    )
                    for target, values in logits.items()
                ]
            ).sum()
            optimizer.zero_grad()
            loss.backward()
            if recipe.gradient_clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.step()
    return model.eval()
