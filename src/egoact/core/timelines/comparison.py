"""Two sets of timelines of one person: what became slower, rarer or more frequent. Timelines in, numbers out.

Recordings of one side are resampled whole, with replacement, because occurrences of one recording share a day, a
kitchen and a task. A side of one recording has nothing but its occurrences to resample: each counts in a draw as often
as a Poisson variable of mean 1 says, so that their number varies, too. Such intervals know nothing of how much days
differ, and are too narrow.

Shapes: `B` draws, `R` units that are resampled: recordings, or the occurrences of an action.

Sources: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, for whole recordings; Hanley
and MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies, 2006.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from egoact.core.defaults import NUM_BOOTSTRAP_DRAWS
from egoact.core.metrics.comparison import percentile_interval
from egoact.core.timelines.statistics import SIDES, merge_stretches
from egoact.core.timelines.timeline import Timeline, TimelineSegment

Floats = npt.NDArray[np.float64]
Unit = Literal["recordings", "occurrences"]
Clip = tuple[int, float, float]
Key = tuple[str | None, str | None]

LEAST_FOR_DURATION = 5
"""Occurrences on each side without which a change in duration is not called one."""
LEAST_FOR_FREQUENCY = 6
"""Occurrences on both sides together: 5 all on one side happen by chance in 6 % of cases, 6 in 3 %."""

_CHUNK_DRAWS = 256
_WORDS = {"mean_seconds": ("faster", "slower"), "per_hour": ("rarer", "more frequent")}
_HANDS = ("share_of_time", "mean_duration_seconds", "interactions_per_hour", "num_interactions")


@dataclass(frozen=True)
class Side:
    """The recordings of one side of a comparison.

    Args:
        timelines: At least one, with at least one action in all.
        hands: For each of them the measures of each hand (see `statistics.check_hands`), or None.

    Raises:
        ValueError: No recording, no action, or hands of another number of recordings.
    """

    timelines: Sequence[Timeline]
    hands: Sequence[Mapping[str, Any] | None] = ()

    def __post_init__(self) -> None:
        if not any(map(len, self.timelines)):
            raise ValueError("there are no actions in it")
        if self.hands and len(self.hands) != len(self.timelines):
            raise ValueError(f"hands of {len(self.hands)} recordings for {len(self.timelines)}")

    @property
    def unit(self) -> Unit:
        """What is resampled."""
        return "recordings" if len(self.timelines) > 1 else "occurrences"

    @property
    def seconds(self) -> Floats:
        """Length of each recording, (R,): as its timeline says, or up to its last action."""
        lengths = [t.last_stop_seconds if t.duration_seconds is None else t.duration_seconds for t in self.timelines]
        return np.array(lengths, dtype=np.float64)

    @property
    def num_unknown_durations(self) -> int:
        """Recordings that are taken to end with their last action."""
        return sum(timeline.duration_seconds is None for timeline in self.timelines)


def compare_timelines(
    first: Side, second: Side, *, num_draws: int = NUM_BOOTSTRAP_DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Each action, verb and noun of two sides, with 95 % intervals of the differences, second minus first.

        {"num_draws", "can_tell_changes",
         "sides": [{"num_recordings", "seconds", "num_unknown_durations", "resampled"}, {...}],
         "all": ROW, "actions": [ROW, ...], "verbs": [...], "nouns": [...], "hands": [...]}
        ROW: {"name", "verb", "noun", "changes": ["slower", "rarer", ...],
              "sides": [{"count", "per_hour", "mean_seconds", "share_of_time",
                         "clips": [[recording, start, stop], ...]}, {...}],
              "difference": {"mean_seconds": {"value", "low", "high"}, "per_hour": {"value", "low", "high"}}}

    "changes" says slower or faster, and rarer or more frequent, where an interval leaves out 0, there are at least
    `LEAST_FOR_DURATION` occurrences on each side, or `LEAST_FOR_FREQUENCY` on both together, and enough recordings
    where recordings are resampled on both sides (`are_enough`); "can_tell_changes" says whether there are. "low" and
    "high" are absent where nothing can be resampled: less than two occurrences, or recordings, with the action. Means
    of nothing are None. "hands" has one entry for each measure of each hand, where both sides have hands.

    Args:
        first: What is compared with.
        second: What is compared.
        num_draws: Of recordings or occurrences.
        seed: Of those draws.

    Raises:
        ValueError: The two share no action, or less than one draw.
    """
    if num_draws < 1:
        raise ValueError(f"num_draws is {num_draws}; at least 1 is needed")
    sides = (first, second)
    if not set.intersection(*({(s.verb, s.noun) for t in side.timelines for s in t} for side in sides)):
        raise ValueError("the two share no action")
    randoms = np.random.SeedSequence(seed).spawn(2)
    draws = [
        _Draws(side, num_draws, np.random.default_rng(random)) for side, random in zip(sides, randoms, strict=True)
    ]

    def rows(key_of: Callable[[TimelineSegment], Key | None]) -> list[dict[str, Any]]:
        keys = dict.fromkeys(k for side in sides for t in side.timelines for s in t if (k := key_of(s)) is not None)
        made = [_row(draws, key, key_of) for key in keys]
        return sorted(made, key=lambda row: (not row["changes"], -sum(s["count"] for s in row["sides"]), row["name"]))

    return {
        "num_draws": num_draws,
        "can_tell_changes": _can_tell(draws, [len(side.timelines) for side in sides]),
        "sides": [
            {
                "num_recordings": len(side.timelines),
                "seconds": float(side.seconds.sum()),
                "num_unknown_durations": side.num_unknown_durations,
                "resampled": side.unit,
            }
            for side in sides
        ],
        "all": _row(draws, (None, None), lambda _: (None, None)),
        "actions": rows(lambda segment: (segment.verb, segment.noun)),
        "verbs": rows(lambda segment: (segment.verb, None) if segment.verb else None),
        "nouns": rows(lambda segment: (None, segment.noun) if segment.noun else None),
        "hands": _compare_hands(draws),
    }


