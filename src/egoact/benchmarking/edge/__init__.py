"""`egoact bench edge`: runs in every format and precision of `egoact export`, on one core.

Imports `benchmarking` and what is below. Offers `measure`, and in `exports` the choice within limits of time and size.
"""

from egoact.benchmarking.edge.measurement import measure

__all__ = ["measure"]
