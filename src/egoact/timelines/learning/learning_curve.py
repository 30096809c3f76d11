"""How much must be labelled: segmenters trained on growing numbers of recordings, and asked about others.

    recordings   a b c d e f g h        h is asked about by trainings on a, on a b, on a b c d, on all seven; and so on

Each recording is left out once. What is measured is a mean over recordings; its interval, and that of what more labels
would give, come from drawing recordings anew (bootstrap), with the curve fitted to each draw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.comparison import interval
from egoact.core.metrics.power_law import PowerLaw, fit_power_law
from egoact.core.timelines.metrics import FRAMES_PER_SECOND, edit_score, frame_accuracy, frame_pair, segmental_f1
from egoact.core.timelines.timeline import Timeline, TimelineTarget
from egoact.timelines.learning.segmenter_training import SegmenterTraining, answer_held_out, learn_rules
from egoact.timelines.segmenter import name_actions

Measured = Mapping[int, Mapping[str, Sequence[float]]]
"""Number of recordings -> recording that was asked about -> quality, one value a training."""

Metric = Literal["f1_25", "f1_50", "edit", "frame_accuracy"]
METRIC_NAMES: dict[Metric, str] = {
    "f1_25": "F1@25",
    "f1_50": "F1@50",
    "edit": "edit score",
    "frame_accuracy": "frame accuracy",
}
LEAST_RECORDINGS = 4
_MOST_FOLDS = 12
_NUM_DRAWS = 400


@dataclass(frozen=True)
class Trial:
    """One training: the recordings that it learns from, and those that it is asked about."""

    learned: tuple[str, ...]
    asked: tuple[str, ...]


def plan_trials(video_ids: Sequence[str], *, repetitions: int, seed: int) -> list[Trial]:
    """Trainings on 1, 2, 4, ... recordings and on all others, for each recording (or group of some) that is left out.

    Of each size there are some draws; less than `LEAST_RECORDINGS` recordings are a `ValueError`.
    """
    names = list(dict.fromkeys(video_ids))
    if len(names) < LEAST_RECORDINGS:
        raise ValueError(f"{len(names)} labelled recordings; a learning curve needs {LEAST_RECORDINGS} at least")
    random = np.random.default_rng(seed)
    order = [names[i] for i in random.permutation(len(names))]
    num_folds = min(len(order), _MOST_FOLDS)
    trials = []
    for first in range(num_folds):
        asked = tuple(order[first::num_folds])
        others = [name for name in order if name not in asked]
        for size in curve_sizes(len(others)):
            for _ in range(repetitions if size < len(others) else 1):
                learned = sorted(random.choice(len(others), size, replace=False))
                trials.append(Trial(tuple(others[i] for i in learned), asked))
    return trials


def curve_sizes(most: int) -> list[int]:
    """1, 2, 4, ... and the most.

    >>> curve_sizes(11)
    [1, 2, 4, 8, 11]
    """
    sizes = [2**power for power in range(most.bit_length()) if 2**power < most]
    return [*sizes, most]


def run_trials(
    work: SegmenterTraining,
    trials: Sequence[Trial],
    table: SegmentTable,
    *,
    metric: Metric,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[int, dict[str, list[float]]]:
    """Number of recordings -> recording that was asked about -> quality, one value a training; `advance(1)` after each.

    What is measured is that of actions, where verb and noun are known, else of the only target.
    """
    vocabularies = work.config.vocabularies
    target: TimelineTarget = "action" if len(vocabularies) > 1 else next(iter(vocabularies))
    names = {each.video_id for each in work.stretches}
    found: dict[int, dict[str, list[float]]] = {}
    for trial in trials:
        fitted = work.fit(without=names.difference(trial.learned), members=1)
        seen = table.select(lambda segment, learned=trial.learned: segment.video_id in learned)
        of_them = [each for each in work.stretches if each.video_id in trial.asked]
        rules = learn_rules(seen, vocabularies, rate=fitted.config.steps_per_second)
        for held in answer_held_out(fitted, of_them, table, seen):
            video_id = held.truth.video_id
            timeline, _ = name_actions(held.scores, rules, vocabularies, video_id=video_id)
            quality = measure(timeline, held.truth, target, metric)
            found.setdefault(len(trial.learned), {}).setdefault(video_id, []).append(quality)
        advance(1)
    return found


def measure(found: Timeline, truth: Timeline, target: TimelineTarget, metric: Metric) -> float:
    """Quality of one timeline, 0 to 100."""
    pair = frame_pair(found, truth, target, FRAMES_PER_SECOND)
    if metric == "frame_accuracy":
        return frame_accuracy(*pair)
    if metric == "edit":
        return edit_score(*pair)
    return segmental_f1([pair], overlap=25 if metric == "f1_25" else 50)


def summarize_curve(measured: Measured, *, metric: Metric, seed: int) -> dict[str, Any]:
    """What `learning_curve.json` says of what `run_trials` gives: points with 95 % intervals, and a verdict.

    {"metric", "measured": [{"num_recordings", "value", "low", "high"}, ...], "extrapolated": [...], "verdict"}
    """
    sizes = sorted(measured)
    videos = sorted({video for of_size in measured.values() for video in of_size})
    means = np.array([[np.mean(measured[size].get(video, [np.nan])) for video in videos] for size in sizes])
    most = sizes[-1] + 1  # a run is trained on all of them, not on all but one
    wanted = sorted({*sizes, most, *(round(most * factor) for factor in (1.5, 2, 3, 4))})
    random = np.random.default_rng(seed)
    curves, points = [], []
    for _ in range(_NUM_DRAWS):
        drawn = np.nanmean(means[:, random.integers(len(videos), size=len(videos))], axis=1)
        if np.isnan(drawn).any():
            continue
        points.append(drawn)
        curves.append(_fit(sizes, drawn)(wanted))
    center = np.nanmean(means, axis=1)
    law = _fit(sizes, center)
    extrapolated = [
        _point(size, float(law([size])[0]), [curve[wanted.index(size)] for curve in curves])
        for size in wanted
        if size >= most
    ]
    return {
        "metric": METRIC_NAMES[metric],
        "measured": [
            _point(n, float(v), [p[i] for p in points]) for i, (n, v) in enumerate(zip(sizes, center, strict=True))
        ],
        "extrapolated": extrapolated,
        "verdict": _verdict(METRIC_NAMES[metric], most, extrapolated),
    }


def _fit(sizes: Sequence[int], values: np.ndarray) -> PowerLaw:
    return fit_power_law(sizes, values.tolist(), weights=np.sqrt(sizes).tolist())


def _point(size: int, value: float, draws: Sequence[float]) -> dict[str, Any]:
    sure = interval(np.clip(draws, 0, 100)) if draws else {"low": None, "high": None}
    return {"num_recordings": size, "value": min(max(value, 0.0), 100.0), **sure}


def _verdict(name: str, most: int, points: Sequence[Mapping[str, Any]]) -> str:
    now, double = points[0], next(p for p in points if p["num_recordings"] == 2 * most)
    gain = double["value"] - now["value"]
    said = (
        f"With all {most} recordings {name} is about {now['value']:.0f} ({now['low']:.0f} to {now['high']:.0f}); "
        f"with {2 * most} it would be about {double['value']:.0f} ({double['low']:.0f} to {double['high']:.0f})."
    )
    if gain < 1:
        return f"{said} More recordings of this kind will hardly help."
    return f"{said} Labelling as many again gains about {gain:.0f}."
