"""`egoact evaluate`: a run, anybody's scores, or timelines, against labels, by the official protocol."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.action_ranking import ActionScoring
from egoact.core.annotation_folder import read_unseen_participants
from egoact.core.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.metrics import evaluate_scores
from egoact.core.scores import Scores, load_scores
from egoact.core.segments import SegmentTable, read_segments
from egoact.stages._long_tail import split_by_frequency
from egoact.stages._run_files import METRICS_NAME, write_json
from egoact.stages._timeline_evaluation import evaluate_timeline_files, summarize_timelines

if TYPE_CHECKING:
    from egoact.models.recognizer import RecognizerConfig

SCORES_NAME = "scores.npz"
EVALUATION_NAME = "evaluation.json"


@dataclass(frozen=True)
class EvaluateSettings:
    """Measure a run, any scores file, or timelines, on labelled segments."""

    segments: Path
    """Segments CSV with labels."""
    out: Path
    """Folder for metrics.json, scores.npz, confusion matrices and report.html."""
    run: Path | None = None
    """Run directory; needs --features."""
    features: tuple[Path, ...] = ()
    """Feature store that holds the segments; for a run on several, all of them in its order."""
    scores: Path | None = None
    """Scores of any model (npz or JSON) instead of --run."""
    timeline: Path | None = None
    """Instead of --run: a timeline.json or timeline.csv, or a folder of them, to measure when actions were found."""
    annotations: Path | None = None
    """Folder with class files, tail lists and unseen participants, for the official parts of the result."""
    action_scoring: ActionScoring = "per_segment"
    """per_segment, or published: the softmax over the whole array, as the challenge's published evaluator has it."""

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.run, self.scores, self.timeline)) != 1:
            raise ValueError("give either --run with --features, or --scores, or --timeline")
        if (self.run is None) == bool(self.features):
            raise ValueError("--run and --features belong together")


def evaluate(settings: EvaluateSettings) -> int:
    """Write metrics.json, scores.npz and evaluation.json (what the report needs beside them).

    For timelines it is metrics.json and timelines.json.

    Raises:
        AnnotationError: Labels that are missing or outside the vocabulary.
        ArtifactError: A run, features or scores that do not fit.
    """
    if settings.timeline is not None:
        metrics = evaluate_timeline_files(
            settings.timeline, segments=settings.segments, annotations=settings.annotations, out=settings.out
        )
        print("\n".join([summarize_timelines(metrics), *metrics.get("notes", [])]))
        return 0
    table = read_segments(settings.segments)
    if settings.run is not None:
        config = _config_of(settings.run)
        vocabularies, counts = _official(dict(config.vocabularies), settings.annotations), dict(config.training_counts)
        scores = score_segments(settings.run, table, settings.features)
    else:
        assert settings.scores is not None
        scores = load_scores(settings.scores).align(table)
        vocabularies, counts = _vocabularies_for(scores, table, settings.annotations), {}
    labels = {target: v.encode(table, allow_unlabelled=False) for target, v in vocabularies.items()}
    participants = [segment.participant_id for segment in table]
    tail, head = split_by_frequency(vocabularies, counts)
    metrics = evaluate_scores(
        {target: values for target, values in scores.by_target().items() if target in labels},
        labels,  # type: ignore[arg-type]
        participants=participants,
        unseen=_unseen(settings.annotations, participants),
        action_scoring=settings.action_scoring,
        tail=tail,
        head=head,
    )
    settings.out.mkdir(parents=True, exist_ok=True)
    scores.save(settings.out / SCORES_NAME)
    write_json(settings.out / EVALUATION_NAME, _describe(settings, table, vocabularies, labels))
    write_json(settings.out / METRICS_NAME, metrics)
    print(summarize(metrics))
    for note in metrics.get("notes", []):
        print(note)
    return 0


def _unseen(annotations: Path | None, participants: list[str]) -> frozenset[str] | None:
    return None if annotations is None else read_unseen_participants(annotations, participants=participants)


def score_segments(run: Path, table: SegmentTable, features: Path | Sequence[Path]) -> Scores:
    """What a run answers for the segments of a table.

    Raises:
        ArtifactError: Not a run, or features that are missing or of another backbone.
    """
    from egoact.models.recognizer import Recognizer
    from egoact.stages._clips import score_rows
    from egoact.stages._features import open_features_for

    recognizer = Recognizer.load(run)
    store = open_features_for(recognizer.config, features)
    logits = score_rows(recognizer, store, store.rows(table))
    return Scores.from_rows([segment.narration_id for segment in table], **logits)


def summarize(metrics: dict[str, Any]) -> str:
    """One line: "verb 61.2, noun 40.0, action 30.1 (top-1 %, 9,668 segments)"."""
    shown = [f"{target} {metrics[target]['top1']:.2f}" for target in (*TARGETS, "action") if target in metrics]
    return f"{', '.join(shown)} (top-1 %, {metrics['num_segments']:,} segments)"


def _config_of(run: Path) -> "RecognizerConfig":
    from egoact.models.recognizer import Recognizer

    return Recognizer.load(run).config


def _official(vocabularies: dict[Target, Vocabulary], annotations: Path | None) -> dict[Target, Vocabulary]:
    """The run's classes, with the tail lists of an annotations folder where it speaks of the same classes."""
    from dataclasses import replace

    if annotations is None:
        return vocabularies
    found = {target: read_vocabulary(annotations, target) for target in vocabularies}
    return {
        target: replace(v, tail=found[target].tail) if v.classes is None and v.size == found[target].size else v
        for target, v in vocabularies.items()
    }


def _vocabularies_for(scores: Scores, table: SegmentTable, annotations: Path | None) -> dict[Target, Vocabulary]:
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


def _describe(
    settings: EvaluateSettings,
    table: SegmentTable,
    vocabularies: dict[Target, Vocabulary],
    labels: dict[Target, np.ndarray],
) -> dict[str, Any]:
    return {
        "model": str(settings.run or settings.scores),
        "run": None if settings.run is None else str(settings.run.resolve()),
        "segments": str(settings.segments),
        "video_ids": [segment.video_id for segment in table],
        "names": {target: list(v.names) for target, v in vocabularies.items()},
        "labels": {target: values.tolist() for target, values in labels.items()},
    }
