"""What labels alone achieve in EPIC-KITCHENS' tasks: every model that sees pictures has to be better.

Anticipation:

- `prior`: the most frequent classes of training, whatever happened before.
- `grammar`: what follows the last two actions in training (`grammar.py`). It is told the true labels of those actions,
  so a model that sees pictures may also be worse.

Detection:

- `prior`: the most frequent actions of training, each again and again from the beginning of a recording to its end, as
  long as it mostly lasts, with its frequency as the score.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.labels import (
    TARGETS,
    Target,
    Vocabulary,
    build_vocabulary,
    read_unseen_participants,
    read_vocabulary,
)
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import AnnotationError
from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.detection import Detections, evaluate_detections
from egoact.core.metrics.protocol import evaluate_anticipation
from egoact.evaluation.grammar import Grammar, History, histories

NUM_PAIRS = 100  # as many as a submission names
NUM_LISTED = 20  # actions that a list by frequency has everywhere

Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelledSets:
    """Training and validation segments, and their class ids by the same vocabularies: target -> (N,)."""

    train: SegmentTable
    validation: SegmentTable
    train_labels: dict[Target, Classes]
    validation_labels: dict[Target, Classes]
    vocabularies: dict[Target, Vocabulary]

    @classmethod
    def of(cls, train: SegmentTable, validation: SegmentTable, *, annotations: Path | None) -> "LabelledSets":
        """Labels of both by the class files of a folder; without it, by class ids, or the words of training.

        A segment without a verb or noun, or with one that the vocabulary does not have, is an `AnnotationError`.
        """
        vocabularies: dict[Target, Vocabulary] = {}
        for target in TARGETS:
            found = build_vocabulary(train, target) if annotations is None else read_vocabulary(annotations, target)
            if found is None:
                raise AnnotationError(f"no {target} labels; both verbs and nouns are needed", path=train.path)
            vocabularies[target] = found
        encoded = [
            {target: vocabulary.encode(table, allow_unlabelled=False) for target, vocabulary in vocabularies.items()}
            for table in (train, validation)
        ]
        return cls(train, validation, encoded[0], encoded[1], vocabularies)

    def pairs(self) -> tuple[Classes, Classes]:
        """The verb-noun pairs of training, (P, 2), and which of them each training segment is, (N,)."""
        both = np.stack([self.train_labels[target] for target in TARGETS], axis=1)
        pairs, members = np.unique(both, axis=0, return_inverse=True)
        return pairs, members.reshape(-1).astype(np.int64)


def anticipation_baselines(sets: LabelledSets, *, gap_seconds: float, annotations: Path | None) -> dict[str, Any]:
    """{"prior": metrics, "grammar": metrics}, each as `evaluate_anticipation` gives them.

    Actions are named `gap_seconds` before they begin; `annotations` is the folder with the lists of unseen participants
    and tail classes.
    """
    wanted = histories(sets.validation, **sets.validation_labels, gap_seconds=gap_seconds)
    known = histories(sets.train, **sets.train_labels, gap_seconds=gap_seconds)
    participants = [segment.participant_id for segment in sets.validation]
    unseen = None if annotations is None else read_unseen_participants(annotations, participants=participants)
    tail = {str(target): vocabulary.tail for target, vocabulary in sets.vocabularies.items() if vocabulary.tail}
    nothing: list[tuple[History, ...]] = [()] * len(wanted)
    measured = {}
    for name, asked in (("prior", nothing), ("grammar", wanted)):
        scores, actions = _answers(sets, known, asked)
        measured[name] = evaluate_anticipation(
            scores,
            {str(target): labels for target, labels in sets.validation_labels.items()},
            actions=actions,
            participants=participants,
            unseen=unseen,
            tail=tail,
        )
    return measured


def detection_baselines(sets: LabelledSets) -> dict[str, Any]:
    """{"prior": metrics}, as `evaluate_detections` gives them."""
    labels = {str(target): of_target for target, of_target in sets.validation_labels.items()}
    return {"prior": evaluate_detections(list_by_frequency(sets), sets.validation, labels)}


def list_by_frequency(sets: LabelledSets) -> Detections:
    """The most frequent actions of training, all over the validation recordings, up to their last labelled action."""
    pairs, members = sets.pairs()
    counts = np.bincount(members)
    seconds = np.array([segment.duration_seconds for segment in sets.train])
    ends: dict[str, float] = {}
    for segment in sets.validation:
        ends[segment.video_id] = max(ends.get(segment.video_id, 0.0), segment.stop_seconds)
    rows: list[tuple[int, Floats, int]] = []  # recording, beginnings and ends, which pair
    for pair in np.argsort(-counts, kind="stable")[:NUM_LISTED].tolist():
        length = float(np.median(seconds[members == pair]))
        for video, end in enumerate(ends.values()):
            starts = np.arange(0, end, length)
            rows.append((video, np.stack([starts, starts + length], axis=1), pair))
    sizes = [len(spans) for _, spans, _ in rows]
    chosen = np.repeat([pair for _, _, pair in rows], sizes)
    return Detections(
        tuple(ends),
        np.repeat([video for video, _, _ in rows], sizes),
        np.concatenate([spans for _, spans, _ in rows]),
        pairs[chosen, 0],
        pairs[chosen, 1],
        counts[chosen] / len(members),
    )


def _answers(
    sets: LabelledSets, known: list[tuple[History, ...]], asked: list[tuple[History, ...]]
) -> tuple[dict[str, Floats], ActionRanking]:
    """Probabilities of verbs and nouns, and the best pairs, after the histories of each validation segment."""
    scores = {}
    for target, vocabulary in sets.vocabularies.items():
        grammar = Grammar.learn(known, sets.train_labels[target], num_classes=vocabulary.size)
        scores[str(target)] = np.stack(list(grammar.probabilities(asked)))
    pairs, members = sets.pairs()
    of_pairs = Grammar.learn(known, members, num_classes=len(pairs))
    return scores, _rank(of_pairs.probabilities(asked), pairs)


def _rank(rows: Iterable[Floats], pairs: Classes) -> ActionRanking:
    """The best pairs of each segment; row by row, since all segments with all pairs would be large."""
    best, scores = [], []
    for row in rows:
        order = np.argsort(-row, kind="stable")[:NUM_PAIRS]
        best.append(order)
        scores.append(row[order])
    chosen = pairs[np.stack(best)]
    return ActionRanking(chosen[..., 0], chosen[..., 1], np.stack(scores))
