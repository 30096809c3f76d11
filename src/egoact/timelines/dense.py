"""From the scores of every step to named actions with confidences, by a segmenter's run.

    features ──► segmenter ──► log-probabilities of every step ──► decoder ──► actions
                                          └──► mean over an action ──► confidence and the top five

Shapes: `F` steps, `K` classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.timelines.consensus import Action, Span
from egoact.core.timelines.prediction import TOP, Ranking
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.core.timelines.viterbi import Floats
from egoact.runs.segmenter import TrainedSegmenter

Rankings = tuple[dict[Target, Ranking], ...]


def find_actions(segmenter: TrainedSegmenter, features: Any, *, video_id: str) -> tuple[Timeline, Rankings]:
    """The timeline of a recording with features (F, D), one row a step, and for each action the best classes.

    Raises:
        ArtifactError: The run does not say how scores become actions.
    """
    vocabularies = segmenter.config.vocabularies
    return name_actions(segmenter.score(features), segmenter.rules, vocabularies, video_id=video_id)


def name_actions(
    scores: Mapping[str, Floats], rules: TimelineRules, vocabularies: Mapping[Target, Vocabulary], *, video_id: str
) -> tuple[Timeline, Rankings]:
    """Scores of every step, target -> (F, K + 1), as a timeline, and for each action the best classes."""
    return name_spans(rules.find_actions(scores), scores, rules, vocabularies, video_id=video_id)


def name_spans(
    spans: Sequence[Span],
    scores: Mapping[str, Floats],
    rules: TimelineRules,
    vocabularies: Mapping[Target, Vocabulary],
    *,
    video_id: str,
) -> tuple[Timeline, Rankings]:
    """Actions that were found in scores, as `name_actions` gives them."""
    shares = {target: np.exp(values) for target, values in scores.items()}
    segments, rankings = [], []
    for span in settle(spans, shares, rules.actions):
        start, stop, action = span
        means = {target: values[start:stop].mean(0) for target, values in shares.items()}
        names = {t: vocabularies[t].names[i] for t, i in zip(vocabularies, action, strict=True)}
        confidence = rules.true_share(said_of(shares, span))
        times = (start / rules.rate, stop / rules.rate)
        segments.append(TimelineSegment(*times, names.get("verb"), names.get("noun"), confidence))
        rankings.append({t: _rank(vocabularies[t], means[t]) for t in vocabularies})
    num_steps = len(next(iter(scores.values())))
    return Timeline(video_id, tuple(segments), duration_seconds=num_steps / rules.rate), tuple(rankings)


def settle(spans: Sequence[Span], shares: Mapping[str, Floats], actions: Sequence[Action]) -> list[Span]:
    """Actions named by what the model says of all their steps on average; neighbours of one name become one.

    The decoder found where they begin and end. It chose their names with an eye to what mostly follows what, and to it
    a single step that is out of the question weighs as much as many.
    """
    ids = np.array(actions, dtype=np.int64).reshape(len(actions), len(shares))
    settled: list[Span] = []
    for start, stop, _ in spans:
        means = [np.log(values[start:stop].mean(0) + 1e-9) for values in shares.values()]
        said = np.sum([mean[column] for mean, column in zip(means, ids.T, strict=True)], axis=0)
        action = actions[int(said.argmax())]
        if settled and settled[-1][1:] == (start, action):
            settled[-1] = (settled[-1][0], stop, action)
        else:
            settled.append((start, stop, action))
    return settled


def said_of(shares: Mapping[str, Floats], span: Span) -> float:
    """The probability that a model gives an action over its steps: the mean of each target's, multiplied."""
    start, stop, action = span
    return float(np.prod([values[start:stop, i].mean() for values, i in zip(shares.values(), action, strict=True)]))


def _rank(vocabulary: Vocabulary, shares: Floats) -> Ranking:
    best = np.argsort(-shares[:-1], kind="stable")[:TOP]
    return tuple((vocabulary.names[class_id], float(shares[class_id])) for class_id in best)
