"""How good timelines are; timelines in, numbers out. Percentages, 0 to 100.

Frame accuracy, edit score and segmental F1 look at labels of frames, at a fixed rate, one label a frame. `BACKGROUND`
is a label for frame accuracy, and no segment for edit score and F1. Shapes: `F` frames.

Average precision looks at segments as they are; it is that of `core/metrics/detection.py`.

Sources: MS-TCN, arXiv:1903.01945, with the definitions of its published evaluation; Lea et al., arXiv:1611.05267.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.detection import mean_over_labels
from egoact.core.timelines import viterbi
from egoact.core.timelines.timeline import TIMELINE_TARGETS, Label, Timeline, TimelineTarget
from egoact.core.timelines.viterbi import Counts, Run

BACKGROUND = -1
OVERLAPS = (10, 25, 50)  # percent of intersection over union
SHARES = tuple(overlap / 100 for overlap in OVERLAPS)
FRAMES_PER_SECOND = 30.0

FrameLabels = npt.NDArray[np.int64]


def frame_accuracy(predicted: FrameLabels, truth: FrameLabels) -> float:
    """Share of frames with the right label, background included.

    >>> frame_accuracy(np.array([0, 0, 1, -1]), np.array([0, 1, 1, -1]))
    75.0
    """
    _check_frames(predicted, truth)
    return 100 * (_count_right(predicted, truth) / len(truth))


def edit_score(predicted: FrameLabels, truth: FrameLabels) -> float:
    """100 (1 - d / n): d is the Levenshtein distance between the orders of segments, n the longer one's length.

    It sees over-segmentation, and no shift in time. Background is left out; nothing against nothing is 100.

    >>> edit_score(np.array([0, 0, 1, 0]), np.array([0, 1, 1, 1]))  # 0 1 0 against 0 1
    66.66666666666667
    """
    _check_frames(predicted, truth)
    return compare_order(runs(predicted), runs(truth))


def compare_order(found: Sequence[Run], wanted: Sequence[Run]) -> float:
    """The edit score of segments as `runs` gives them."""
    if not found and not wanted:
        return 100.0
    distance = _levenshtein(*([label for _, _, label in side] for side in (found, wanted)))
    return float(100 * (1 - distance / max(len(found), len(wanted))))


def segmental_f1(pairs: Sequence[tuple[FrameLabels, FrameLabels]], *, overlap: float) -> float:
    """F1 of segments, a hit being one that overlaps a true one of its label, which no other has hit before.

    Segments are taken in order of time; each looks at the true segment of its label with the largest intersection
    over union, and at that one only. Counts are summed over the recordings. Without any segment at all it is 100.

    `pairs` are predicted and true labels of each recording, `overlap` is the least intersection over union, in percent.
    """
    if not pairs or not 0 < overlap <= 100:
        raise ValueError(f"{len(pairs)} recordings and overlap {overlap}; at least one, and a percentage, are needed")
    hits = num_found = num_wanted = 0
    for predicted, truth in pairs:
        _check_frames(predicted, truth)
        found, wanted = runs(predicted), runs(truth)
        hits += int(count_hits(found, wanted, [overlap / 100])[0])
        num_found, num_wanted = num_found + len(found), num_wanted + len(wanted)
    return _f1(hits, num_found + num_wanted)


def runs(labels: FrameLabels) -> list[Run]:
    """Equal neighbours put together, without background: (first frame, frame after the last, label)."""
    return viterbi.runs(labels, background=BACKGROUND)


def mean_average_precision(
    predicted: Mapping[str, Timeline], truth: Mapping[str, Timeline], target: TimelineTarget
) -> dict[str, float]:
    """Mean over classes of their average precision: {"0.1": ..., "0.2": ..., "mean": ...}; timelines by video_id."""
    found, wanted = (
        [(label, video, segment) for video, timeline in side.items() for segment, label in timeline.labelled(target)]
        for side in (predicted, truth)
    )
    if not wanted:
        raise ValueError(f"none of the true segments has a {target}")
    answers = [(label, (video, *segment.span, segment.confidence)) for label, video, segment in found]
    return mean_over_labels(answers, [(label, (video, *segment.span)) for label, video, segment in wanted])


def frame_labels(
    timeline: Timeline, target: TimelineTarget, ids: Mapping[Label, int], *, num_frames: int, rate: float
) -> FrameLabels:
    """The label of every frame, int64 (F,): that of the segment which its middle is in, `BACKGROUND` in none.

    Where segments overlap, the one that began last counts.
    """
    labels = np.full(num_frames, BACKGROUND, dtype=np.int64)
    known = list(timeline.labelled(target))
    spans = np.array([segment.span for segment, _ in known]).reshape(-1, 2)
    frames = np.ceil(np.round(spans * rate - 0.5, 6)).astype(np.int64)
    for (start, stop), (_, label) in zip(frames.tolist(), known, strict=True):
        labels[max(start, 0) : stop] = ids[label]
    return labels


@dataclass(frozen=True, eq=False)
class FrameCounts:
    """What frame accuracy, edit score and F1 of several recordings are made of, counted in one of them."""

    num_right: int
    num_frames: int
    num_segments: int  # of both sides
    hits: Counts  # at each of `OVERLAPS`
    edit: float

    @classmethod
    def of(cls, predicted: FrameLabels, truth: FrameLabels) -> "FrameCounts":
        """Count in labels of frames, (F,) each."""
        _check_frames(predicted, truth)
        found, wanted = runs(predicted), runs(truth)
        hits = count_hits(found, wanted, SHARES)
        edit = compare_order(found, wanted)
        return cls(_count_right(predicted, truth), len(truth), len(found) + len(wanted), hits, edit)


def measure_frames(counts: Sequence[FrameCounts]) -> dict[str, Any]:
    """frame_accuracy, edit and f1 of recordings, one at least, as `evaluate_timelines` has them."""
    num_segments = sum(each.num_segments for each in counts)
    hits = np.sum([each.hits for each in counts], axis=0).tolist()
    return {
        "frame_accuracy": 100 * (sum(each.num_right for each in counts) / sum(each.num_frames for each in counts)),
        "edit": float(np.mean([each.edit for each in counts])),
        "f1": {str(o): _f1(count, num_segments) for o, count in zip(OVERLAPS, hits, strict=True)},
    }


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
    its timeline says, or as its last action. Both sides are video_id -> timeline; different videos, none at all, or
    nothing labelled are a `ValueError`.
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
        pairs = [frame_pair(predicted[video], truth[video], target, rate) for video in truth]
        measured = measure_frames([FrameCounts.of(*pair) for pair in pairs])
        metrics[target] = measured | {"map": mean_average_precision(predicted, truth, target)}
        wanted = np.concatenate([true for _, true in pairs])
        background[target] = {"frame_accuracy": frame_accuracy(np.full_like(wanted, BACKGROUND), wanted)}
    return metrics | {"baselines": {"background": background}}


def frame_pair(
    predicted: Timeline, truth: Timeline, target: TimelineTarget, rate: float
) -> tuple[FrameLabels, FrameLabels]:
    """Found and true labels of every frame of a recording, as long as the longer of the two."""
    both = (predicted, truth)
    num_frames = max(round(max(timeline.end_seconds for timeline in both) * rate), 1)
    known = dict.fromkeys(label for timeline in both for _, label in timeline.labelled(target))
    ids = {label: number for number, label in enumerate(known)}
    found, wanted = (frame_labels(t, target, ids, num_frames=num_frames, rate=rate) for t in both)
    return found, wanted


def known_targets(predicted: Mapping[str, Timeline], truth: Mapping[str, Timeline]) -> list[TimelineTarget]:
    """What the truth knows and timelines speak of; those without any action speak of everything."""

    def has(timelines: Mapping[str, Timeline], target: TimelineTarget) -> bool:
        return any(True for timeline in timelines.values() for _ in timeline.labelled(target))

    is_silent = not any(map(len, predicted.values()))
    return [t for t in TIMELINE_TARGETS if has(truth, t) and (is_silent or has(predicted, t))]


def _check_frames(predicted: FrameLabels, truth: FrameLabels) -> None:
    if predicted.ndim != 1 or predicted.shape != truth.shape or not len(truth):
        raise ValueError(f"labels of shape {predicted.shape} against {truth.shape}; (frames,), at least one, the same")


def count_hits(found: Sequence[Run], wanted: Sequence[Run], least: Sequence[float]) -> Counts:
    """True segments that are hit, see `segmental_f1`, at each of some least overlaps, which are shares.

    Segments of one side are in order of time and do not overlap each other, as those of `runs`.
    """
    if not found or not wanted:
        return np.zeros(len(least), dtype=np.int64)
    (starts, stops, labels), (true_starts, true_stops, true_labels) = np.array(found).T, np.array(wanted).T
    first = np.searchsorted(true_stops, starts, side="right")
    meets = np.searchsorted(true_starts, stops, side="left") - first
    one = np.repeat(np.arange(len(found)), meets)
    other = np.arange(meets.sum()) + np.repeat(first - np.cumsum(meets) + meets, meets)
    shared = np.minimum(stops[one], true_stops[other]) - np.maximum(starts[one], true_starts[other])
    united = (stops - starts)[one] + (true_stops - true_starts)[other] - shared
    overlaps = np.where(labels[one] == true_labels[other], shared / united, 0.0)
    order = np.lexsort((-overlaps, one))  # which leaves equals in order of time
    best = order[np.unique(one[order], return_index=True)[1]]
    return np.array([len(np.unique(other[best][overlaps[best] >= share])) for share in least])


def _count_right(predicted: FrameLabels, truth: FrameLabels) -> int:
    return int(np.count_nonzero(predicted == truth))


def _f1(hits: int, num_segments: int) -> float:
    """2 P R / (P + R) with P = hits / found, R = hits / wanted, of so many segments of both sides."""
    return 200 * hits / num_segments if num_segments else 100.0


def _levenshtein(a: list[int], b: list[int]) -> int:
    """Fewest insertions, deletions and replacements that make `b` of `a`."""
    for _ in range(2):  # what both begin or end with costs nothing
        same = next((number for number, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        a, b = a[same:][::-1], b[same:][::-1]
    columns, other = np.arange(len(b) + 1), np.array(b, dtype=np.int64)
    row = columns
    for number, label in enumerate(a, 1):
        replaced_or_deleted = np.minimum(row[:-1] + (other != label), row[1:] + 1)
        best = np.concatenate([[number], replaced_or_deleted])
        row = np.minimum.accumulate(best - columns) + columns  # and then any number of insertions
    return int(row[-1])
