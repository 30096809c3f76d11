"""Whether two groups differ by more than chance, exactly also for few: arrays in, probabilities out."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_DEALS = 2000
_TOLERANCE = 1e-9
_CHUNK_DEALS = 256


def permutation_probability(above: Floats, below: Floats, *, num_first: int) -> float:
    """Probability of ratios that differ as much between two groups, if it were by chance who is in which.

    The ratio of a group is sum(above) / sum(below) over its members. All ways to deal the members out are tried, or
    `MOST_DEALS` of them by chance, always the same ones.

    Args:
        above: (N,), of the members of the first group, and then of the second.
        below: (N,), above 0.
        num_first: Members of the first group.

    Returns:
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
    random, hits, done = np.random.default_rng(0), 1, 1  # what was observed is one of the deals
    while done <= MOST_DEALS:
        order = random.random((min(_CHUNK_DEALS, MOST_DEALS + 1 - done), num))
        limits = np.partition(order, num_first - 1, axis=1)[:, num_first - 1, None]
        hits += int((differences(order <= limits) >= least).sum())
        done += len(order)
    return hits / done


def rate_probability(num_first: int, num_second: int, *, share_first: float) -> float:
    """Probability of counts at least as uneven, if events came at one steady rate in both stretches of time.

    Of n events in all, those of the first stretch are binomial; two-sided, as twice the smaller tail.

    Args:
        num_first: Events in the first stretch.
        num_second: Events in the second one.
        share_first: Length of the first, as a share of both, above 0 and below 1.

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
