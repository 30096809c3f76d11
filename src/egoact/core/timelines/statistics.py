"""What clinicians count in a timeline: how often, how long, how regularly. A timeline in, numbers out.

    |------[stir)---[stir)-[stir)---------[take)-------|
     before      gap      gap         gap        after       gaps: in no action, between the first and the last one
            period  period                                   periods: start to start, in a run of repetitions

`docs/timeline.md` defines each number. Everything is computed from the segments alone, so that the statistics of a
corrected timeline are those of the correction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from egoact.core.defaults import REPETITION_GAP_SECONDS
from egoact.core.timelines.timeline import Timeline, TimelineSegment

FORMAT_VERSION = 1
SIDES = ("left", "right")
COLUMNS = (
    "video_id", "kind", "name", "verb", "noun", "count", "per_hour", "total_seconds", "mean_seconds", "median_seconds",
    "share_of_time", "num_gaps", "mean_gap_seconds", "median_gap_seconds", "longest_gap_seconds", "num_runs",
    "longest_run", "median_period_seconds", "period_iqr_seconds", "hand_use_ratio", "steps_without_hands_share",
)  # fmt: skip
"""Of `statistics.csv`; `kind` is recording, action, verb, noun or hand. The last two are of recordings."""

_TOLERANCE_SECONDS = 1e-3  # a CSV writes times in milliseconds
_DIGITS = 4
OF_A_HAND = ("share_of_time", "mean_duration_seconds", "interactions_per_hour", "num_interactions")
OF_BOTH_HANDS = ("hand_use_ratio", "steps_without_hands_share")

Stretch = tuple[float, float]
Key = tuple[str | None, str | None]

KEYS: dict[str, Callable[[TimelineSegment], Key | None]] = {
    "actions": lambda segment: (segment.verb, segment.noun),
    "verbs": lambda segment: (segment.verb, None) if segment.verb else None,
    "nouns": lambda segment: (None, segment.noun) if segment.noun else None,
}
"""By what occurrences are counted together."""


def compute_statistics(timeline: Timeline, *, repetition_gap_seconds: float = REPETITION_GAP_SECONDS) -> dict[str, Any]:
    """Everything that is counted in a timeline, as JSON can say it, rounded to four digits.

        {"format_version": 1, "duration_seconds", "repetition_gap_seconds",
         "num_actions", "busy_seconds", "hands_busy_share", "before_first_seconds", "after_last_seconds",
         "gaps": {"count", "total_seconds", "median_seconds", "stretches": [[start, stop], ...]},
         "actions": [{"name", "verb", "noun", "segments": [0, 3, ...],
                      "count", "per_hour", "total_seconds", "mean_seconds", "median_seconds", "share_of_time",
                      "gaps": {"count", "mean_seconds", "median_seconds", "longest_seconds"},
                      "repetitions": {"runs": [[0, 3], ...], "longest", "median_period_seconds",
                                      "period_iqr_seconds"}}, ...],
         "verbs": [...], "nouns": [...],
         "transitions": [{"from", "to", "count", "segments": [0, ...]}, ...]}

    Segments are given by their numbers in the timeline, so that each number can be traced to its clips; a transition
    by the number of the earlier one of its two. Of entries the one with the longest total comes first. What cannot be
    known is None: shares, rates and `after_last_seconds` where the duration of the recording is not known, means and
    medians of nothing. A gap below 0, the longest between two repetitions in a row, is a `ValueError`.
    """
    if not 0 <= repetition_gap_seconds < np.inf:
        raise ValueError(f"a gap of {repetition_gap_seconds} s between repetitions; at least 0 is needed")
    busy = merge_stretches(timeline)
    gaps = [(stop, start) for (_, stop), (start, _) in pairwise(busy)]
    gap_seconds = [stop - start for start, stop in gaps]
    duration, busy_seconds = timeline.duration_seconds, sum(stop - start for start, stop in busy)
    after = None if duration is None else max(0.0, duration - timeline.last_stop_seconds)

    def entries(key_of: Callable[[TimelineSegment], Key | None]) -> list[dict[str, Any]]:
        keys = [key_of(segment) for segment in timeline]
        runs = _find_runs(timeline, keys, repetition_gap_seconds)
        numbers: dict[Key, list[int]] = {}
        for number, key in enumerate(keys):
            if key is not None:
                numbers.setdefault(key, []).append(number)
        made = [_entry(timeline, key, found, runs.get(key, [])) for key, found in numbers.items()]
        return sorted(made, key=lambda entry: (-entry["total_seconds"], entry["name"]))

    statistics = {
        "format_version": FORMAT_VERSION,
        "duration_seconds": duration,
        "repetition_gap_seconds": repetition_gap_seconds,
        "num_actions": len(timeline),
        "busy_seconds": busy_seconds,
        "hands_busy_share": _share(busy_seconds, duration),
        "before_first_seconds": busy[0][0] if busy else None,
        "after_last_seconds": after if busy else None,
        "gaps": {
            "count": len(gaps),
            "total_seconds": sum(gap_seconds, 0.0),
            "median_seconds": _median(gap_seconds),
            "stretches": gaps,
        },
        **{kind: entries(key_of) for kind, key_of in KEYS.items()},
        "transitions": _count_transitions(timeline),
    }
    rounded: dict[str, Any] = _round(statistics)
    return rounded


def statistics_rows(
    video_id: str, statistics: Mapping[str, Any], *, hands: Mapping[str, Any] | None = None
) -> list[list[Any]]:
    """The rows of `statistics.csv`, in the order of `COLUMNS`, without its heading; None where nothing is known."""
    gaps = statistics["gaps"]
    durations = {"count": statistics["num_actions"], "total_seconds": statistics["busy_seconds"]}
    durations |= {"share_of_time": statistics["hands_busy_share"], "num_gaps": gaps["count"]}
    if gaps["count"]:
        durations["mean_gap_seconds"] = round(gaps["total_seconds"] / gaps["count"], _DIGITS)
        durations["longest_gap_seconds"] = round(max(b - a for a, b in gaps["stretches"]), _DIGITS)
    if hands is not None:
        durations |= {name: hands[name] for name in OF_BOTH_HANDS}
    found = [{"kind": "recording", "name": video_id, "median_gap_seconds": gaps["median_seconds"]} | durations]
    for kind in ("action", "verb", "noun"):
        for entry in statistics[f"{kind}s"]:
            between, repetitions = entry["gaps"], entry["repetitions"]
            found.append(
                entry
                | {"kind": kind, "num_gaps": between["count"], "num_runs": len(repetitions["runs"])}
                | {f"{which}_gap_seconds": between[f"{which}_seconds"] for which in ("mean", "median", "longest")}
                | {"longest_run": repetitions["longest"]}
                | {name: repetitions[name] for name in ("median_period_seconds", "period_iqr_seconds")}
            )
    for side, part in () if hands is None else ((side, hands[side]) for side in SIDES):
        row = {"kind": "hand", "name": side, "count": part["num_interactions"], "share_of_time": part["share_of_time"]}
        found.append(row | {"per_hour": part["interactions_per_hour"], "mean_seconds": part["mean_duration_seconds"]})
    return [[video_id, *(row.get(column) for column in COLUMNS[1:])] for row in found]


def check_hands(hands: Mapping[str, Any]) -> Mapping[str, Any]:
    """Measures of each hand, as `timeline.json` holds them under "hands"; given back as they are.

        {"left": {"share_of_time", "mean_duration_seconds", "interactions_per_hour", "num_interactions"},
         "right": {...}, "hand_use_ratio": 0.8, "steps_without_hands_share": 0.06}

    Shares are 0 to 1; a number that is not known is None. Each hand may also tell its "interactions", [start, stop] in
    seconds; other keys are left alone. What is missing or impossible is a `ValueError`.
    """
    parts: list[tuple[str, Mapping[str, Any]]] = [(name, hands) for name in OF_BOTH_HANDS]
    for side in SIDES:
        if not isinstance(part := hands.get(side), Mapping):
            raise ValueError(f"hands say nothing of the {side} one")
        parts += [(name, part) for name in OF_A_HAND]
        stretches = part.get("interactions", [])
        if not isinstance(stretches, (list, tuple)) or not all(map(_is_stretch, stretches)):
            raise ValueError(f"interactions of the {side} hand are no list of [start, stop] in seconds")
    for name, part in parts:
        if name not in part:
            raise ValueError(f"hands say nothing of {name}")
        if part[name] is not None and not _is_number(part[name]):
            raise ValueError(f"{name} of hands is {part[name]!r}, and no number from 0")
    return hands


def _is_stretch(one: Any) -> bool:
    return isinstance(one, (list, tuple)) and len(one) == 2 and all(map(_is_number, one)) and one[0] < one[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < np.inf


def merge_stretches(segments: Iterable[TimelineSegment]) -> list[Stretch]:
    """Where any of some segments is, in seconds, (start, stop) ascending; those that touch are one.

    >>> merge_stretches([TimelineSegment(0, 2, "a"), TimelineSegment(1, 3, "b"), TimelineSegment(5, 6, "a")])
    [(0, 3), (5, 6)]
    """
    merged: list[Stretch] = []
    for segment in sorted(segments, key=lambda segment: segment.start_seconds):
        if merged and segment.start_seconds <= merged[-1][1] + _TOLERANCE_SECONDS:
            merged[-1] = (merged[-1][0], max(merged[-1][1], segment.stop_seconds))
        else:
            merged.append(segment.span)
    return merged


def _entry(timeline: Timeline, key: Key, numbers: list[int], runs: list[list[int]]) -> dict[str, Any]:
    """What is counted of one action, verb or noun; `numbers` are those of its segments."""
    segments = [timeline[number] for number in numbers]
    seconds, duration = [segment.duration_seconds for segment in segments], timeline.duration_seconds
    covered = sum(stop - start for start, stop in merge_stretches(segments))
    gaps = _gaps(segments)
    periods = [timeline[b].start_seconds - timeline[a].start_seconds for run in runs for a, b in pairwise(run)]
    return {
        "name": " ".join(part for part in key if part),
        "verb": key[0],
        "noun": key[1],
        "segments": numbers,
        "count": len(numbers),
        "per_hour": 3600 * len(numbers) / duration if duration else None,
        "total_seconds": sum(seconds),
        "mean_seconds": float(np.mean(seconds)),
        "median_seconds": _median(seconds),
        "share_of_time": _share(covered, duration),
        "gaps": {
            "count": len(gaps),
            "mean_seconds": float(np.mean(gaps)) if gaps else None,
            "median_seconds": _median(gaps),
            "longest_seconds": max(gaps, default=None),
        },
        "repetitions": {
            "runs": runs,
            "longest": max(map(len, runs), default=1),
            "median_period_seconds": _median(periods),
            "period_iqr_seconds": float(np.subtract(*np.percentile(periods, [75, 25]))) if len(periods) > 1 else None,
        },
    }


def _gaps(segments: Sequence[TimelineSegment]) -> list[float]:
    """From the stop of each segment to the start of the next one; 0 where they touch or overlap."""
    gaps, stop = [], None
    for segment in segments:
        if stop is not None:
            gap = segment.start_seconds - stop
            gaps.append(gap if gap > _TOLERANCE_SECONDS else 0.0)
        stop = max(stop or 0.0, segment.stop_seconds)
    return gaps


def _find_runs(timeline: Timeline, keys: Sequence[Key | None], most_seconds: float) -> dict[Key, list[list[int]]]:
    """Numbers of at least two segments in a row with the same key, each soon after the one before."""
    runs: dict[Key, list[list[int]]] = {}
    run: list[int] = []
    stop = 0.0
    for number, (key, segment) in enumerate(zip(keys, timeline, strict=True)):
        is_soon = segment.start_seconds - stop <= most_seconds + _TOLERANCE_SECONDS
        if run and key == keys[run[-1]] and is_soon:
            run.append(number)
            stop = max(stop, segment.stop_seconds)
            if len(run) == 2 and key is not None:
                runs.setdefault(key, []).append(run)
        else:
            run, stop = [number], segment.stop_seconds
    return runs


def _count_transitions(timeline: Timeline) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[int]] = {}
    for number, (before, after) in enumerate(pairwise(timeline)):
        found.setdefault((before.name, after.name), []).append(number)
    ordered = sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [{"from": a, "to": b, "count": len(numbers), "segments": numbers} for (a, b), numbers in ordered]


def _share(seconds: float, duration: float | None) -> float | None:
    return min(1.0, seconds / duration) if duration else None


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: _round(part) for key, part in value.items()}
    return [_round(part) for part in value] if isinstance(value, (list, tuple)) else value
