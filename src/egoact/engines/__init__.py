"""Ways to run a frozen backbone fast, behind one call: uint8 frames in, float32 features out.

Imports `models` and `media.flow`. Offers `load_engine`, `rank_engines`, `tune_batch`, `check_parity`, and
`streams.StreamEngine`, several kinds of features of the same frames; a new engine is a class with the shape of
`interface.Engine` and one line in `loading.LOADERS`.
"""

from egoact.engines.interface import Engine
from egoact.engines.loading import available_engines, load_engine, rank_engines, tune_batch
from egoact.engines.parity import check_parity
from egoact.engines.speed_cache import Speed

__all__ = ["Engine", "Speed", "available_engines", "check_parity", "load_engine", "rank_engines", "tune_batch"]
