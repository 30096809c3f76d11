"""What labels alone achieve in EPIC-KITCHENS' tasks: every model that sees pictures has to be better.

Anticipation:

- `prior`: the most frequent classes of training, whatever happened before.
- `grammar`: what follows the last two actions in training. It is told the true labels of those actions, so a model that
  sees pictures may also be worse.

      time     |--[open fridge)--[take milk)-----x-----?[pour milk)---|
                                                 the action at ? is asked; what began until x, a gap before it, is known

  How often a class followed a history is smoothed by how often it followed a shorter one: both actions, the last one,
  its noun, none. The weight of the shorter one is that of Witten and Bell, so nothing has to be tuned: a history seen n
  times, followed by t different classes, leaves t / (n + t).

Detection:

- `prior`: the most frequent actions of training, each again and again from the beginning of a recording to its end, as
  long as it mostly lasts, with its frequency as the score.

Source: Witten and Bell, The zero-frequency problem, 1991, method C.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary, known_vocabularies, read_unseen_participants
from egoact.core.annotations.segments import SegmentTable, group_by_recording
from egoact.core.errors import AnnotationError
from egoact.core.metrics.action_ranking import ActionRanking
from egoact.core.metrics.detection import Detections, evaluate_detections
from egoact.core.metrics.protocol import evaluate_anticipation

NUM_PAIRS = 100  # as many as a submission names
NUM_LISTED = 20  # actions that a list by frequency has everywhere

Classes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
History = tuple[int, ...]
Histories = tuple[History, ...]  # of one segment, the shortest first

_BEGINNING = -1  # stands for the actions before the first


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
        vocabularies = known_vocabularies(train, annotations)
        if missing := [target for target in TARGETS if target not in vocabularies]:
            raise AnnotationError(f"no {missing[0]} labels; both verbs and nouns are needed", path=train.path)
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
    nothing: list[Histories] = [()] * len(wanted)
    pairs, members = sets.pairs()
    grammars = {
        str(target): Grammar.learn(known, sets.train_labels[target], num_classes=vocabulary.size)
        for target, vocabulary in sets.vocabularies.items()
    }
    of_pairs = Grammar.learn(known, members, num_classes=len(pairs))
    measured = {}
    for name, asked in (("prior", nothing), ("grammar", wanted)):
        scores = {target: grammar.probabilities(asked) for target, grammar in grammars.items()}
        actions = _rank(of_pairs, asked, pairs)
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


def _rank(grammar: "Grammar", asked: Sequence[Histories], pairs: Classes) -> ActionRanking:
    """The best pairs of each segment; history by history, since all segments with all pairs would be large."""
    rows: dict[Histories, int] = {}
    best, scores = [], []
    for known in dict.fromkeys(asked):
        rows[known] = len(rows)
        shares = grammar.shares(known)
        least = np.partition(shares, -NUM_PAIRS)[-NUM_PAIRS] if len(shares) > NUM_PAIRS else 0.0
        good = np.flatnonzero(shares >= least)
        order = good[np.argsort(-shares[good], kind="stable")][:NUM_PAIRS]
        best.append(order)
        scores.append(shares[order])
    chosen = [rows[known] for known in asked]
    found = pairs[np.stack(best)[chosen]]
    return ActionRanking(found[..., 0], found[..., 1], np.stack(scores)[chosen])


def histories(table: SegmentTable, verb: Classes, noun: Classes, *, gap_seconds: float) -> list[Histories]:
    """The noun of the last action, that action, and the last two, of each of N segments, in any order.

    Known are actions that began at least `gap_seconds` before the segment; classes are (N,).

    >>> from pathlib import Path
    >>> from egoact.core.annotations.segments import Segment
    >>> parts = tuple(Segment(str(i), "P01", "P01_01", 2 * i, 2 * i + 1) for i in range(3))
    >>> histories(SegmentTable(Path("a.csv"), parts), np.array([7, 8, 9]), np.array([0, 1, 2]), gap_seconds=1)[2]
    ((1,), (8, 1), (7, 0, 8, 1))
    """
    if not gap_seconds >= 0:
        raise ValueError(f"a gap of {gap_seconds} s; it cannot be negative")
    row_of = {segment.narration_id: row for row, segment in enumerate(table)}
    found: list[Histories] = [()] * len(table)
    for segments in group_by_recording(table).values():
        ordered = sorted(segments, key=lambda segment: (segment.start_seconds, segment.stop_seconds))
        starts = [segment.start_seconds for segment in ordered]
        actions = [(int(verb[row]), int(noun[row])) for row in (row_of[s.narration_id] for s in ordered)]
        for position, segment in enumerate(ordered):
            num_known = min(bisect_right(starts, segment.start_seconds - gap_seconds), position)
            last, before = (
                actions[num_known - back] if num_known >= back else (_BEGINNING, _BEGINNING) for back in (1, 2)
            )
            found[row_of[segment.narration_id]] = (last[1:], last, before + last)
    return found


@dataclass(frozen=True)
class Grammar:
    """How often each of `C` classes occurs at all, and after each history."""

    prior: Floats  # (C,), how probable each class is without a history; they add up to 1
    followers: dict[History, tuple[Classes, Floats]]  # history -> classes that followed it, and how often

    @classmethod
    def learn(cls, known: Sequence[Histories], labels: Classes, *, num_classes: int) -> "Grammar":
        """Count which of `num_classes` followed the histories of each training segment; `labels` are (N,)."""
        counts: dict[History, Counter[int]] = defaultdict(Counter)
        for of_segment, label in zip(known, labels.tolist(), strict=True):
            for history in of_segment:
                counts[history][label] += 1
        followers = {
            history: (np.array([*counter], dtype=np.int64), np.array([*counter.values()], dtype=np.float64))
            for history, counter in counts.items()
        }
        return cls(np.bincount(labels, minlength=num_classes) / len(labels), followers)

    def probabilities(self, asked: Sequence[Histories]) -> Floats:
        """(N, C): how probable each class is in each of N segments, after its histories."""
        rows = {known: row for row, known in enumerate(dict.fromkeys(asked))}
        return np.stack([self.shares(known) for known in rows])[[rows[known] for known in asked]]

    def shares(self, known: Histories) -> Floats:
        """(C,): how probable each class is after the histories of one segment."""
        shares = self.prior.copy()
        for history in known:
            if history in self.followers:
                classes, counts = self.followers[history]
                total = counts.sum() + len(classes)
                shares *= len(classes) / total
                shares[classes] += counts / total
        return shares
