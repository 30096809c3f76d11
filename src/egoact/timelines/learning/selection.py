"""How a segmenter's scores become actions, chosen on recordings that were held out from its training.

Decoder, weight of scores, what is taken off background, what a change is worth, and how sure to be of each action: on
the validation recordings or, without any, on groups of training recordings that are left out in turn. Test recordings
are never looked at. The better half of all ways is kept, since few recordings cannot tell which is the best.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.calibration import expected_calibration_error
from egoact.core.metrics.detection import temporal_overlaps
from egoact.core.timelines.metrics import FrameCounts, evaluate_timelines, frame_pair, measure_frames
from egoact.core.timelines.rules import Consensus, Decoding, TimelineRules
from egoact.core.timelines.timeline import TIMELINE_TARGETS, Timeline, TimelineTarget, shift
from egoact.core.timelines.viterbi import Floats
from egoact.timelines.learning.segmenter_training import HeldOut, learn_rules
from egoact.timelines.segmenter import name_actions

WEIGHTS = (0.4, 0.8, 1.5, 2.5, 4.0)  # of scores against the grammar
BACKGROUND_PENALTIES = (0.0, 0.5, 1.0, 1.5)
CHANGE_BONUSES = (0.0, 2.0)
_QUARTERS = 4
HIT = 0.25  # overlap with a true action of the same name, from which on an action counts as right

DECODINGS: tuple[Decoding, ...] = (
    Decoding("argmax"),
    *(Decoding("viterbi", *numbers) for numbers in product(WEIGHTS, BACKGROUND_PENALTIES, CHANGE_BONUSES)),
)
KEPT = len(DECODINGS) // 2


class RuleSelection:
    """What every decoding makes of held-out recordings; each is decoded once, however often is chosen.

    There may be none of these; `table` is what the run is trained on, at `rate` steps a second.
    """

    def __init__(
        self, held_out: Sequence[HeldOut], table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int
    ) -> None:
        self._table, self._vocabularies, self._rate = table, vocabularies, rate
        self._truth = [replace(held.truth, video_id=str(number)) for number, held in enumerate(held_out)]
        self._held_out = held_out
        seen = {id(held.seen): self._rules_of(held.seen) for held in held_out}
        self._rules = [seen[id(held.seen)] for held in held_out]
        self._answers = [Consensus(r.answers(held.scores)) for r, held in zip(self._rules, held_out, strict=True)]
        self._alone = [self._count(number) for number in range(len(held_out))]

    def rules(self) -> TimelineRules:
        """How scores become actions: what does best on the held-out recordings, and how sure to be of each action."""
        rules = self._rules_of(self._table)
        if not self._truth:
            return replace(rules, decodings=(Decoding(),))
        everything = range(len(self._truth))
        ways = self._best(everything)
        sure = fit_confidence(*self._judge([self._timeline(number, ways) for number in everything]))
        return replace(rules, decodings=tuple(DECODINGS[way] for way in ways), confidence=sure)

    def measure(self) -> dict[str, Any]:
        """As `evaluate_timelines`, and the calibration error of confidences in percent; empty without any recordings.

        What is chosen on the held-out recordings is chosen anew for each quarter of them, on the others.
        """
        if not any(map(len, self._truth)):
            return {}
        truth = {timeline.video_id: timeline for timeline in self._truth}
        targets = [t for t in TIMELINE_TARGETS if t in self._vocabularies or len(self._vocabularies) > 1]
        measured = evaluate_timelines(self._found, truth, targets=targets)
        said, right = self._judge(self._found.values())
        error = expected_calibration_error(np.array(said), np.array(right, dtype=bool))
        return measured | {"calibration_error": 100 * error}

    def timelines(self) -> dict[str, tuple[Timeline, Timeline]]:
        """Held-out recording -> what was found in it and what is true, as `measure` compares them.

        Of a recording that was held out in parts, what is in any of them.
        """
        sides: dict[str, list[tuple[Timeline, Timeline]]] = {}
        for number, held in enumerate(self._held_out):
            video_id, begin = held.truth.video_id, held.begin_seconds
            found, true = (
                replace(shift(part, -begin, duration=part.end_seconds + begin), video_id=video_id)
                for part in (self._found[str(number)], self._truth[number])
            )
            sides.setdefault(video_id, []).append((found, true))
        return {v: (_join([p[0] for p in parts]), _join([p[1] for p in parts])) for v, parts in sides.items()}

    @cached_property
    def _found(self) -> dict[str, Timeline]:
        """What is found in held-out recordings, by number, with decodings chosen without them."""
        numbers = range(len(self._truth))
        found: dict[str, Timeline] = {}
        for first in range(min(_QUARTERS, len(numbers))):
            part = numbers[first::_QUARTERS]
            others = [number for number in numbers if number not in part] or numbers
            ways = self._best(others)
            sure = fit_confidence(*self._judge([self._timeline(number, ways) for number in others]))
            for number in part:
                answered = self._timeline(number, ways)
                line = replace(self._rules[number], confidence=sure)
                segments = tuple(replace(s, confidence=line.true_share(s.confidence)) for s in answered)
                found[str(number)] = replace(answered, segments=segments)
        return found

    def _timeline(self, number: int, ways: Sequence[int]) -> Timeline:
        """What some of the decodings agree on in a held-out recording."""
        scores, spans = self._held_out[number].scores, self._answers[number].of(ways)
        return name_actions(scores, self._rules[number], self._vocabularies, video_id=str(number), spans=spans)[0]

    def _rules_of(self, table: SegmentTable) -> TimelineRules:
        return replace(learn_rules(table, self._vocabularies, rate=self._rate), decodings=DECODINGS)

    def _best(self, numbers: Sequence[int]) -> list[int]:
        """The better half of the decodings, the best first."""
        return sorted(range(len(DECODINGS)), key=lambda way: -self._quality(way, numbers))[:KEPT]

    def _quality(self, way: int, numbers: Sequence[int]) -> float:
        """Sum of frame accuracy, edit score and F1 at the three overlaps."""
        measured = measure_frames([self._alone[number][way] for number in numbers])
        return float(measured["frame_accuracy"] + measured["edit"] + sum(measured["f1"].values()))

    def _count(self, number: int) -> list[FrameCounts]:
        """What is right in a held-out recording by each of the decodings alone, many of which find the same."""
        target: TimelineTarget = "action" if len(self._vocabularies) > 1 else next(iter(self._vocabularies))
        answers = [tuple(self._answers[number].of([way])) for way in range(len(DECODINGS))]
        counts = {
            spans: FrameCounts.of(*frame_pair(self._timeline(number, [way]), self._truth[number], target, self._rate))
            for spans, way in {spans: way for way, spans in enumerate(answers)}.items()
        }
        return [counts[spans] for spans in answers]

    def _judge(self, found: Collection[Timeline]) -> tuple[list[float], list[bool]]:
        """What was said of every action, and whether it is right."""
        said = [segment.confidence for timeline in found for segment in timeline]
        right = [hit for timeline in found for hit in hits(timeline, self._truth[int(timeline.video_id)])]
        return said, right


def _join(parts: Sequence[Timeline]) -> Timeline:
    """Parts of a recording as one."""
    segments = sorted((s for part in parts for s in part), key=lambda s: s.start_seconds)
    return Timeline(parts[0].video_id, tuple(segments), max(part.end_seconds for part in parts))


def flat_measures(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What `evaluate_timelines` gives, as target -> measure -> percent: frame_accuracy, edit, f1_10, ..., mean of all.

    Nothing that was measured is a `ValueError`.
    """
    targets = [target for target in TIMELINE_TARGETS if target in measured]
    if not targets:
        raise ValueError("none of the recordings that were left out has an action; there is nothing to judge by")
    found: dict[str, Any] = {"num_segments": measured["num_segments"]}
    for target in targets:
        part = measured[target]
        flat = {"frame_accuracy": part["frame_accuracy"], "edit": part["edit"]}
        flat |= {f"f1_{overlap}": value for overlap, value in part["f1"].items()}
        found[target] = flat | {"mean": sum(flat.values()) / len(flat)}
    return found


