"""Average precision of action segments; timelines in, numbers out. Percentages, 0 to 100.

As in ActivityNet's and EPIC-KITCHENS' action detection: predictions of a class, the most confident first, each take
the true segment of their video with the highest temporal intersection over union that is still free; precision is
interpolated to be never rising; classes are those that occur in the truth, and count the same.

Sources: ActivityNet, Caba Heilbron et al. 2015; Rescaling Egocentric Vision, arXiv:2006.13256, section 4.3.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.timeline import Label, Timeline, TimelineTarget

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
_TOLERANCE = 1e-9

Floats = npt.NDArray[np.float64]
Spans = Mapping[str, list[tuple[float, float]]]
Answers = Sequence[tuple[str, float, float, float]]


def mean_average_precision(
    predicted: Mapping[str, Timeline],
    truth: Mapping[str, Timeline],
    target: TimelineTarget,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, float]:
    """Mean over classes of their average precision: {"0.1": ..., "0.2": ..., "mean": ...}.

    Args:
        predicted: video_id -> timeline with confidences.
        truth: video_id -> timeline.
        target: Which labels.
        thresholds: Least temporal intersection over union of a hit.

    Raises:
        ValueError: The truth has no label of this target.
    """
    answers: dict[Label, list[tuple[str, float, float, float]]] = {}
    for video, timeline in predicted.items():
        for segment in timeline:
            if (label := segment.label(target)) is not None:
                span = (segment.start_seconds, segment.stop_seconds)
                answers.setdefault(label, []).append((video, *span, segment.confidence))
    wanted: dict[Label, dict[str, list[tuple[float, float]]]] = {}
    for video, timeline in truth.items():
        for segment in timeline:
            if (label := segment.label(target)) is not None:
                of_video = wanted.setdefault(label, {}).setdefault(video, [])
                of_video.append((segment.start_seconds, segment.stop_seconds))
    if not wanted:
        raise ValueError(f"none of the true segments has a {target}")
    means = {
        f"{threshold:g}": float(
            np.mean([average_precision(answers.get(c, []), wanted[c], least=threshold) for c in wanted])
        )
        for threshold in thresholds
    }
    return means | {"mean": float(np.mean(list(means.values())))}


def average_precision(answers: Answers, truth: Spans, *, least: float) -> float:
    """Average precision of one class.

    Args:
        answers: (video, start, stop, confidence) each; equal confidences keep this order.
        truth: video -> (start, stop) of its segments; at least one.
        least: Temporal intersection over union of a hit.

    >>> answers = [("a", 0, 4, 0.9), ("a", 8, 9, 0.8), ("a", 10, 14, 0.7)]
    >>> average_precision(answers, {"a": [(0, 4), (10, 14)]}, least=0.5)
    83.33333333333333
    """
    is_free = {video: np.ones(len(spans), dtype=bool) for video, spans in truth.items()}
    is_hit = np.zeros(len(answers), dtype=bool)
    ranked = sorted(answers, key=lambda answer: -answer[3])
    for position, (video, start, stop, _) in enumerate(ranked):
        if video not in truth:
            continue
        overlaps = np.where(is_free[video], temporal_overlaps(start, stop, truth[video]), -1.0)
        best = int(np.argmax(overlaps))
        if overlaps[best] >= least - _TOLERANCE:
            is_free[video][best], is_hit[position] = False, True
    num_true = sum(map(len, truth.values()))
    hits = np.cumsum(is_hit)
    precision = hits / np.arange(1, len(ranked) + 1)
    interpolated = np.maximum.accumulate(precision[::-1])[::-1]
    return float(100 * interpolated[is_hit].sum() / num_true)


def temporal_overlaps(start: float, stop: float, spans: Sequence[tuple[float, float]]) -> Floats:
    """Intersection over union of [start, stop) with each of some spans."""
    starts, stops = np.array(spans, dtype=np.float64).T
    shared = np.maximum(np.minimum(stop, stops) - np.maximum(start, starts), 0)
    result: Floats = shared / ((stop - start) + (stops - starts) - shared)
    return result
