"""Ways to run a frozen backbone fast, behind one call: uint8 frames in, float32 features out.

Knows nothing about which backbone it is: it gets a torch module and the normalisation that belongs to it.
"""

from egoact.engines.engine import Engine, available_engines, check_parity, load_engine

__all__ = ["Engine", "available_engines", "check_parity", "load_engine"]
