"""How good timelines are; timelines in, numbers out. Percentages, 0 to 100.

Frame accuracy, edit score and segmental F1 look at labels of frames, at a fixed rate, one label a frame; `detection`
looks at segments as they are. `BACKGROUND` is a label for frame accuracy, and no segment for edit score and F1.

Sources: MS-TCN, arXiv:1903.01945, with the definitions of its published evaluation; Lea et al., arXiv:1611.05267.

Shapes: `F` frames.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.detection import THRESHOLDS, mean_average_precision
from egoact.core.timelines.timeline import Label, Timeline, TimelineTarget

BACKGROUND = -1
OVERLAPS = (10, 25, 50)  # percent of intersection over union
FRAMES_PER_SECOND = 30.0

FrameLabels = npt.NDArray[np.int64]
Run = tuple[int, int, int]


def frame_accuracy(predicted: FrameLabels, truth: FrameLabels) -> float:
    """Share of frames with the right label, background included.

    Raises:
        ValueError: Arrays of different shapes, or without frames.

    >>> frame_accuracy(np.array([0, 0, 1, -1]), np.array([0, 1, 1, -1]))
    75.0
    """
    _check_frames(predicted, truth)
    return float(100 * np.mean(predicted == truth))


def edit_score(predicted: FrameLabels, truth: FrameLabels) -> float:
    """100 (1 - d / n): d is the Levenshtein distance between the orders of segments, n the longer one's length.

    It sees over-segmentation, and no shift in time. Background is left out; nothing against nothing is 100.

    Raises:
        ValueError: Arrays of different shapes, or without frames.

    >>> edit_score(np.array([0, 0, 1, 0]), np.array([0, 1, 1, 1]))  # 0 1 0 against 0 1
    66.66666666666667
    """
    _check_frames(predicted, truth)
    found, wanted = ([label for _, _, label in runs(labels)] for labels in (predicted, truth))
    if not found and not wanted:
        return 100.0
    return float(100 * (1 - _levenshtein(found, wanted) / max(len(found), len(wanted))))


def segmental_f1(pairs: Sequence[tuple[FrameLabels, FrameLabels]], *, overlap: float) -> float:
    """F1 of segments, a hit being one that overlaps a true one of its label, which no other has hit before.

    Segments are taken in order of time; each looks at the true segment of its label with the largest intersection
    over union, and at that one only. Counts are summed over the recordings. Without any segment at all it is 100.

    Args:
        pairs: Predicted and true labels of the frames of each recording, (F,) each.
        overlap: Least intersection over union, percent.

    Raises:
        ValueError: Arrays of different shapes or without frames, no pairs, or an overlap outside 0 to 100.
    """
    if not pairs or not 0 < overlap <= 100:
        raise ValueError(f"{len(pairs)} recordings and overlap {overlap}; at least one, and a percentage, are needed")
    hits = num_found = num_wanted = 0
    for predicted, truth in pairs:
        _check_frames(predicted, truth)
        found, wanted = runs(predicted), runs(truth)
        hits += _count_hits(found, wanted, overlap / 100)
        num_found, num_wanted = num_found + len(found), num_wanted + len(wanted)
    # 2 P R / (P + R) with P = hits / found and R = hits / wanted.
    return 200 * hits / (num_found + num_wanted) if num_found + num_wanted else 100.0


def runs(labels: FrameLabels) -> list[Run]:
    """Equal neighbours put together, without background: (first frame, frame after the last, label).

    >>> runs(np.array([-1, 2, 2, -1, 1]))
    [(1, 3, 2), (4, 5, 1)]
    """
    if not len(labels):
        return []
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    found = [(start, stop, int(labels[start])) for start, stop in zip(edges, edges[1:], strict=False)]
    return [run for run in found if run[2] != BACKGROUND]


def frame_labels(
    timeline: Timeline, target: TimelineTarget, ids: Mapping[Label, int], *, num_frames: int, rate: float
) -> FrameLabels:
    """The label of every frame, int64 (F,): that of the segment which its middle is in, `BACKGROUND` in none.

    Where segments overlap, the one that began last counts.
    """
    labels = np.full(num_frames, BACKGROUND, dtype=np.int64)
    for segment in timeline:
        if (label := segment.label(target)) is not None:
            start, stop = (np.ceil(np.round(t * rate - 0.5, 6)) for t in (segment.start_seconds, segment.stop_seconds))
            labels[int(max(start, 0)) : int(stop)] = ids[label]
    return labels


def evaluate_timelines(
    predicted: Mapping[str, Timeline],
    truth: Mapping[str, Timeline],
    *,
    targets: Sequence[TimelineTarget],
    rate: float = FRAMES_PER_SECOND,
) -> dict[str, Any]:
    """Everything that `metrics.json` says of timelines, in its layout.

        {"num_videos", "num_segments", "frames_per_second",
         "verb": {"frame_accuracy", "edit", "f1": {"10", "25", "50"}, "map": {"0.1", ..., "0.5", "mean"}}, ...,
         "baselines": {"background": {"verb": {"frame_accuracy"}, ...}}}

    Accuracy is over all frames, F1 over all segments, the edit score a mean over recordings. A recording is as long as
    its timeline says, or as its last action.

    Args:
        predicted: video_id -> timeline.
        truth: The same keys.
        targets: What to measure.
        rate: Frames per second.

    Raises:
        ValueError: Different videos, none at all, or nothing labelled.
    """
    if not truth or predicted.keys() != truth.keys():
        raise ValueError(f"timelines of {sorted(predicted)} against labels of {sorted(truth)}; the same are needed")
    metrics: dict[str, Any] = {
        "num_videos": len(truth),
        "num_segments": sum(map(len, truth.values())),
        "frames_per_second": rate,
    }
    background: dict[str, Any] = {}
    for target in targets:
        pairs = [_frame_pair(predicted[video], truth[video], target, rate) for video in truth]
        metrics[target] = _measure_frames(pairs) | {"map": mean_average_precision(predicted, truth, target, THRESHOLDS)}
        every = np.concatenate([wanted for _, wanted in pairs])
        background[target] = {"frame_accuracy": frame_accuracy(np.full_like(every, BACKGROUND), every)}
    return metrics | {"baselines": {"background": background}}


def _measure_frames(pairs: Sequence[tuple[FrameLabels, FrameLabels]]) -> dict[str, Any]:
    predicted, truth = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return {
        "frame_accuracy": frame_accuracy(predicted, truth),
        "edit": float(np.mean([edit_score(*pair) for pair in pairs])),
        "f1": {str(overlap): segmental_f1(pairs, overlap=overlap) for overlap in OVERLAPS},
    }


def _frame_pair(
    predicted: Timeline, truth: Timeline, target: TimelineTarget, rate: float
) -> tuple[FrameLabels, FrameLabels]:
    both = (predicted, truth)
    ends = [t.last_stop_seconds if t.duration_seconds is None else t.duration_seconds for t in both]
    num_frames = max(round(max(ends) * rate), 1)
    known = [label for timeline in both for segment in timeline if (label := segment.label(target)) is not None]
    ids = {label: number for number, label in enumerate(dict.fromkeys(known))}
    found, wanted = (frame_labels(t, target, ids, num_frames=num_frames, rate=rate) for t in both)
    return found, wanted


def _check_frames(predicted: FrameLabels, truth: FrameLabels) -> None:
    if predicted.ndim != 1 or predicted.shape != truth.shape or not len(truth):
        raise ValueError(f"labels of shape {predicted.shape} against {truth.shape}; (frames,), at least one, the same")


def _count_hits(found: Sequence[Run], wanted: Sequence[Run], least: float) -> int:
    if not wanted:
        return 0
    starts, stops, labels = (np.array(column) for column in zip(*wanted, strict=True))
    is_hit = np.zeros(len(wanted), dtype=bool)
    for start, stop, label in found:
        shared = np.minimum(stop, stops) - np.maximum(start, starts)
        together = np.maximum(stop, stops) - np.minimum(start, starts)
        overlaps = np.where(labels == label, shared / together, 0.0)
        best = int(np.argmax(overlaps))
        if overlaps[best] >= least and not is_hit[best]:
            is_hit[best] = True
    return int(is_hit.sum())


def _levenshtein(a: Sequence[int], b: Sequence[int]) -> int:
    """Fewest insertions, deletions and replacements that make `b` of `a`."""
    columns, other = np.arange(len(b) + 1), np.array(b, dtype=np.int64)
    row = columns
    for number, label in enumerate(a, 1):
        replaced_or_deleted = np.minimum(row[:-1] + (other != label), row[1:] + 1)
        best = np.concatenate([[number], replaced_or_deleted])
        row = np.minimum.accumulate(best - columns) + columns  # and then any number of insertions
    return int(row[-1])
