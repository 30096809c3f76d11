"""What of two sets of timelines may be chance: intervals by resampling, and tests that are exact also for few.

Recordings of one side are resampled whole, with replacement, because occurrences of one recording share a day, a
kitchen and a task. A side of one recording has nothing but its occurrences to resample: each counts in a draw as often
as a Poisson variable of mean 1 says, so that their number varies, too. Such intervals know nothing of how much days
differ, and are too narrow; those of few recordings are, too.

Tests deal whole recordings out to the two sides anew, or take events for such that come at a steady rate.

Shapes: `B` draws, `R` recordings.

Sources: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, for whole recordings; Hanley
and MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies, 2006.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.comparison import draw_counts, interval
from egoact.core.timelines.timeline import Timeline

Floats = npt.NDArray[np.float64]

MOST_DEALS = 2000
_CHUNK_DRAWS = 256
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Side:
    """The recordings of one side of a comparison; a `ValueError` without a single action."""

    timelines: Sequence[Timeline]
    hands: Sequence[Mapping[str, Any] | None] = ()  # measures of each hand, see `statistics.check_hands`

    def __post_init__(self) -> None:
        if not any(map(len, self.timelines)):
            raise ValueError("there are no actions in it")
        if self.hands and len(self.hands) != len(self.timelines):
            raise ValueError(f"hands of {len(self.hands)} recordings for {len(self.timelines)}")

    @property
    def unit(self) -> str:
        """What is resampled: "recordings", or "occurrences" of actions."""
        return "recordings" if len(self.timelines) > 1 else "occurrences"

    @property
    def seconds(self) -> Floats:
        """Length of each recording, (R,): as its timeline says, or up to its last action."""
        return np.array([timeline.end_seconds for timeline in self.timelines], dtype=np.float64)

    @property
    def num_unknown_durations(self) -> int:
        """Recordings that are taken to end with their last action."""
        return sum(timeline.duration_seconds is None for timeline in self.timelines)


class Draws:
    """One side, and the weights of its recordings in each draw, (B, R): the same for every action."""

    def __init__(self, side: Side, num_draws: int, random: np.random.Generator) -> None:
        self.side, self.num_draws, self.random = side, num_draws, random
        self.weights = draw_counts(len(side.timelines), num_draws, random)

    def means_and_rates(self, counts: Floats, totals: Floats, seconds: Floats) -> tuple[Floats, Floats]:
        """Mean duration and occurrences an hour in each draw, (B,), (B,); NaN where a draw has no occurrence.

        `counts` and `totals` are those of recordings, (R,); `seconds` are durations of occurrences, (R,).
        """
        if self.side.unit == "recordings":
            hits = self.weights @ counts
            return divide(self.weights @ totals, hits), divide(3600 * hits, self.weights @ self.side.seconds)
        hits, sums = np.zeros(self.num_draws), np.zeros(self.num_draws)
        for start in range(0, self.num_draws, _CHUNK_DRAWS):
            part = slice(start, min(start + _CHUNK_DRAWS, self.num_draws))
            times = self.random.poisson(1.0, size=(part.stop - part.start, len(seconds)))
            hits[part], sums[part] = times.sum(axis=1), times @ seconds
        return divide(sums, hits), divide(3600 * hits, np.full(self.num_draws, self.side.seconds.sum()))


def difference_of(first: float, second: float, drawn: Sequence[Floats] | None) -> dict[str, float]:
    """Second minus first as "value", and from what was drawn of both, (B,) each, the 95 % interval "low" to "high"."""
    part = {"value": second - first}
    if drawn is not None:
        differences = drawn[1] - drawn[0]
        known = differences[np.isfinite(differences)]
        part |= interval(known) if len(known) else {}
    return part


def divide(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def permutation_probability(above: Floats, below: Floats, *, num_first: int) -> float:
    """Probability of ratios that differ as much between two groups, if it were by chance who is in which.

    The ratio of a group is sum(above) / sum(below) over its members, (N,), those of the first group first; `below` is
    above 0. All ways to deal the members out are tried, or `MOST_DEALS` of them by chance, always the same ones.
    Two-sided; 1 where a group is empty.

    Source: Ernst, Permutation methods: a basis for exact inference, Statistical Science 19, 2004.

    >>> permutation_probability(np.array([1.0, 2, 3, 11, 12, 13]), np.ones(6), num_first=3)
    0.1
    """
    num = len(above)
    if not 0 < num_first < num:
        return 1.0
    sums, weights = above.sum(), below.sum()

    def differences(is_first: npt.NDArray[np.bool_]) -> Floats:
        first, weight = is_first @ above, is_first @ below
        gaps: Floats = np.abs((sums - first) / (weights - weight) - first / weight)
        return gaps

    observed = differences(np.arange(num)[None] < num_first)[0]
    least = observed - _TOLERANCE * max(1.0, observed)
    if comb(num, num_first) <= MOST_DEALS:
        return float(np.mean(differences(_every_deal(num, num_first)) >= least))
    hits = sum(int((differences(deals) >= least).sum()) for deals in _some_deals(num, num_first))
    return (1 + hits) / (1 + MOST_DEALS)  # what was observed is one of the deals


def rate_probability(num_first: int, num_second: int, *, share_first: float) -> float:
    """Probability of counts at least as uneven, if events came at one steady rate in both stretches of time.

    Of n events in all, those of the first stretch, a share of both above 0 and below 1, are binomial; two-sided, as
    twice the smaller tail.

    Source: Przyborowski and Wilenski, Homogeneity of results in testing samples from Poisson series, Biometrika, 1940.

    >>> rate_probability(0, 6, share_first=0.5)
    0.03125
    """
    num = num_first + num_second
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, num + 1)))])
    counts = np.arange(num + 1)
    terms = logs[num] - logs - logs[::-1] + counts * np.log(share_first) + (num - counts) * np.log1p(-share_first)
    masses = np.exp(terms)
    tails = masses[: num_first + 1].sum(), masses[num_first:].sum()
    return min(1.0, round(2 * float(min(tails)), 12))


@cache
def _every_deal(num: int, num_first: int) -> npt.NDArray[np.bool_]:
    """Who is in the first group, in every way to choose its members: (ways, N)."""
    deals = np.zeros((comb(num, num_first), num), dtype=bool)
    for row, members in zip(deals, combinations(range(num), num_first), strict=True):
        row[list(members)] = True
    return deals


@lru_cache(maxsize=4)
def _some_deals(num: int, num_first: int) -> list[npt.NDArray[np.bool_]]:
    """Who is in the first group, in `MOST_DEALS` ways by chance: a few of (ways, N)."""
    random, sizes = np.random.default_rng(0), np.diff([*range(0, MOST_DEALS, _CHUNK_DRAWS), MOST_DEALS])
    orders = (random.random((size, num)) for size in sizes)
    return [order <= np.partition(order, num_first - 1, axis=1)[:, num_first - 1, None] for order in orders]
