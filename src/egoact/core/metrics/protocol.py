"""Every number of `metrics.json`, computed from arrays; knows nothing about files or models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.accuracy import (
    TOP_K,
    Labels,
    ScoreArray,
    count_better,
    majority_baseline,
    mean_over_classes,
    prior_baseline,
)
from egoact.core.metrics.action_ranking import ActionRanking, ActionScoring, action_ranking

Members = npt.NDArray[np.bool_]  # which of N segments belong to a part

# Joins verb and noun ids to one action id; above any vocabulary's size.
_ACTION_STRIDE = 1_000_000
MEASURE = "class_mean_top5_recall"
_NUM_ANSWERS = 5


@dataclass(frozen=True)
class Ranked:
    """How N segments were answered: how many other answers are at least as good as the true one, and the true one."""

    better: npt.NDArray[np.int64]  # (N,), 0 is a right first answer
    labels: Labels  # (N,)

    def summary(self) -> dict[str, float]:
        """Top-k and mean-class accuracy, in percent."""
        accuracies = {f"top{k}": float(100 * np.mean(self.better < k)) for k in TOP_K}
        return accuracies | {"mean_class": mean_over_classes(self.better < 1, self.labels)}

    def select(self, members: Members) -> dict[str, float]:
        """Some of them: how many, their top-1 and mean-class accuracy in percent."""
        right, labels = self.better[members] < 1, self.labels[members]
        return {
            "num_segments": int(members.sum()),
            "top1": float(100 * np.mean(right)),
            "mean_class": mean_over_classes(right, labels),
        }


def evaluate_scores(
    scores: Mapping[str, ScoreArray],
    labels: Mapping[str, Labels],
    *,
    participants: Sequence[str] | None = None,
    unseen: frozenset[str] | None = None,
    tail: Mapping[str, frozenset[int]] | None = None,
    head: Mapping[str, frozenset[int]] | None = None,
    training_labels: Mapping[str, Labels] | None = None,
    action_scoring: ActionScoring = "per_segment",
) -> dict[str, Any]:
    """Everything that `metrics.json` says, in its layout; percentages 0 to 100.

        {"num_segments": N,
         "verb": {"top1", "top3", "top5", "mean_class"}, "noun": {...}, "action": {...},
         "unseen": {"num_segments", "verb": {"top1"}, "noun": {...}, "action": {...}},
         "tail": {"verb": {"num_segments", "top1", "mean_class"}, "noun": {...}, "action": {...}},
         "head": the same of the frequent classes,
         "baselines": {"majority": {"verb": {...}, ...}, "prior": {...},
                       "majority_training": {...}, "prior_training": {...}},
         "notes": ["why a part that was asked for is absent"]}

    A part that does not apply is absent: actions without both targets, `unseen`, `tail` and `head` without such
    segments, `notes` without anything to say. "majority" and "prior" count the evaluated labels themselves.

    Args:
        scores: "verb" and/or "noun" -> (N, C), any scale, higher is better.
        labels: The same keys -> (N,), class ids.
        participants: Who recorded each segment, N of them; needed for `unseen`.
        unseen: Participants that training does not know.
        tail: "verb" and/or "noun" -> class ids of the long tail. A tail action has a tail verb or a tail noun.
        head: The same for the frequent classes. A head action has a head verb and a head noun.
        training_labels: The same keys as `labels` -> class ids to count for "..._training"; -1 is left out.
        action_scoring: See `action_ranking`.

    Raises:
        ValueError: Unlabelled segments, scores that are not finite, shapes or keys that do not fit.
    """
    ranked = rank_answers(scores, labels, action_scoring=action_scoring)
    num_segments = len(next(iter(ranked.values())).better)
    metrics: dict[str, Any] = {"num_segments": num_segments}
    metrics |= {target: part.summary() for target, part in ranked.items()}
    notes: list[str] = []
    if unseen is not None:
        metrics |= _measure_unseen(ranked, participants, unseen, notes)
    if tail:
        metrics |= _measure_part("tail", ranked, labels, tail, np.logical_or, notes)
    if head:
        metrics |= _measure_part("head", ranked, labels, head, np.logical_and, notes)
    metrics["baselines"] = _measure_baselines(ranked, training_labels)
    return metrics | ({"notes": notes} if notes else {})


def rank_answers(
    scores: Mapping[str, ScoreArray],
    labels: Mapping[str, Labels],
    *,
    action_scoring: ActionScoring = "per_segment",
    actions: ActionRanking | None = None,
) -> dict[str, Ranked]:
    """How every segment was answered, for verb and/or noun, and for the action where there are both.

    Arguments and errors are those of `evaluate_scores`; `actions` are pairs that a model ranked by itself.
    """
    _check_targets(scores, labels)
    ranked = {target: Ranked(count_better(scores[target], labels[target]), labels[target]) for target in scores}
    if len(ranked) == 2:
        pairs = actions or action_ranking(scores["verb"], scores["noun"], scoring=action_scoring)
        better = pairs.count_better(labels["verb"], labels["noun"])
        ranked["action"] = Ranked(better, _join_actions(labels))
    return ranked


def _check_targets(scores: Mapping[str, ScoreArray], labels: Mapping[str, Labels]) -> None:
    if not scores or not set(scores) <= {"verb", "noun"} or set(scores) != set(labels):
        raise ValueError(
            f"scores of {sorted(scores)}, labels of {sorted(labels)}; verb, noun or both, the same in both"
        )
    if len({len(array) for array in (*scores.values(), *labels.values())}) > 1:
        shapes = ", ".join(f"{target} {scores[target].shape} with {labels[target].shape}" for target in scores)
        raise ValueError(f"scores and labels of different numbers of segments: {shapes}")


def _join_actions(labels: Mapping[str, Labels]) -> npt.NDArray[np.int64]:
    return labels["verb"].astype(np.int64) * _ACTION_STRIDE + labels["noun"]


def _measure_unseen(
    ranked: Mapping[str, Ranked], participants: Sequence[str] | None, unseen: frozenset[str], notes: list[str]
) -> dict[str, Any]:
    members = recorded_by(unseen, participants, num_segments=len(next(iter(ranked.values())).better))
    if not members.any():
        listed = ", ".join(sorted(unseen)) or "(none listed)"
        notes.append(
            f"No part for unseen participants: {listed} recorded none of these {len(members)} segments; "
            "is this the list of another split?"
        )
        return {}
    part = {target: {"top1": float(100 * np.mean(r.better[members] < 1))} for target, r in ranked.items()}
    return {"unseen": {"num_segments": int(members.sum()), **part}}


def _measure_part(
    name: str,
    ranked: Mapping[str, Ranked],
    labels: Mapping[str, Labels],
    classes: Mapping[str, frozenset[int]],
    join: Callable[[Members, Members], Members],
    notes: list[str],
) -> dict[str, Any]:
    part = {}
    for target, mask in members_of(classes, labels, join).items():
        if mask.any():
            part[target] = ranked[target].select(mask)
        else:
            is_pair = target == "action"
            which = f"such a {name} verb and noun" if is_pair else f"one of the {len(classes[target])} {name} classes"
            notes.append(f"No {name} part for {target}: no segment has {which}.")
    return {name: part} if part else {}


def recorded_by(unseen: frozenset[str], participants: Sequence[str] | None, *, num_segments: int) -> Members:
    """Which segments unseen participants recorded, (N,); a `ValueError` without one participant per segment."""
    if participants is None or len(participants) != num_segments:
        found = "none" if participants is None else len(participants)
        raise ValueError(f"{found} participants for {num_segments} segments; unseen ones need one per segment")
    return np.array([participant in unseen for participant in participants], dtype=np.bool_)


def members_of(
    classes: Mapping[str, frozenset[int]], labels: Mapping[str, Labels], join: Callable[[Members, Members], Members]
) -> dict[str, Members]:
    """Segments of some classes, target -> (N,); `join` says by verb and noun which actions belong to them."""
    members = {target: np.isin(labels[target], sorted(classes[target])) for target in labels if target in classes}
    if {"verb", "noun"} <= set(members):
        members["action"] = join(members["verb"], members["noun"])
    return members


def _measure_baselines(
    ranked: Mapping[str, Ranked], training_labels: Mapping[str, Labels] | None
) -> dict[str, dict[str, dict[str, float]]]:
    own = {target: part.labels for target, part in ranked.items()}
    references = {"": own}
    if training_labels is not None:
        references["_training"] = _training_reference(own, training_labels)
    return {
        f"{name}{suffix}": {target: baseline(own[target], reference=labels) for target, labels in reference.items()}
        for suffix, reference in references.items()
        for name, baseline in (("majority", majority_baseline), ("prior", prior_baseline))
    }


def _training_reference(targets: Mapping[str, Any], training: Mapping[str, Labels]) -> dict[str, Labels]:
    reference = {target: training[target][training[target] >= 0] for target in targets if target != "action"}
    if "action" in targets:
        both = (training["verb"] >= 0) & (training["noun"] >= 0)
        reference["action"] = _join_actions({target: training[target][both] for target in ("verb", "noun")})
    if empty := [target for target, labels in reference.items() if not len(labels)]:
        raise ValueError(f"the training labels have no labelled {empty[0]}")
    return reference


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

    Of each class that occurs among the segments looked at, the share of segments whose class is among the five best
    answers, and of these the mean: rare classes count as much as frequent ones. `unseen` and `tail` are absent where no
    segment belongs to them.

    Arguments and errors are those of `evaluate_scores`; `actions` are the best pairs of every segment, where they are
    not those of the best verbs and nouns.

    Source: Rescaling Egocentric Vision, arXiv:2006.13256, section 4.5, and its action anticipation challenge.
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
    return mean_over_classes(ranked.better[members] < _NUM_ANSWERS, ranked.labels[members])
