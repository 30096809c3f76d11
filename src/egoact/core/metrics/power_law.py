"""A learning curve: quality against the number of examples, and how it will go on. Numbers in, numbers out.

    quality(n) = limit - drop * n ** -exponent          rises fast at first, and ever more slowly

Sources: Figueroa et al., Predicting sample size required for classification performance, 2012; Hestness et al., Deep
Learning Scaling is Predictable, arXiv:1712.00409.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_EXPONENTS = np.linspace(0.1, 1.5, 29)
_USUAL_EXPONENT = 0.5
_BEST = 100.0
_PRIOR = 0.002  # of the squared quality's spread: which exponent a few points leave open is the usual one


@dataclass(frozen=True)
class PowerLaw:
    """A fitted curve."""

    limit: float  # what it comes near with ever more examples
    drop: float  # how far below that it is with one example, at least 0
    exponent: float  # how fast it comes near, above 0

    def __call__(self, sizes: npt.ArrayLike) -> Floats:
        """Quality with so many examples."""
        counts = np.asarray(sizes, dtype=np.float64)
        return np.asarray(self.limit - self.drop * counts**-self.exponent, dtype=np.float64)


def fit_power_law(
    sizes: Sequence[float], values: Sequence[float], *, weights: Sequence[float] | None = None
) -> PowerLaw:
    """The curve through measured points, by weighted least squares; `weights` are 1 unless given.

    >>> law = fit_power_law([1, 2, 4, 8, 16], [80 - 40 * n**-0.5 for n in (1, 2, 4, 8, 16)])
    >>> round(float(law(64)), 1)
    75.0
    """
    counts, wanted = np.asarray(sizes, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if counts.shape != wanted.shape or counts.ndim != 1 or len(np.unique(counts)) < 2 or (counts < 1).any():
        raise ValueError(f"{len(counts)} sizes and {len(wanted)} values; at least two different sizes from 1 on")
    importance = np.ones_like(counts) if weights is None else np.asarray(weights, dtype=np.float64)
    if importance.shape != counts.shape or not (importance > 0).all():
        raise ValueError("each point needs a weight above 0")
    importance = importance / importance.sum()
    spread = float(np.average((wanted - np.average(wanted, weights=importance)) ** 2, weights=importance))
    laws = [_fit(counts, wanted, importance, exponent) for exponent in _EXPONENTS]

    def badness(law: PowerLaw) -> float:
        error = float(np.average((law(counts) - wanted) ** 2, weights=importance))
        return error + _PRIOR * spread * (law.exponent - _USUAL_EXPONENT) ** 2

    return min(laws, key=badness)


def _fit(counts: Floats, wanted: Floats, importance: Floats, exponent: float) -> PowerLaw:
    """Limit and drop for one exponent: a straight line in n ** -exponent, kept within what is possible."""
    steps = counts**-exponent
    middle, mean = float(importance @ steps), float(importance @ wanted)
    variance = float(importance @ (steps - middle) ** 2)
    drop = max(-float(importance @ ((steps - middle) * (wanted - mean))) / variance, 0.0)
    limit = mean + drop * middle
    if limit > _BEST:  # the best line that ends there
        limit = _BEST
        drop = max(float(importance @ (steps * (_BEST - wanted))) / float(importance @ steps**2), 0.0)
    return PowerLaw(limit, drop, float(exponent))
