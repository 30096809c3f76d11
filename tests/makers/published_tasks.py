"""EPIC-KITCHENS' measures of anticipation, once more and plainly: dicts of scores in, percentages out.

Written from the challenge's definitions (arXiv:2006.13256, sections 4.3 and 4.5), to check our measures against.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    return sorted(scores, key=lambda key: scores[key], reverse=True)[:count]


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
