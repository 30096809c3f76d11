"""How often each class occurs, how long actions last, who did them: segments and labels in, tables out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.imbalance import count_classes

_BINS_PER_DECADE = 8

Labels = dict[Target, npt.NDArray[np.int64]]


def count_labels(
    table: SegmentTable, vocabularies: dict[Target, Vocabulary], labels: Labels
) -> dict[str, pd.DataFrame]:
    """Name -> table: verbs, nouns, their categories and pairs, durations, participants, as far as there are labels."""
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
    return frames


def summarize_labels(table: SegmentTable, labels: Labels) -> dict[str, Any]:
    """Numbers of segments, videos and participants, and durations in seconds."""
    durations = np.array([segment.duration_seconds for segment in table])
    return {
        "segments": table.path.name,
        "num_segments": len(table),
        "num_videos": len(table.video_ids),
        "num_participants": len({segment.participant_id for segment in table}),
        "labelled_seconds": round(float(durations.sum()), 3),
        "median_seconds": round(float(np.median(durations)), 3),
        "shortest_seconds": round(float(durations.min()), 3),
        "longest_seconds": round(float(durations.max()), 3),
        "unlabelled": {target: int((class_ids < 0).sum()) for target, class_ids in labels.items()},
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


def _count_pairs(vocabularies: dict[Target, Vocabulary], labels: Labels) -> pd.DataFrame:
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


def _count_participants(table: SegmentTable, labels: Labels) -> pd.DataFrame:
    rows = [(segment.participant_id, segment.video_id, segment.duration_seconds) for segment in table]
    frame = pd.DataFrame(rows, columns=["participant_id", "video_id", "seconds"])
    for target, class_ids in labels.items():
        frame[target] = np.where(class_ids >= 0, class_ids, np.nan)
    counted = frame.groupby("participant_id").agg(
        num_videos=("video_id", "nunique"),
        num_segments=("video_id", "size"),
        labelled_seconds=("seconds", "sum"),
        **{f"num_{target}s": (target, "nunique") for target in labels},
    )
    return counted.reset_index()
