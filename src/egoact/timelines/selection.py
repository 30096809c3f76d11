"""Training a segmenter on recordings, with what cannot be learned by it chosen on recordings that were held out.

How scores become actions (decoder, durations, weight of the scores), and how sure to be of them, is chosen on the
validation recordings or, without any, on groups of training recordings that are left out in turn. Test recordings are
never looked at.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.calibration import expected_calibration_error
from egoact.core.timelines.files import timelines_of
from egoact.core.timelines.metrics import evaluate_timelines, temporal_overlaps
from egoact.core.timelines.rules import Decoder, TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineTarget
from egoact.core.timelines.viterbi import Floats
from egoact.models.segmenters import NETWORKS, DenseModel, LinearDesign, LinearSegmenter
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter
from egoact.timelines.dense import name_actions
from egoact.timelines.rules import learn_rules
from egoact.training.segmentation.fit import fit_segmenter
from egoact.training.segmentation.recipe import SegmenterRecipe
from egoact.training.segmentation.recordings import LabelledStretch, design_linear, fit_narrow

MOST_FOLDS = 4
MOST_TUNING_VIDEOS = 40
SHORTEST = (0.5, 1.0)  # of what nine tenths of the segments last
WEIGHTS = (0.2, 0.4, 0.8, 1.5, 2.5, 4.0, 6.0)  # of scores against the grammar
HIT = 0.25  # overlap with a true action of the same name, from which on an action counts as right


@dataclass(frozen=True)
class SegmenterTraining:
    """What all trainings of a run have in common.

    Args:
        config: Of the run.
        recipe: Hyperparameters of networks.
        stretches: The training recordings.
        seed: Of initial weights, and of the order and warps of recordings.
        advance: Called with numbers of updates as they are done.
    """

    config: SegmenterConfig
    recipe: SegmenterRecipe
    stretches: Sequence[LabelledStretch]
    seed: int
    advance: Callable[[int], None] = lambda _: None

    def fit(self, *, without: Collection[str] = (), members: int | None = None) -> TrainedSegmenter:
        """Train.

        Args:
            without: Recordings that are left out.
            members: Of a network: how many; None: as many as the run has.

        Raises:
            ArtifactError: Features that are not finite.
        """
        config = replace(self.config, members=members or self.config.members)
        if config.segmenter not in NETWORKS:
            chosen = [number for number, each in enumerate(self.stretches) if each.video_id not in without]
            linear = self._design.fit(chosen)
            self.advance(1)
            return TrainedSegmenter(config, linear)
        stretches = [each for each in self.stretches if each.video_id not in without]
        torch.manual_seed(self.seed)
        model = config.build()
        assert isinstance(model, DenseModel)
        fit_narrow(model.narrow, stretches, seed=self.seed)
        examples = [e for each in stretches for e in each.examples(model.narrow, stride=config.stride)]
        for number, member in enumerate(model.segmenters):
            seed = self.seed + 1000 * number
            model.members[number] = fit_segmenter(
                member, examples, sizes=config.sizes, recipe=self.recipe, seed=seed, advance=self.advance
            )
        return TrainedSegmenter(config, model)

    @property
    def num_folds(self) -> int:
        """Groups of recordings that `hold_out` leaves out in turn; none of a single recording."""
        num_videos = len({each.video_id for each in self.stretches})
        return min(MOST_FOLDS, num_videos) if num_videos > 1 else 0

    def hold_out(self, table: SegmentTable) -> Iterator["HeldOut"]:
        """Every training recording, answered by a segmenter of one member that was trained on others."""
        videos = list(dict.fromkeys(each.video_id for each in self.stretches))
        for first in range(self.num_folds):
            fold = videos[first :: self.num_folds]
            fitted = self.fit(without=fold, members=1)
            seen = table.select(lambda segment, fold=fold: segment.video_id not in fold)  # type: ignore[misc]
            yield from answer_held_out(fitted, [each for each in self.stretches if each.video_id in fold], table, seen)

    def count_updates(self, num_folds: int) -> int:
        """How often `advance` will be called: for the folds, and for the run."""
        is_linear = self.config.segmenter not in NETWORKS
        return num_folds + 1 if is_linear else self.recipe.updates * (num_folds + self.config.members)

    @cached_property
    def _design(self) -> LinearDesign:
        model = self.config.build()
        assert isinstance(model, LinearSegmenter)
        return design_linear(model, self.stretches, stride=self.config.stride, seed=self.seed)


@dataclass(frozen=True)
class HeldOut:
    """A recording, and what a segmenter that has not seen it says of it.

    Args:
        scores: Target -> log-probabilities of every step, background last.
        truth: The labelled actions.
        seen: What the segmenter was trained on.
    """

    scores: Mapping[str, Floats]
    truth: Timeline
    seen: SegmentTable


def answer_held_out(
    fitted: TrainedSegmenter, stretches: Sequence[LabelledStretch], table: SegmentTable, seen: SegmentTable
) -> Iterator[HeldOut]:
    """What a segmenter says of recordings that it was not trained on; of parts of recordings, of each part."""
    config = fitted.config
    rate = config.rate / config.stride
    for each in stretches[:MOST_TUNING_VIDEOS]:
        steps = np.arange(0, len(each.stretch), config.stride)
        begin = each.stretch.first_step / config.rate
        end = begin + len(steps) / rate
        inside = table.select(
            lambda s, v=each.video_id, a=begin, b=end: s.video_id == v and s.stop_seconds > a and s.start_seconds < b  # type: ignore[misc]
        )
        if not len(inside):
            continue
        truth = shift(true_timeline(inside, config.vocabularies), begin, duration=len(steps) / rate)
        yield HeldOut(fitted.score(each.stretch[steps]), truth, seen)


def choose_rules(
    held_out: Sequence[HeldOut], table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int
) -> TimelineRules:
    """How scores become actions: what does best on held-out recordings, and how sure to be of each action.

    Args:
        held_out: May be empty: then nothing is chosen.
        table: What the run is trained on.
        vocabularies: Target -> classes.
        rate: Steps that are looked at a second.
    """
    base = replace(learn_rules(table, vocabularies, rate=rate), has_background=True, window_seconds=())
    if not held_out:
        return base
    chosen = max(_candidates(), key=lambda choice: _quality(held_out, vocabularies, rate, choice))
    rules = _with(base, table, vocabularies, chosen)
    said, right = [], []
    for held, found in zip(held_out, _answers(held_out, vocabularies, rate, chosen), strict=True):
        said += [segment.confidence for segment in found]
        right += hits(found, held.truth)
    return replace(rules, confidence=_fit_confidence(said, right))


def measure_held_out(
    held_out: Sequence[HeldOut], table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int
) -> dict[str, Any]:
    """As `evaluate_timelines`, and the calibration error of confidences in percent; empty without held-out recordings.

    What was chosen on the held-out recordings is chosen anew for each, without it, so that it flatters nothing.
    """
    found: dict[str, Timeline] = {}
    truth: dict[str, Timeline] = {}
    for number, held in enumerate(held_out):
        others = [other for other in held_out if other is not held]
        rules = choose_rules(others, held.seen, vocabularies, rate=rate)
        found[str(number)] = name_actions(held.scores, rules, vocabularies, video_id=str(number))[0]
        truth[str(number)] = replace(held.truth, video_id=str(number))
    if not any(map(len, truth.values())):
        return {}
    every: list[TimelineTarget] = [*vocabularies, "action"] if len(vocabularies) > 1 else [*vocabularies]
    confidences = np.array([segment.confidence for timeline in found.values() for segment in timeline])
    right = np.array([hit for name, timeline in found.items() for hit in hits(timeline, truth[name])], dtype=bool)
    error = 100 * expected_calibration_error(confidences, right)
    return evaluate_timelines(found, truth, targets=every) | {"calibration_error": error}


Choice = tuple[Decoder, float, float]


def _candidates() -> list[Choice]:
    found: list[Choice] = [("viterbi", shortest, weight) for shortest in SHORTEST for weight in WEIGHTS]
    return [("argmax", SHORTEST[0], 1.0), *found]


def _with(
    rules: TimelineRules,
    table: SegmentTable,
    vocabularies: Mapping[Target, Vocabulary],
    choice: Choice,
) -> TimelineRules:
    decoder, shortest, weight = choice
    grammar = learn_rules(table, vocabularies, rate=rules.rate, shortest=shortest).grammar
    return replace(rules, grammar=grammar, weight=weight, decoder=decoder)


def _answers(
    held_out: Sequence[HeldOut], vocabularies: Mapping[Target, Vocabulary], rate: int, choice: Choice
) -> list[Timeline]:
    rules: dict[int, TimelineRules] = {}
    for held in held_out:
        if id(held.seen) not in rules:
            base = learn_rules(held.seen, vocabularies, rate=rate)
            rules[id(held.seen)] = _with(replace(base, has_background=True), held.seen, vocabularies, choice)
    return [
        name_actions(held.scores, rules[id(held.seen)], vocabularies, video_id=str(number))[0]
        for number, held in enumerate(held_out)
    ]


def _quality(
    held_out: Sequence[HeldOut], vocabularies: Mapping[Target, Vocabulary], rate: int, choice: Choice
) -> float:
    """Sum of frame accuracy, edit score and F1 at the three overlaps."""
    target: TimelineTarget = "action" if len(vocabularies) > 1 else next(iter(vocabularies))
    found = {str(i): timeline for i, timeline in enumerate(_answers(held_out, vocabularies, rate, choice))}
    truth = {str(i): replace(held.truth, video_id=str(i)) for i, held in enumerate(held_out)}
    measured = evaluate_timelines(found, truth, targets=[target], rate=rate)[target]
    return float(measured["frame_accuracy"] + measured["edit"] + sum(measured["f1"].values()))


def _fit_confidence(said: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of logistic regression on whether actions of held-out recordings are right (Platt 1999)."""
    if not 0 < sum(right) < len(right):
        return (1.0, 0.0)
    clipped = np.clip(said, 1e-3, 1 - 1e-3)
    odds, wanted = np.log(clipped / (1 - clipped)), np.array(right, dtype=np.float64)
    line = np.array([1.0, 0.0])
    design = np.stack([odds, np.ones_like(odds)], 1)
    for _ in range(50):  # Newton's method, with a little of the line of no change
        share = 1 / (1 + np.exp(-design @ line))
        slope = design.T @ (share - wanted) + (line - [1.0, 0.0])
        curvature = (design * (share * (1 - share))[:, None]).T @ design + np.eye(2)
        line = line - np.linalg.solve(curvature, slope)
    return (float(max(line[0], 0.0)), float(line[1]))


