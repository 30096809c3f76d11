"""What is resampled of two sets of timelines: whole recordings, or the occurrences in a single one.

Recordings of one side are resampled whole, with replacement, because occurrences of one recording share a day, a
kitchen and a task. A side of one recording has nothing but its occurrences to resample: each counts in a draw as often
as a Poisson variable of mean 1 says, so that their number varies, too. Such intervals know nothing of how much days
differ, and are too narrow; those of few recordings are, too.

Shapes: `B` draws, `R` recordings.

Sources: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, for whole recordings; Hanley
and MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies, 2006.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.comparison import percentile_interval
from egoact.core.timelines.timeline import Timeline

Floats = npt.NDArray[np.float64]
Unit = Literal["recordings", "occurrences"]

_CHUNK_DRAWS = 256


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


class Draws:
    """One side, and the weights of its recordings in each draw, (B, R): the same for every action.

    Less than one draw is a `ValueError`.
    """

    def __init__(self, side: Side, num_draws: int, random: np.random.Generator) -> None:
        if num_draws < 1:
            raise ValueError(f"num_draws is {num_draws}; at least 1 is needed")
        self.side, self.num_draws, self.random = side, num_draws, random
        num = len(side.timelines)
        self.weights = random.multinomial(num, np.full(num, 1 / num), size=num_draws).astype(np.float64)

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
        if len(known):
            part["low"], part["high"] = percentile_interval(known)
    return part


def divide(above: Floats, below: Floats) -> Floats:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)
