"""Detections as EPIC-KITCHENS' challenge takes them: of timelines, by names, and of runs that have other class ids.

And measured against labels: `egoact evaluate --task detection` of a zip or of a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import AnnotationError
from egoact.core.files import write_json
from egoact.core.metrics.accuracy import Labels
from egoact.core.metrics.challenges.detection_submission import check_detections
from egoact.core.metrics.detection import Detections, evaluate_detections
from egoact.core.metrics.evaluation_files import METRICS_NAME
from egoact.core.timelines.files import with_class_names
from egoact.core.timelines.timeline import Timeline


def evaluate_detection_zip(path: Path, table: SegmentTable, *, annotations: Path | None, out: Path) -> dict[str, Any]:
    """Write metrics.json, and give it: mean average precision of verbs, nouns and actions, in percent.

    Each recording of the true segments must be answered, and no other. `annotations` is a folder with class files;
    without it the class ids of the CSV count.

    Raises:
        AnnotationError: A segment without a verb or noun, or words without class ids.
        ArtifactError: A zip that the challenge would refuse.
    """
    labels = {}
    for target in TARGETS:
        if annotations is None and any(getattr(segment, f"{target}_class") is None for segment in table):
            reason = f"not every row has a {target}_class, by which the challenge compares; give --annotations"
            raise AnnotationError(reason, path=table.path)
        vocabulary = build_vocabulary(table, target) if annotations is None else read_vocabulary(annotations, target)
        if vocabulary is None:
            raise AnnotationError("there are no segments", path=table.path)
        labels[str(target)] = vocabulary.encode(table, allow_unlabelled=False)
    return measure_detections(check_detections(path, table).detections, table, labels, model=path, out=out)


def measure_detections(
    found: Detections, table: SegmentTable, labels: Mapping[str, Labels], *, model: Path, out: Path
) -> dict[str, Any]:
    """Write metrics.json, and give it: as `evaluate_detections`, and the zip or the run that found them."""
    metrics = {"task": "detection", "model": str(model)} | evaluate_detections(found, table, labels)
    write_json(out / METRICS_NAME, metrics)
    return metrics


def detections_of(
    timelines: Mapping[str, Timeline], vocabularies: Mapping[Target, Vocabulary], *, video_ids: Sequence[str]
) -> Detections:
    """What timelines, by video_id, found in the recordings that must be answered.

    A recording without one, an action without verb or noun, or a name of no class is a `ValueError`.
    """
    ids = {str(t): {name: class_id for class_id, name in enumerate(v.names)} for t, v in vocabularies.items()}
    rows: list[tuple[int, float, float, int, int, float]] = []
    for video, video_id in enumerate(video_ids):
        if video_id not in timelines:
            raise ValueError(f"there is no timeline of '{video_id}'")
        for action in with_class_names(timelines[video_id], vocabularies):
            where = f"the action of '{video_id}' at {action.start_seconds:g} s"
            if action.verb is None or action.noun is None:
                raise ValueError(f"{where} has no {'noun' if action.verb else 'verb'}; the challenge needs both")
            for target, word in (("verb", action.verb), ("noun", action.noun)):
                if word not in ids[target]:
                    raise ValueError(f"{where}: '{word}' is the name of no {target} class")
            rows.append((video, *action.span, ids["verb"][action.verb], ids["noun"][action.noun], action.confidence))
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    videos, verbs, nouns = (table[:, column].astype(np.int64) for column in (0, 3, 4))
    return Detections(tuple(video_ids), videos, table[:, 1:3], verbs, nouns, table[:, 5])


def renumber(found: Detections, ours: Mapping[Target, Vocabulary], theirs: Mapping[Target, Vocabulary]) -> Detections:
    """The same in the class ids of other vocabularies, by the names of classes; a `ValueError` where one is missing."""
    changed = {}
    for target, vocabulary in theirs.items():
        if target not in ours:
            raise ValueError(f"this run does not know {target}s; the challenge needs verbs and nouns")
        ids = {name: class_id for class_id, name in enumerate(vocabulary.names)}
        if missing := [name for name in ours[target].names if name not in ids]:
            raise ValueError(f"'{missing[0]}' is the name of no {target} class")
        table = np.array([ids[name] for name in ours[target].names], dtype=np.int64)
        changed[f"{target}s"] = table[getattr(found, f"{target}s")]
    return replace(found, **changed)
