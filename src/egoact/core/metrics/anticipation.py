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
import numpy.typing as npt

from egoact.core.metrics.accuracy import Labels, ScoreArray, mean_over_classes
from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.protocol import Ranked, rank_answers

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

    Args:
        scores: "verb" and/or "noun" -> (N, C), any scale, higher is better.
        labels: The same keys -> (N,), class ids.
        actions: The best pairs of every segment; None: those of the best verbs and nouns, see `action_ranking`.
        participants: Who recorded each segment, N of them; needed for `unseen`.
        unseen: Participants that training does not know.
        tail: "verb" and/or "noun" -> class ids of the long tail. A tail action has a tail verb or a tail noun.

    Raises:
        ValueError: Unlabelled segments, scores that are not finite, shapes or keys that do not fit.
    """
    ranked = rank_answers(scores, labels, actions=actions)
    num_segments = len(next(iter(labels.values())))
    everything = np.ones(num_segments, dtype=np.bool_)
    parts = {"unseen": _unseen(ranked, participants, unseen), "tail": _tail(labels, tail or {})}
    measured: dict[str, Any] = {"num_segments": num_segments}
    measured |= {target: {MEASURE: _recall(part, everything)} for target, part in ranked.items()}
    for name, members_of in parts.items():
        part = {
            target: {"num_segments": int(members.sum()), MEASURE: _recall(ranked[target], members)}
            for target, members in members_of.items()
            if members.any()
        }
        measured |= {name: part} if part else {}
    return measured


def summarize_anticipation(measured: Mapping[str, Any]) -> str:
    """One line: "anticipation: verb 27.8, noun 30.8, action 14.0 (class-mean top-5 recall %, 9,668 segments)"."""
    shown = [f"{target} {measured[target][MEASURE]:.2f}" for target in ("verb", "noun", "action") if target in measured]
    return f"anticipation: {', '.join(shown)} (class-mean top-5 recall %, {measured['num_segments']:,} segments)"


def _recall(ranked: Ranked, members: npt.NDArray[np.bool_]) -> float:
    return mean_over_classes(ranked.better[members] < NUM_ANSWERS, ranked.labels[members])


def _unseen(
    targets: Mapping[str, Any], participants: Sequence[str] | None, unseen: frozenset[str] | None
) -> dict[str, npt.NDArray[np.bool_]]:
    if unseen is None:
        return {}
    num_segments = len(next(iter(targets.values())).labels)
    if participants is None or len(participants) != num_segments:
        found = "none" if participants is None else len(participants)
        raise ValueError(f"{found} participants for {num_segments} segments; unseen ones need one per segment")
    members = np.array([participant in unseen for participant in participants], dtype=np.bool_)
    return dict.fromkeys(targets, members)


def _tail(labels: Mapping[str, Labels], tail: Mapping[str, frozenset[int]]) -> dict[str, npt.NDArray[np.bool_]]:
    members = {target: np.isin(labels[target], sorted(tail[target])) for target in labels if target in tail}
    if {"verb", "noun"} <= set(members):
        members["action"] = members["verb"] | members["noun"]
    return members