def are_enough(num_first: int, num_second: int) -> bool:
    """Whether recordings are enough to tell a change from chance, where both sides have several.

    If nothing changed, each way to deal the recordings out to the two sides is as likely as any other. So few of them
    that the most extreme one, in either direction, comes up in more than 5 % of cases cannot tell anything.

    >>> are_enough(3, 3), are_enough(4, 4)
    (False, True)
    """
    return 2 / comb(num_first + num_second, num_first) <= 0.05


class _Draws:
    """One side, and the weights of its recordings in each draw: the same for every action."""

    def __init__(self, side: Side, num_draws: int, random: np.random.Generator) -> None:
        self.side, self.num_draws, self.random = side, num_draws, random
        num = len(side.timelines)
        self.weights = random.multinomial(num, np.full(num, 1 / num), size=num_draws).astype(np.float64)

    def means_and_rates(self, counts: Floats, totals: Floats, seconds: Floats) -> tuple[Floats, Floats]:
        """Mean duration and occurrences an hour in each draw, (B,), (B,); NaN where a draw has no occurrence.

        `counts` and `totals` are those of recordings, (R,); `seconds` are durations of occurrences, (R,).
        """
        if self.side.unit == "recordings":
            hits = self.weights @ counts
            return _divide(self.weights @ totals, hits), _divide(3600 * hits, self.weights @ self.side.seconds)
        hits, sums = np.zeros(self.num_draws), np.zeros(self.num_draws)
        for start in range(0, self.num_draws, _CHUNK_DRAWS):
            part = slice(start, min(start + _CHUNK_DRAWS, self.num_draws))
            times = self.random.poisson(1.0, size=(part.stop - part.start, len(seconds)))
            hits[part], sums[part] = times.sum(axis=1), times @ seconds
        return _divide(sums, hits), _divide(3600 * hits, np.full(self.num_draws, self.side.seconds.sum()))


