"""Two sets of timelines of one person: what became slower, rarer or more frequent. Timelines in, numbers out.

Intervals come from resampling (`resampling.py`), and are too narrow where there is little to resample. So a change is
called one only where an exact test agrees: recordings are dealt out to the two sides anew, or, where each side is one
recording, its occurrences for durations, and for frequencies the test is binomial.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from egoact.core.defaults import NUM_BOOTSTRAP_DRAWS
from egoact.core.metrics.comparison import adjust_holm
from egoact.core.timelines.comparing.resampling import (
    Draws,
    Floats,
    Side,
    difference_of,
    divide,
    permutation_probability,
    rate_probability,
)
from egoact.core.timelines.statistics import KEYS, OF_A_HAND, OF_BOTH_HANDS, SIDES, Key, merge_stretches
from egoact.core.timelines.timeline import TimelineSegment

Occurrences = dict[int, list[TimelineSegment]]
"""Of one action: number of the recording -> its segments there."""

_LEVEL = 0.05
_WORDS = {"mean_seconds": ("faster", "slower"), "per_hour": ("rarer", "more frequent")}


def compare_timelines(
    first: Side, second: Side, *, num_draws: int = NUM_BOOTSTRAP_DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Each action, verb and noun of two sides, with 95 % intervals of the differences, second minus first.

        {"num_draws", "can_tell_changes",
         "sides": [{"num_recordings", "seconds", "num_unknown_durations", "resampled"}, {...}],
         "all": ROW, "actions": [ROW, ...], "verbs": [...], "nouns": [...], "hands": [...]}
        ROW: {"name", "verb", "noun", "changes": ["slower", "rarer", ...], "confirmed": ["slower", ...],
              "sides": [{"count", "per_hour", "mean_seconds", "share_of_time",
                         "clips": [[recording, start, stop], ...]}, {...}],
              "difference": {"mean_seconds": {"value", "low", "high", "p", "p_holm"}, "per_hour": {...}}}

    "changes" says slower or faster, and rarer or more frequent, where an interval leaves out 0 and "p", by the exact
    tests above, is at most 0.05. Of a few recordings no arrangement is that rare (`are_enough`), and nothing is
    called a change: "can_tell_changes" is false. "p_holm" corrects for the tests of the same measure in the same table
    (actions, verbs or nouns); "confirmed" are the changes that have it at most 0.05. "low" and "high" are absent where
    nothing can be resampled: less than two occurrences, or recordings, with the action. Means of nothing are None.
    "hands" is as `compare_hands` gives it. Sides that share no action are a `ValueError`, and so is less than one draw.
    """
    sides = (first, second)
    if not set.intersection(*({(s.verb, s.noun) for t in side.timelines for s in t} for side in sides)):
        raise ValueError("the two share no action")
    randoms = np.random.SeedSequence(seed).spawn(2)
    draws = [Draws(side, num_draws, np.random.default_rng(random)) for side, random in zip(sides, randoms, strict=True)]

    def rows(key_of: Callable[[TimelineSegment], Key | None]) -> list[dict[str, Any]]:
        found = [_group(side, key_of) for side in sides]
        keys = dict.fromkeys(key for of_side in found for key in of_side)
        made = [_row(draws, key, [of_side.get(key, {}) for of_side in found]) for key in keys]
        _correct(made)
        return sorted(made, key=lambda row: (not row["changes"], -sum(s["count"] for s in row["sides"]), row["name"]))

    everything = _row(draws, (None, None), [_group(side, lambda _: (None, None))[None, None] for side in sides])
    _correct([everything])
    return {
        "num_draws": num_draws,
        "can_tell_changes": _is_of_occurrences(draws) or are_enough(*(len(side.timelines) for side in sides)),
        "sides": [
            {
                "num_recordings": len(side.timelines),
                "seconds": float(side.seconds.sum()),
                "num_unknown_durations": side.num_unknown_durations,
                "resampled": side.unit,
            }
            for side in sides
        ],
        "all": everything,
        **{kind: rows(key_of) for kind, key_of in KEYS.items()},
        "hands": compare_hands(draws),
    }


