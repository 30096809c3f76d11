"""The best of some exports within limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from egoact.benchmarking.edge.exports import Measured


@dataclass(frozen=True)
class Budget:
    """What may be spent; None: whatever it takes.

    Args:
        milliseconds: On a step, see `Measured`.
        megabytes: On the files.
    """

    milliseconds: float | None
    megabytes: float | None

    def excess(self, measured: Measured) -> float:
        """How many times over the budget it is; up to 1 it is within."""
        parts = ((measured.milliseconds, self.milliseconds), (measured.megabytes, self.megabytes))
        return max(spent / most for spent, most in parts if most is not None)

    def __str__(self) -> str:
        units = ((self.milliseconds, "ms"), (self.megabytes, "MB"))
        return " and ".join(f"{most:g} {unit}" for most, unit in units if most is not None)


def choose(found: Sequence[Measured], budget: Budget) -> Measured:
    """The most accurate within a budget, of equals the fastest.

    Raises:
        ValueError: There is none; names the nearest.
    """
    within = [measured for measured in found if budget.excess(measured) <= 1]
    if not within:
        nearest = min(found, key=budget.excess)
        raise ValueError(f"nothing is within {budget}; the nearest is {nearest.describe()}")
    return max(within, key=lambda measured: (measured.accuracy, -measured.milliseconds))
