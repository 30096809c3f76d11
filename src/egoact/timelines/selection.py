"""How a segmenter's scores become actions, chosen on recordings that were held out from its training.

Decoder, durations, the weight of the scores and how sure to be of each action: on the validation recordings or, without
any, on groups of training recordings that are left out in turn. Test recordings are never looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.calibration import expected_calibration_error
from egoact.core.timelines.metrics import evaluate_timelines, temporal_overlaps
from egoact.core.timelines.rules import Decoder, TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineTarget
from egoact.timelines.dense import name_actions
from egoact.timelines.rules import learn_rules
from egoact.timelines.segmenter_training import HeldOut

SHORTEST = (0.5, 1.0)  # of what nine tenths of the segments last
WEIGHTS = (0.2, 0.4, 0.8, 1.5, 2.5, 4.0, 6.0)  # of scores against the grammar
HIT = 0.25  # overlap with a true action of the same name, from which on an action counts as right


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