def fit_confidence(said: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression from what was said of actions to whether they are right.

    Source: Platt, Probabilistic outputs for support vector machines, 1999.
    """
    if not 0 < sum(right) < len(right):
        return (1.0, 0.0)
    clipped = np.clip(said, 1e-3, 1 - 1e-3)
    odds, wanted = np.log(clipped / (1 - clipped)), np.array(right, dtype=np.float64)
    design = np.stack([odds, np.ones_like(odds)], 1)

    def loss(line: Floats) -> float:  # pulled a little towards the line of no change
        said = design @ line
        return float(np.logaddexp(0, said).sum() - wanted @ said + np.square(line - [1.0, 0.0]).sum() / 2)

    line: Floats = np.array([1.0, 0.0])
    for _ in range(50):  # Newton's method; where nearly all are right, a whole step of it may lead astray
        share = 1 / (1 + np.exp(-design @ line))
        slope = design.T @ (share - wanted) + (line - [1.0, 0.0])
        curvature = (design * (share * (1 - share))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(curvature, slope)
        while loss(line - step) > loss(line) and np.abs(step).max() > 1e-9:
            step = step / 2
        line = line - step
    if line[0] <= 0:  # what the model is surer of is not right more often
        return (0.0, float(np.log(wanted.mean() / (1 - wanted.mean()))))
    return (float(line[0]), float(line[1]))


def hits(found: Timeline, truth: Timeline, *, overlap: float = HIT) -> list[bool]:
    """Of every action that was found, whether it overlaps a true one of its name by `overlap` (a share of both)."""
    answers = []
    for segment in found:
        spans = [t.span for t in truth if (t.verb, t.noun) == (segment.verb, segment.noun)]
        answers.append(bool(temporal_overlaps(*segment.span, spans).max(initial=0.0) >= overlap))
    return answers
