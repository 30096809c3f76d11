"""`egoact bench edge`: runs in every format and precision of `egoact export`, on one core.

Imports `benchmarking` and what is below, when it measures: `answers` runs in processes that load no more than an export
needs. Offers `measure`, and in `exports` the choice within limits of time and size.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egoact.benchmarking.results import Results
    from egoact.benchmarking.workload import Workload


def measure(work: "Workload") -> "Results":
    """As `measurement.measure`."""
    from egoact.benchmarking.edge import measurement

    return measurement.measure(work)
