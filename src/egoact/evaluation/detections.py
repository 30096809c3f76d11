"""Detections against labels, by class ids: `egoact evaluate --task detection` of a zip or of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS, build_vocabulary, read_vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import AnnotationError
from egoact.core.files import write_json
from egoact.core.metrics.accuracy import Labels
from egoact.core.metrics.challenges.detection_submission import check_detections
from egoact.core.metrics.detection import Detections, evaluate_detections
from egoact.core.metrics.evaluation_files import METRICS_NAME


def evaluate_detection_zip(path: Path, table: SegmentTable, *, annotations: Path | None, out: Path) -> dict[str, Any]:
    """Write metrics.json, and give it: mean average precision of verbs, nouns and actions, in percent.

    Args:
        path: The zip.
        table: The true segments; each of their recordings must be answered, and no other.
        annotations: Folder with class files; default: the class ids of the CSV.
        out: Folder to write.

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
    """Write metrics.json, and give it: as `evaluate_detections`, and who found them.

    Args:
        found: In the recordings of the table.
        table: The true segments.
        labels: "verb" and/or "noun" -> their classes, in the numbers of `found`.
        model: The zip or the run.
        out: Folder to write.
    """
    metrics = {"task": "detection", "model": str(model)} | evaluate_detections(found, table, labels)
    write_json(out / METRICS_NAME, metrics)
    return metrics