def hits(found: Timeline, truth: Timeline, *, overlap: float = HIT) -> list[bool]:
    """Of every action that was found, whether it overlaps a true one of its name by `overlap` (a share of both)."""
    answers = []
    for segment in found:
        spans = [(t.start_seconds, t.stop_seconds) for t in truth if (t.verb, t.noun) == (segment.verb, segment.noun)]
        best = temporal_overlaps(segment.start_seconds, segment.stop_seconds, spans).max() if spans else 0.0
        answers.append(bool(best >= overlap))
    return answers


def true_timeline(table: SegmentTable, vocabularies: Mapping[Target, Vocabulary]) -> Timeline:
    """The labels of one recording, by the names of their classes."""
    ids = {target: v.encode(table) for target, v in vocabularies.items()}

    def name(target: Target, position: int) -> str | None:
        known = target in ids and ids[target][position] >= 0
        return vocabularies[target].names[ids[target][position]] if known else None

    made = timelines_of(table, names=lambda position, _: (name("verb", position), name("noun", position)))
    return next(iter(made.values()))


def shift(timeline: Timeline, seconds: float, *, duration: float) -> Timeline:
    """The same as seen from a later beginning, and up to an end."""
    moved = []
    for segment in timeline:
        start, stop = segment.start_seconds - seconds, segment.stop_seconds - seconds
        if stop > 0 and start < duration:
            moved.append(replace(segment, start_seconds=max(start, 0.0), stop_seconds=min(stop, duration)))
    return replace(timeline, segments=tuple(moved), duration_seconds=duration)
