"""EPIC-KITCHENS' measures of anticipation and detection, once more and plainly: lists and dicts in, percentages out.

Written from the challenge's definitions (arXiv:2006.13256, sections 4.3 and 4.5), to check our measures against.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

ClassScores = Mapping[int, float]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """A segment of the anticipation challenge: its truth, and what was answered."""

    participant: str
    verb: int
    noun: int
    verb_scores: ClassScores
    noun_scores: ClassScores


def published_anticipation(
    segments: Sequence[Asked], *, unseen: Iterable[str], tail_verbs: Iterable[int], tail_nouns: Iterable[int]
) -> dict[str, dict[str, float]]:
    """{"all": {"verb", "noun", "action"}, "unseen": {...}, "tail": {...}}, class-mean top-5 recall in percent."""
    ranked = []
    for segment in segments:
        actions = best_actions(segment.verb_scores, segment.noun_scores)
        ranked.append((best(segment.verb_scores, 5), best(segment.noun_scores, 5), best(actions, 5)))
    unseen, tail_verbs, tail_nouns = set(unseen), set(tail_verbs), set(tail_nouns)
    is_in = {
        "all": lambda segment: (True, True, True),
        "unseen": lambda segment: (segment.participant in unseen,) * 3,
        "tail": lambda segment: (
            segment.verb in tail_verbs,
            segment.noun in tail_nouns,
            segment.verb in tail_verbs or segment.noun in tail_nouns,
        ),
    }
    measured: dict[str, dict[str, float]] = {}
    for part, belongs in is_in.items():
        measured[part] = {}
        for number, target in enumerate(("verb", "noun", "action")):
            hits: dict[object, list[bool]] = defaultdict(list)
            for segment, answers in zip(segments, ranked, strict=True):
                true = (segment.verb, segment.noun, (segment.verb, segment.noun))[number]
                if belongs(segment)[number]:
                    hits[true].append(true in answers[number])
            recalls = [sum(of_class) / len(of_class) for of_class in hits.values()]
            measured[part][target] = 100 * sum(recalls) / len(recalls)
    return measured


def best(scores: Mapping, count: int) -> list:
    """The keys with the highest scores, best first."""
    return nlargest(count, scores, key=scores.__getitem__)


def best_actions(verb_scores: ClassScores, noun_scores: ClassScores) -> dict[Pair, float]:
    """The hundred best products of probabilities among the 100 best verbs and the 100 best nouns."""
    verbs, nouns = (softmax({key: scores[key] for key in best(scores, 100)}) for scores in (verb_scores, noun_scores))
    products = {(verb, noun): p * q for verb, p in verbs.items() for noun, q in nouns.items()}
    return {pair: products[pair] for pair in best(products, 100)}


def softmax(scores: ClassScores) -> dict[int, float]:
    """Probabilities in proportion to the exponentials."""
    highest = max(scores.values())
    exponentials = {key: math.exp(value - highest) for key, value in scores.items()}
    total = sum(exponentials.values())
    return {key: value / total for key, value in exponentials.items()}


@dataclass(frozen=True)
class Found:
    """A segment of the detection challenge, true or answered; the score of a true one does not matter."""

    video: str
    start: float
    stop: float
    verb: int
    noun: int
    score: float = 1.0

    def label(self, target: str) -> int:
        """The class by which this target is matched."""
        return {"verb": self.verb, "noun": self.noun, "action": self.verb * 300 + self.noun}[target]


def published_detection(answers: Sequence[Found], truth: Sequence[Found], target: str) -> dict[float, float]:
    """Mean average precision in percent at each tIoU from 0.1 to 0.5."""
    measured = {}
    for tiou in (0.1, 0.2, 0.3, 0.4, 0.5):
        precisions = []
        for label in {segment.label(target) for segment in truth}:
            wanted = [segment for segment in truth if segment.label(target) == label]
            found = [answer for answer in answers if answer.label(target) == label]
            precisions.append(published_average_precision(found, wanted, tiou))
        measured[tiou] = 100 * sum(precisions) / len(precisions)
    return measured


def published_average_precision(found: Sequence[Found], wanted: Sequence[Found], tiou: float) -> float:
    """Area under the interpolated curve of precision over recall, by its corners (Pascal VOC 2011)."""
    taken: set[int] = set()
    corners = [(0.0, 0.0)]
    true_positives = 0
    for number, answer in enumerate(sorted(found, key=lambda answer: answer.score, reverse=True), 1):
        candidates = [i for i, segment in enumerate(wanted) if segment.video == answer.video]
        for i in sorted(candidates, key=lambda i: intersection_over_union(answer, wanted[i]), reverse=True):
            if intersection_over_union(answer, wanted[i]) < tiou:
                break
            if i not in taken:
                taken.add(i)
                true_positives += 1
                break
        corners.append((true_positives / len(wanted), true_positives / number))
    area = 0.0
    for i in range(1, len(corners)):
        area += (corners[i][0] - corners[i - 1][0]) * max(precision for _, precision in corners[i:])
    return area


def intersection_over_union(one: Found, other: Found) -> float:
    """What two stretches of time have in common, as a share of what they cover."""
    shared = max(0.0, min(one.stop, other.stop) - max(one.start, other.start))
    return shared / (one.stop - one.start + other.stop - other.start - shared)
