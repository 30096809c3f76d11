"""Action detection as ActivityNet and the EPIC-KITCHENS challenge score it: times and classes in, percentages out.

Average precision looks at segments as they are. Answers of a class, the most confident first, each take the true
segment of their recording with the highest temporal intersection over union that is still free; precision is
interpolated to be never rising. Classes are those that occur in the truth, and count the same; answers of other
classes are left out.

Shapes: `D` answers, `N` true segments, `T` thresholds.

Sources: ActivityNet, Caba Heilbron et al. 2015; Rescaling Egocentric Vision, arXiv:2006.13256, section 4.3.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.accuracy import Labels

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)  # least temporal intersection over union of a hit
_TOLERANCE = 1e-9

Span = tuple[float, float]
Answer = tuple[str, float, float, float]  # recording, start, stop, confidence
Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Detections:
    """Actions that were found, in the three lists of the challenge at once: one score for verb, noun and both.

    Arrays that do not fit, times that are no interval, and numbers that are not finite are a `ValueError`.
    """

    video_ids: tuple[str, ...]  # the recordings that were looked at, also those without any action
    videos: Classes  # (D,), which of them each answer is in
    spans: Floats  # (D, 2), where each begins and ends, seconds
    verbs: Classes  # (D,), class ids
    nouns: Classes
    scores: Floats  # (D,), any scale, higher is surer

    def __post_init__(self) -> None:
        shapes = {self.videos.shape, self.verbs.shape, self.nouns.shape, self.scores.shape, self.spans.shape[:1]}
        if len(shapes) > 1 or self.spans.shape[1:] != (2,):
            raise ValueError(f"spans {self.spans.shape} do not fit arrays of {sorted(shapes)}; (D, 2) and (D,)")
        if not (np.isfinite(self.spans).all() and np.isfinite(self.scores).all()):
            raise ValueError("times or scores of detections are not finite")
        if len(self) and not ((self.spans[:, 0] >= 0) & (self.spans[:, 0] < self.spans[:, 1])).all():
            raise ValueError("a detection begins before 0, or does not end after it begins")

    def __len__(self) -> int:
        return len(self.scores)


def evaluate_detections(found: Detections, table: SegmentTable, labels: Mapping[str, Labels]) -> dict[str, Any]:
    """Mean average precision in percent, as the challenge has it.

        {"num_videos", "num_segments", "num_detections",
         "verb": {"0.1", "0.2", "0.3", "0.4", "0.5", "mean"}, "noun": {...}, "action": {...}}

    Answers in other recordings than those of the table count as misses. `labels` are "verb" and/or "noun" -> class ids
    of the true segments, (N,); none, or others, are a `ValueError`.
    """
    if not len(table) or not labels or any(values.shape != (len(table),) for values in labels.values()):
        raise ValueError(f"{len(table)} segments; at least one, each with a label, is needed")
    measured: dict[str, Any] = {
        "num_videos": len(table.video_ids),
        "num_segments": len(table),
        "num_detections": len(found),
    }
    names = [found.video_ids[video] for video in found.videos]
    rows = list(zip(names, *found.spans.T.tolist(), found.scores.tolist(), strict=True))
    truth = [(segment.video_id, segment.start_seconds, segment.stop_seconds) for segment in table]
    answers = _with_pairs({"verb": found.verbs, "noun": found.nouns})
    for target, wanted in _with_pairs(labels).items():
        of_target = zip(answers[target], rows, strict=True)
        measured[target] = mean_over_labels(of_target, zip(wanted, truth, strict=True))
    return measured


def summarize_detections(measured: Mapping[str, Any]) -> str:
    """One line: "detection: verb 5.2, noun 4.1, action 3.0 (mAP % at tIoU 0.1 to 0.5, 9,668 segments)"."""
    shown = ", ".join(
        f"{target} {measured[target]['mean']:.2f}" for target in ("verb", "noun", "action") if target in measured
    )
    return f"detection: {shown} (mAP % at tIoU 0.1 to 0.5, {measured['num_segments']:,} segments)"


def mean_over_labels(
    answers: Iterable[tuple[Hashable, Answer]], wanted: Iterable[tuple[Hashable, tuple[str, float, float]]]
) -> dict[str, float]:
    """Mean of the average precision of the labels that are wanted: {"0.1": ..., "0.2": ..., "mean": ...}.

    Wanted are a label with recording, start and stop, one at least; answers have their confidence, too.
    """
    truth: dict[Hashable, dict[str, list[Span]]] = {}
    for label, (video, *span) in wanted:
        truth.setdefault(label, {}).setdefault(video, []).append((span[0], span[1]))
    found: dict[Hashable, list[Answer]] = {label: [] for label in truth}
    for label, answer in answers:
        if label in found:
            found[label].append(answer)
    of_labels = [average_precisions(found[label], truth[label], THRESHOLDS) for label in truth]
    means = {f"{least:g}": float(value) for least, value in zip(THRESHOLDS, np.mean(of_labels, axis=0), strict=True)}
    return means | {"mean": float(np.mean(list(means.values())))}


def average_precisions(
    answers: Sequence[Answer], truth: Mapping[str, Sequence[Span]], thresholds: Sequence[float]
) -> Floats:
    """Average precision of one class, (T,): of answers, against (start, stop) by recording.

    Answers of equal confidence keep their order; a threshold is the intersection over union of a hit.

    >>> answers = [("a", 0, 4, 0.9), ("a", 8, 9, 0.8), ("a", 10, 14, 0.7)]
    >>> average_precisions(answers, {"a": [(0, 4), (10, 14)]}, [0.5]).tolist()
    [83.33333333333333]
    """
    least = np.array(thresholds, dtype=np.float64) - _TOLERANCE
    rows = np.arange(len(least))
    spans = {video: np.array(of_video, dtype=np.float64) for video, of_video in truth.items()}
    is_free = {video: np.ones((len(least), len(of_video)), dtype=bool) for video, of_video in spans.items()}
    is_hit = np.zeros((len(least), len(answers)), dtype=bool)
    ranked = sorted(answers, key=lambda answer: -answer[3])
    for position, (video, start, stop, _) in enumerate(ranked):
        if video not in spans:
            continue
        overlaps = temporal_overlaps(start, stop, spans[video])
        if overlaps.max() < least.min():
            continue
        of_free = np.where(is_free[video], overlaps, -1.0)
        best = of_free.argmax(axis=1)
        hits = of_free[rows, best] >= least
        is_free[video][rows[hits], best[hits]] = False
        is_hit[:, position] = hits
    precision = np.cumsum(is_hit, axis=1) / np.arange(1, len(ranked) + 1)
    interpolated = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result: Floats = 100 * (interpolated * is_hit).sum(axis=1) / sum(map(len, spans.values()))
    return result


def temporal_overlaps(start: float, stop: float, spans: Sequence[Span] | npt.NDArray[Any]) -> Floats:
    """Intersection over union of [start, stop) with each of some spans, (N, 2)."""
    starts, stops = np.asarray(spans, dtype=np.float64).reshape(-1, 2).T
    shared = np.maximum(np.minimum(stop, stops) - np.maximum(start, starts), 0)
    result: Floats = shared / ((stop - start) + (stops - starts) - shared)
    return result


def _with_pairs(labels: Mapping[str, Labels]) -> dict[str, list[Any]]:
    """Of each target the labels, and of verbs and nouns the pairs."""
    known = {target: values.tolist() for target, values in labels.items()}
    return known | ({"action": list(zip(known["verb"], known["noun"], strict=True))} if len(known) > 1 else {})