def _row(draws: Sequence[_Draws], key: Key, key_of: Callable[[TimelineSegment], Key | None]) -> dict[str, Any]:
    values: list[dict[str, Any]] = []
    means, rates, num_with = [], [], []
    for one in draws:
        side = one.side
        found = [[segment for segment in timeline if key_of(segment) == key] for timeline in side.timelines]
        seconds = np.array([s.duration_seconds for segments in found for s in segments], dtype=np.float64)
        counts = np.array([len(segments) for segments in found], dtype=np.float64)
        totals = np.array([sum(s.duration_seconds for s in segments) for segments in found], dtype=np.float64)
        covered = sum(stop - start for segments in found for start, stop in merge_stretches(segments))
        length = float(side.seconds.sum())
        values.append(
            {
                "count": len(seconds),
                "per_hour": 3600 * len(seconds) / length,
                "mean_seconds": float(seconds.mean()) if len(seconds) else None,
                "share_of_time": min(1.0, covered / length),
                "clips": [(n, s.start_seconds, s.stop_seconds) for n, segments in enumerate(found) for s in segments],
            }
        )
        drawn_means, drawn_rates = one.means_and_rates(counts, totals, seconds)
        means.append(drawn_means)
        rates.append(drawn_rates)
        num_with.append(len(seconds) if side.unit == "occurrences" else int((counts > 0).sum()))
    a, b = values
    difference: dict[str, Any] = {"per_hour": _difference(a["per_hour"], b["per_hour"], rates)}
    if a["mean_seconds"] is not None and b["mean_seconds"] is not None:
        drawn = means if min(num_with) > 1 else None
        difference["mean_seconds"] = _difference(a["mean_seconds"], b["mean_seconds"], drawn)
    return {
        "name": " ".join(part for part in key if part) or "all actions",
        "verb": key[0],
        "noun": key[1],
        "changes": _changes(
            difference,
            mean_seconds=min(a["count"], b["count"]) >= LEAST_FOR_DURATION and _can_tell(draws, num_with),
            per_hour=a["count"] + b["count"] >= LEAST_FOR_FREQUENCY
            and _can_tell(draws, [len(one.side.timelines) for one in draws]),
        ),
        "sides": values,
        "difference": difference,
    }


def _can_tell(draws: Sequence[_Draws], num_recordings: Sequence[int]) -> bool:
    first, second = num_recordings
    return any(one.side.unit == "occurrences" for one in draws) or are_enough(first, second)


def _changes(difference: Mapping[str, Mapping[str, float]], **is_enough: bool) -> list[str]:
    """What may be called a change."""
    said = []
    for measure, (less, more) in _WORDS.items():
        part = difference.get(measure, {})
        if is_enough[measure] and "low" in part and not part["low"] <= 0 <= part["high"]:
            said.append(more if part["low"] > 0 else less)
    return said


def _compare_hands(draws: Sequence[_Draws]) -> list[dict[str, Any]]:
    """Measures of each hand, pooled over the recordings that have them."""
    if not all(any(hands is not None for hands in one.side.hands) for one in draws):
        return []
    return [_hand_row(draws, hand, measure) for hand in SIDES for measure in _HANDS] + [
        _hand_row(draws, None, "hand_use_ratio")
    ]


def _hand_row(draws: Sequence[_Draws], hand: str | None, measure: str) -> dict[str, Any]:
    """Each measure is a ratio of two sums over recordings: a mean, weighted by what it is a mean over."""
    values, ratios, can_draw = [], [], []
    for one in draws:
        above, below = np.zeros(len(one.side.timelines)), np.zeros(len(one.side.timelines))
        for number, (hands, seconds) in enumerate(zip(one.side.hands, one.side.seconds, strict=True)):
            part = {} if hands is None else hands if hand is None else hands[hand]
            weight = {"mean_duration_seconds": part.get("num_interactions"), "hand_use_ratio": 1.0}.get(
                measure, seconds
            )
            if part.get(measure) is not None and weight:
                below[number] = 1.0 if measure == "num_interactions" else weight
                above[number] = part[measure] * below[number]
        num_known = int((below > 0).sum())
        total = above.sum() if measure == "num_interactions" else None
        values.append(None if not num_known else float(above.sum() / below.sum() if total is None else total))
        ratios.append(_divide(one.weights @ above, one.weights @ below))
        can_draw.append(num_known > 1)
    row: dict[str, Any] = {"hand": hand, "measure": measure, "sides": values}
    if measure != "num_interactions" and values[0] is not None and values[1] is not None:
        row["difference"] = _difference(values[0], values[1], ratios if all(can_draw) else None)
    return row


def _difference(first: float, second: float, drawn: Sequence[Floats] | None) -> dict[str, float]:
    part = {"value": second - first}
    if drawn is not None:
        differences = drawn[1] - drawn[0]
        known = differences[np.isfinite(differences)]
        if len(known):
            part["low"], part["high"] = percentile_interval(known)
    return part


def _divide(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
