"""Ways to run a frozen backbone fast, behind one call: uint8 frames in, float32 features out.

Knows nothing about which backbone it is: it gets a torch module and the normalisation that belongs to it.
"""

from egoact.engines.engine import Engine, available_engines, load_engine
from egoact.engines.parity import check_parity
from egoact.engines.speed import Speed, rank_engines, tune_batch

__all__ = ["Engine", "Speed", "available_engines", "check_parity", "load_engine", "rank_engines", "tune_batch"]
