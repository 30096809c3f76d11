"""Scores of labelled segments to metrics, by the official protocol, and the files that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egoact.core.annotations.anticipation import Anticipation
from egoact.core.annotations.labels import (
    TARGETS,
    Target,
    Vocabulary,
    build_vocabulary,
    read_unseen_participants,
    read_vocabulary,
)
from egoact.core.annotations.segments import SegmentTable
from egoact.core.files import make_folder, write_json
from egoact.core.metrics.action_ranking import ActionRanking, ActionScoring
from egoact.core.metrics.evaluation_files import EVALUATION_NAME, METRICS_NAME, SCORES_NAME
from egoact.core.metrics.imbalance import split_by_frequency
from egoact.core.metrics.protocol import evaluate_anticipation, evaluate_scores
from egoact.core.metrics.scores import Scores
from egoact.runs.provenance import Provenance, warn


@dataclass(frozen=True)
class SegmentEvaluation:
    """What is measured."""

    table: SegmentTable  # labelled segments
    scores: Scores  # of those, in their order
    vocabularies: Mapping[Target, Vocabulary]  # classes of the scores
    training_counts: Mapping[Target, tuple[int, ...]]  # training segments of each class, where they are known
    provenance: Provenance | None = None  # what the model was trained and chosen on
    anticipation: Anticipation | None = None  # when it looked, if it answered before the actions
    actions: ActionRanking | None = None  # the best pairs, of answers to anticipation that rank them by themselves

    def measure(self, *, annotations: Path | None, action_scoring: ActionScoring) -> dict[str, Any]:
        """Everything that `metrics.json` says; where segments were trained or chosen on, that is its first note.

        `annotations` is the folder with the official lists. Labels that are missing or outside the vocabulary are an
        `AnnotationError`.
        """
        tail, head = split_by_frequency(self.vocabularies, self.training_counts)
        metrics = evaluate_scores(**self._measured(annotations), action_scoring=action_scoring, tail=tail, head=head)
        looked_at = self.table if self.anticipation is None else self.anticipation.observed(self.table)
        seen = {} if self.provenance is None else self.provenance.describe(looked_at)
        if seen and (notes := warn(seen)):
            metrics |= {"seen": seen, "notes": notes + metrics.get("notes", [])}
        return metrics

    def measure_anticipation(self, *, annotations: Path | None) -> dict[str, Any]:
        """Class-mean top-5 recall, as `evaluate_anticipation` gives it; arguments and errors are those of `measure`."""
        tail = {str(target): vocabulary.tail for target, vocabulary in self.vocabularies.items() if vocabulary.tail}
        return evaluate_anticipation(**self._measured(annotations), actions=self.actions, tail=tail)

    def write(self, out: Path, metrics: dict[str, Any], *, model: Path, run: Path | None) -> None:
        """scores.npz, evaluation.json (what the report needs beside them), and metrics.json."""
        make_folder(out)
        self.scores.save(out / SCORES_NAME)
        described = {
            "model": str(model),
            "run": None if run is None else str(run.resolve()),
            "segments": str(self.table.path),
            "video_ids": [segment.video_id for segment in self.table],
            "names": {target: list(v.names) for target, v in self.vocabularies.items()},
            "labels": {target: values.tolist() for target, values in self._labels().items()},
        }
        write_json(out / EVALUATION_NAME, described)
        write_json(out / METRICS_NAME, metrics)

    def _measured(self, annotations: Path | None) -> dict[str, Any]:
        labels, participants = self._labels(), [segment.participant_id for segment in self.table]
        unseen = None if annotations is None else read_unseen_participants(annotations, participants=participants)
        return {
            "scores": {target: values for target, values in self.scores.by_target().items() if target in labels},
            "labels": labels,
            "participants": participants,
            "unseen": unseen,
        }

    def _labels(self) -> dict[Target, Any]:
        return {target: v.encode(self.table, allow_unlabelled=False) for target, v in self.vocabularies.items()}


def summarize(metrics: dict[str, Any]) -> str:
    """One line: "verb 61.2, noun 40.0, action 30.1 (top-1 %, 9,668 segments)"."""
    shown = [f"{target} {metrics[target]['top1']:.2f}" for target in (*TARGETS, "action") if target in metrics]
    return f"{', '.join(shown)} (top-1 %, {metrics['num_segments']:,} segments)"


def official_vocabularies(vocabularies: dict[Target, Vocabulary], annotations: Path | None) -> dict[Target, Vocabulary]:
    """The run's classes, with the tail lists of an annotations folder where it speaks of the same classes."""
    if annotations is None:
        return vocabularies
    found = {target: read_vocabulary(annotations, target) for target in vocabularies}
    return {
        target: replace(v, tail=found[target].tail) if v.classes is None and v.size == found[target].size else v
        for target, v in vocabularies.items()
    }


def vocabularies_of_scores(scores: Scores, table: SegmentTable, annotations: Path | None) -> dict[Target, Vocabulary]:
    """Classes for somebody else's scores: of the annotations, or as many as the scores have."""
    vocabularies: dict[Target, Vocabulary] = {}
    for target in TARGETS:
        values = scores.by_target().get(target)
        if values is None:
            continue
        found = build_vocabulary(table, target) if annotations is None else read_vocabulary(annotations, target)
        if found is None:
            raise ValueError(f"{table.path} has no {target} labels to evaluate by")
        if annotations is None and found.size < values.shape[1]:
            more = tuple(f"{target} {i}" for i in range(found.size, values.shape[1]))
            found = Vocabulary(target, found.names + more)
        if found.size != values.shape[1]:
            raise ValueError(f"scores for {values.shape[1]} {target} classes, but there are {found.size}")
        vocabularies[target] = found
    return vocabularies