def are_enough(num_first: int, num_second: int) -> bool:
    """Whether recordings are enough to tell a change from chance, unless each side has one.

    If nothing changed, each way to deal the recordings out to the two sides is as likely as any other. The rarest
    result is one way, or with equally many on each side two, one the mirror of the other.

    >>> are_enough(3, 3), are_enough(4, 4), are_enough(3, 4)
    (False, True, True)
    """
    return (1 + (num_first == num_second)) / comb(num_first + num_second, num_first) <= _LEVEL


def _group(side: Side, key_of: Callable[[TimelineSegment], Key | None]) -> dict[Key, Occurrences]:
    groups: dict[Key, Occurrences] = {}
    for number, timeline in enumerate(side.timelines):
        for segment in timeline:
            if (key := key_of(segment)) is not None:
                groups.setdefault(key, {}).setdefault(number, []).append(segment)
    return groups


def _row(draws: Sequence[Draws], key: Key, occurrences: Sequence[Occurrences]) -> dict[str, Any]:
    measured = [_Measured.of(one, found) for one, found in zip(draws, occurrences, strict=True)]
    drawn = [m.draws.means_and_rates(m.counts, m.totals, m.seconds) for m in measured]
    values = [m.describe() for m in measured]
    a, b = values
    rates = difference_of(a["per_hour"], b["per_hour"], [rates for _, rates in drawn])
    difference: dict[str, Any] = {"per_hour": rates | {"p": _rate_probability(measured)}}
    if a["mean_seconds"] is not None and b["mean_seconds"] is not None:
        means = [means for means, _ in drawn] if min(m.num_units for m in measured) > 1 else None
        found = difference_of(a["mean_seconds"], b["mean_seconds"], means)
        difference["mean_seconds"] = found | {"p": _duration_probability(measured)}
    return {
        "name": " ".join(part for part in key if part) or "all actions",
        "verb": key[0],
        "noun": key[1],
        "changes": _changes(difference),
        "sides": values,
        "difference": difference,
    }


@dataclass(frozen=True)
class _Measured:
    """One action on one side: counts and total durations of recordings, (R,), and the durations of its occurrences."""

    draws: Draws
    found: Sequence[Sequence[TimelineSegment]]
    counts: Floats
    totals: Floats
    seconds: Floats

    @classmethod
    def of(cls, draws: Draws, occurrences: Occurrences) -> "_Measured":
        found = [occurrences.get(number, []) for number in range(len(draws.side.timelines))]
        lengths = [[segment.duration_seconds for segment in segments] for segments in found]
        counts, totals = (np.array([float(what(one)) for one in lengths]) for what in (len, sum))
        return cls(draws, found, counts, totals, np.array([x for one in lengths for x in one], dtype=np.float64))

    @property
    def num_units(self) -> int:
        """Of what is resampled, with the action."""
        return len(self.seconds) if self.draws.side.unit == "occurrences" else int((self.counts > 0).sum())

    def describe(self) -> dict[str, Any]:
        length = float(self.draws.side.seconds.sum())
        covered = sum(stop - start for segments in self.found for start, stop in merge_stretches(segments))
        return {
            "count": len(self.seconds),
            "per_hour": 3600 * len(self.seconds) / length,
            "mean_seconds": float(self.seconds.mean()) if len(self.seconds) else None,
            "share_of_time": min(1.0, covered / length),
            "clips": [(n, s.start_seconds, s.stop_seconds) for n, found in enumerate(self.found) for s in found],
        }


def _is_of_occurrences(draws: Sequence[Draws]) -> bool:
    return all(one.side.unit == "occurrences" for one in draws)


def _duration_probability(measured: Sequence[_Measured]) -> float:
    if _is_of_occurrences([m.draws for m in measured]):
        seconds = np.concatenate([m.seconds for m in measured])
        return permutation_probability(seconds, np.ones_like(seconds), num_first=len(measured[0].seconds))
    totals = np.concatenate([m.totals[m.counts > 0] for m in measured])
    counts = np.concatenate([m.counts[m.counts > 0] for m in measured])
    return permutation_probability(totals, counts, num_first=int((measured[0].counts > 0).sum()))


