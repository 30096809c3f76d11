"""`egoact stats`: how often each class occurs, how long actions last, who did them; tables for any segments CSV.

Writes `summary.json` and, as CSV, `verbs`, `nouns`, `verb_categories`, `noun_categories`, `verb_noun_pairs`,
`durations` and `participants`: those that the labels allow.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from egoact.core.errors import ArtifactError
from egoact.core.imbalance import count_classes
from egoact.core.labels import TARGETS, Target, Vocabulary, build_vocabulary, read_vocabulary
from egoact.core.segments import SegmentTable, read_segments

_BINS_PER_DECADE = 8


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
    table = read_segments(settings.segments)
    vocabularies = _find_vocabularies(table, settings.classes)
    labels = {target: vocabulary.encode(table) for target, vocabulary in vocabularies.items()}
    frames = {"durations": _count_durations(table), "participants": _count_participants(table, labels)}
    for target, vocabulary in vocabularies.items():
        frames[f"{target}s"] = _count_vocabulary(vocabulary, labels[target], table)
        if vocabulary.categories:
            categories, category_of = vocabulary.to_categories()
            known = labels[target] >= 0
            counts = count_classes(category_of[labels[target][known]], num_classes=categories.size)
            frames[f"{target}_categories"] = _sort_counts(pd.DataFrame({"name": categories.names}), counts)
    if len(vocabularies) == 2:
        frames["verb_noun_pairs"] = _count_pairs(vocabularies, labels)
    if settings.out.exists() and not settings.out.is_dir():
        raise ArtifactError("this is a file; a folder to write into is expected", path=settings.out)
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(settings.out / f"{name}.csv", index=False, float_format="%.6g")
    _write_summary(settings, table, labels, sorted(frames))
    print(f"{settings.out}: {', '.join(sorted(frames))} of {len(table)} segments")
    return 0


def _find_vocabularies(table: SegmentTable, classes: Path | None) -> dict[Target, Vocabulary]:
    """The vocabularies of those targets that the table has labels of."""
    built = {target: build_vocabulary(table, target) for target in TARGETS}
    return {
        target: vocabulary if classes is None else read_vocabulary(classes, target)
        for target, vocabulary in built.items()
        if vocabulary is not None
    }


def _count_vocabulary(vocabulary: Vocabulary, labels: npt.NDArray[np.int64], table: SegmentTable) -> pd.DataFrame:
    frame = pd.DataFrame({"class_id": range(vocabulary.size), "name": vocabulary.names})
    if vocabulary.categories:
        frame["category"] = vocabulary.categories
    if vocabulary.tail:
        frame["in_tail_list"] = [class_id in vocabulary.tail for class_id in range(vocabulary.size)]
    durations = pd.Series([segment.duration_seconds for segment in table])
    frame["median_seconds"] = frame["class_id"].map(durations.groupby(labels).median())
    return _sort_counts(frame, count_classes(labels, num_classes=vocabulary.size))


def _sort_counts(frame: pd.DataFrame, counts: npt.NDArray[np.int64]) -> pd.DataFrame:
    """With columns num_segments, percent and cumulative_percent, the most frequent first."""
    frame["num_segments"] = counts
    frame = frame.sort_values("num_segments", ascending=False, kind="stable")
    frame["percent"] = 100 * frame["num_segments"] / max(1, counts.sum())
    frame["cumulative_percent"] = frame["percent"].cumsum()
    return frame


def _count_pairs(vocabularies: dict[Target, Vocabulary], labels: dict[Target, npt.NDArray[np.int64]]) -> pd.DataFrame:
    both = (labels["verb"] >= 0) & (labels["noun"] >= 0)
    pairs = np.stack([labels["verb"][both], labels["noun"][both]], axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    frame = pd.DataFrame({"verb_class": pairs[:, 0], "noun_class": pairs[:, 1]})
    for column, target in enumerate(TARGETS):
        frame[target] = [vocabularies[target].names[class_id] for class_id in pairs[:, column]]
    return _sort_counts(frame, counts)


def _count_durations(table: SegmentTable) -> pd.DataFrame:
    """Equal steps on a log scale: `start_seconds <= duration < stop_seconds`."""
    durations = np.array([segment.duration_seconds for segment in table])
    first = np.floor(np.log10(durations.min()) * _BINS_PER_DECADE)
    last = np.floor(np.log10(durations.max()) * _BINS_PER_DECADE) + 1
    edges = 10 ** (np.arange(first, last + 1) / _BINS_PER_DECADE)
    bins = np.clip(np.searchsorted(edges, durations, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(bins, minlength=len(edges) - 1)
    return pd.DataFrame({"start_seconds": edges[:-1], "stop_seconds": edges[1:], "num_segments": counts})


def _count_participants(table: SegmentTable, labels: dict[Target, npt.NDArray[np.int64]]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "participant_id": [segment.participant_id for segment in table],
            "video_id": [segment.video_id for segment in table],
            "seconds": [segment.duration_seconds for segment in table],
        }
    )
    groups = frame.groupby("participant_id")
    counted = {
        "num_videos": groups["video_id"].nunique(),
        "num_segments": groups.size(),
        "labelled_seconds": groups["seconds"].sum(),
    }
    for target, class_ids in labels.items():
        known = frame.assign(label=class_ids)[class_ids >= 0]
        counted[f"num_{target}s"] = known.groupby("participant_id")["label"].nunique()
    return pd.DataFrame(counted).fillna(0).reset_index()


def _write_summary(
    settings: StatsSettings, table: SegmentTable, labels: dict[Target, npt.NDArray[np.int64]], tables: list[str]
) -> None:
    durations = np.array([segment.duration_seconds for segment in table])
    summary: dict[str, Any] = {
        "segments": settings.segments.name,
        "num_segments": len(table),
        "num_videos": len(table.video_ids),
        "num_participants": len({segment.participant_id for segment in table}),
        "labelled_seconds": round(float(durations.sum()), 3),
        "median_seconds": round(float(np.median(durations)), 3),
        "shortest_seconds": round(float(durations.min()), 3),
        "longest_seconds": round(float(durations.max()), 3),
        "tables": tables,
        "unlabelled": {target: int((class_ids < 0).sum()) for target, class_ids in labels.items()},
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    (settings.out / "summary.json").write_text(text + "\n", encoding="utf-8")
