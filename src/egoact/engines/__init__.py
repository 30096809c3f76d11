"""Ways to run a frozen backbone fast, behind one call: uint8 frames in, float32 features out.

Imports `models` and `media.flow`. Offers `load_engine`, `rank_engines`, `tune_batch`, `check_parity`, and
`streams.StreamEngine`, several kinds of features of the same frames; a new engine is a class with the shape of
`interface.Engine` and one line in `loading.LOADERS`. What needs torch is loaded when it is first used: exports are run
without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from egoact.engines.interface import Engine

if TYPE_CHECKING:
    from egoact.engines.loading import available_engines, load_engine, rank_engines, tune_batch
    from egoact.engines.parity import check_parity
    from egoact.engines.speed_cache import Speed

__all__ = ["Engine", "Speed", "available_engines", "check_parity", "load_engine", "rank_engines", "tune_batch"]

_WHERE = {"Speed": "speed_cache", "check_parity": "parity"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'egoact.engines' has no attribute {name!r}")
    return getattr(import_module(f"egoact.engines.{_WHERE.get(name, 'loading')}"), name)