def _rate_probability(measured: Sequence[_Measured]) -> float:
    lengths = [m.draws.side.seconds for m in measured]
    if _is_of_occurrences([m.draws for m in measured]):
        share = float(lengths[0].sum() / (lengths[0].sum() + lengths[1].sum()))
        return rate_probability(len(measured[0].seconds), len(measured[1].seconds), share_first=share)
    lasting = [seconds > 0 for seconds in lengths]  # one of unknown duration and without actions says nothing
    counts = np.concatenate([m.counts[which] for m, which in zip(measured, lasting, strict=True)])
    hours = np.concatenate([seconds[which] for seconds, which in zip(lengths, lasting, strict=True)])
    return permutation_probability(counts, hours, num_first=int(lasting[0].sum()))


def _changes(difference: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What may be called a change."""
    said = []
    for measure, (less, more) in _WORDS.items():
        part = difference.get(measure, {"p": 1.0})
        if part["p"] <= _LEVEL and "low" in part and not part["low"] <= 0 <= part["high"]:
            said.append(more if part["low"] > 0 else less)
    return said


def _correct(rows: Sequence[dict[str, Any]]) -> None:
    """Add what remains when it counts how many actions were tested."""
    for row in rows:
        row["confirmed"] = []
    for measure, words in _WORDS.items():
        tested = [row for row in rows if measure in row["difference"]]
        adjusted = adjust_holm([row["difference"][measure]["p"] for row in tested])
        for row, p_holm in zip(tested, adjusted, strict=True):
            row["difference"][measure]["p_holm"] = p_holm
            row["confirmed"] += [word for word in words if word in row["changes"] and p_holm <= _LEVEL]


def compare_hands(draws: Sequence[Draws]) -> list[dict[str, Any]]:
    """Measures of each hand of two sides, pooled over the recordings that have them; none where a side has no hands.

        {"hand": "left", "right" or None, "measure", "sides": [first, second],
         "difference": {"value", "low", "high"}, "clips": [[[recording, start, stop], ...], [...]]}

    Shares and rates are weighted by the length of recordings, mean durations by numbers of interactions; the hand-use
    ratio is the mean over recordings. "clips" are the interactions of that hand, as far as they are known. "difference"
    is absent where a side has no value, its interval where a side has it of one recording only.
    """
    if not all(any(hands is not None for hands in one.side.hands) for one in draws):
        return []
    rows = [_hand_row(draws, hand, measure) for hand in SIDES for measure in OF_A_HAND]
    return rows + [_hand_row(draws, None, measure) for measure in OF_BOTH_HANDS]


def _hand_row(draws: Sequence[Draws], hand: str | None, measure: str) -> dict[str, Any]:
    """Each measure is a ratio of two sums over recordings: a mean, weighted by what it is a mean over."""
    values, ratios, can_draw, clips = [], [], [], []
    is_count = measure == "num_interactions"
    for one in draws:
        parts = [{} if hands is None else hands if hand is None else hands[hand] for hands in one.side.hands]
        above, below = np.zeros(len(one.side.timelines)), np.zeros(len(one.side.timelines))
        for number, (part, seconds) in enumerate(zip(parts, one.side.seconds, strict=True)):
            weights = {"mean_duration_seconds": part.get("num_interactions"), "hand_use_ratio": 1.0}
            weight = weights.get(measure, seconds)
            if part.get(measure) is not None and weight:
                below[number] = 1.0 if is_count else weight
                above[number] = part[measure] * below[number]
        num_known = int((below > 0).sum())
        values.append(float(above.sum() / (1.0 if is_count else below.sum())) if num_known else None)
        ratios.append(divide(one.weights @ above, one.weights @ below))
        can_draw.append(num_known > 1)
        clips.append([(n, start, stop) for n, part in enumerate(parts) for start, stop in part.get("interactions", ())])
    row: dict[str, Any] = {"hand": hand, "measure": measure, "sides": values, "clips": clips}
    if not is_count and values[0] is not None and values[1] is not None:
        row["difference"] = difference_of(values[0], values[1], ratios if all(can_draw) else None)
    return row
