"""`egoact stats`: how often each class occurs, how long actions last, who did them; tables for any segments CSV.

Writes `summary.json` and, as CSV, `verbs`, `nouns`, `verb_categories`, `noun_categories`, `verb_noun_pairs`,
`durations` and `participants`: those that the labels allow.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    from egoact.core.annotations.labels import Target, Vocabulary
    from egoact.core.annotations.segments import SegmentTable


@dataclass(frozen=True, kw_only=True)
class StatsSettings:
    """Count classes, categories, durations and co-occurrences of a segments CSV."""

    segments: Path
    """CSV of segments; labels are optional."""
    out: Path
    """Folder for the tables, pictures and stats.html."""
    classes: Path | None = None
    """Folder with the class files, for names and categories; otherwise the words of the CSV are counted."""


def stats(settings: StatsSettings) -> int:
    """Write the tables; 0, or an error.

    Raises:
        AnnotationError: Unreadable segments or class files, or labels outside them.
        ArtifactError: `out` is a file.
    """
    from egoact.core.annotations.segments import read_segments
    from egoact.core.files import write_atomically
    from egoact.evaluation.label_statistics import count_labels, summarize_labels

    table = read_segments(settings.segments)
    vocabularies = _find_vocabularies(table, settings.classes)
    labels = {target: vocabulary.encode(table) for target, vocabulary in vocabularies.items()}
    frames = count_labels(table, vocabularies, labels)
    if settings.out.exists() and not settings.out.is_dir():
        raise ArtifactError("this is a file; a folder to write into is expected", path=settings.out)
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(settings.out / f"{name}.csv", index=False, float_format="%.6g")
    summary = summarize_labels(table, labels) | {"tables": sorted(frames)}
    write_atomically(settings.out / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    print(f"{settings.out}: {', '.join(sorted(frames))} of {len(table)} segments")
    return 0


def _find_vocabularies(table: "SegmentTable", classes: Path | None) -> "dict[Target, Vocabulary]":
    """The vocabularies of those targets that the table has labels of."""
    from egoact.core.annotations.labels import TARGETS, build_vocabulary, read_vocabulary

    built = {target: build_vocabulary(table, target) for target in TARGETS}
    return {
        target: vocabulary if classes is None else read_vocabulary(classes, target)
        for target, vocabulary in built.items()
        if vocabulary is not None
    }
