"""Action anticipation as the EPIC-KITCHENS challenge scores it: arrays in, percentages out.

An action is to be named from what is seen until one second before it begins. The measure is class-mean top-5 recall:
for each class that occurs among the segments looked at, the share of its segments whose class is among the five best
answers; then the mean over those classes. Rare classes so count as much as frequent ones.

Shapes: `N` segments, `C` classes.

Source: Rescaling Egocentric Vision, arXiv:2006.13256, section 4.5, and its action anticipation challenge.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from egoact.core.metrics.accuracy import Labels, ScoreArray, mean_over_classes
from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.protocol import Members, Ranked, members_of, rank_answers, recorded_by

NUM_ANSWERS = 5
MEASURE = "class_mean_top5_recall"


def evaluate_anticipation(
    scores: Mapping[str, ScoreArray],
    labels: Mapping[str, Labels],
    *,
    actions: ActionRanking | None = None,
    participants: Sequence[str] | None = None,
    unseen: frozenset[str] | None = None,
    tail: Mapping[str, frozenset[int]] | None = None,
) -> dict[str, Any]:
    """Class-mean top-5 recall of verbs, nouns and actions, in percent.

        {"num_segments": N, "verb": {"class_mean_top5_recall"}, "noun": {...}, "action": {...},
         "unseen": {"verb": {"num_segments", "class_mean_top5_recall"}, ...}, "tail": {the same}}

    `unseen` and `tail` are absent where no segment belongs to them.

    Arguments and errors are those of `evaluate_scores`; `actions` are the best pairs of every segment, where they are
    not those of the best verbs and nouns.
    """
    ranked = rank_answers(scores, labels, actions=actions)
    num_segments = len(next(iter(labels.values())))
    parts: dict[str, Mapping[str, Members]] = {}
    if unseen is not None:
        parts["unseen"] = dict.fromkeys(ranked, recorded_by(unseen, participants, num_segments=num_segments))
    parts["tail"] = members_of(tail or {}, labels, np.logical_or)
    everything = np.ones(num_segments, dtype=np.bool_)
    measured: dict[str, Any] = {"num_segments": num_segments}
    measured |= {target: {MEASURE: _recall(part, everything)} for target, part in ranked.items()}
    for name, of_targets in parts.items():
        part = {
            target: {"num_segments": int(members.sum()), MEASURE: _recall(ranked[target], members)}
            for target, members in of_targets.items()
            if members.any()
        }
        measured |= {name: part} if part else {}
    return measured


def summarize_anticipation(measured: Mapping[str, Any]) -> str:
    """One line: "anticipation: verb 27.8, noun 30.8, action 14.0 (class-mean top-5 recall %, 9,668 segments)"."""
    shown = [f"{target} {measured[target][MEASURE]:.2f}" for target in ("verb", "noun", "action") if target in measured]
    return f"anticipation: {', '.join(shown)} (class-mean top-5 recall %, {measured['num_segments']:,} segments)"


def _recall(ranked: Ranked, members: Members) -> float:
    return mean_over_classes(ranked.better[members] < NUM_ANSWERS, ranked.labels[members])
