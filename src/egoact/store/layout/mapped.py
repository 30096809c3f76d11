"""Shards that are mapped into memory: each holds its file open, of which a system allows so many and no more."""

import mmap
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

_OPEN_FILES = 16_384
_STORES = 8  # that may be read side by side: streams, and other files of the process


@dataclass(frozen=True, eq=False)
class MappedShard:
    """Features as they lie on disk, the map that they are a view of, and their first byte in it."""

    features: np.ndarray
    mapped: mmap.mmap
    start: int


def most_mapped() -> int:
    """How many shards of a store may be mapped at once: each holds a file open, of which systems allow 1,024 and fewer.

    Raises this process's limit first, as far as the system lets it.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _OPEN_FILES if soft == resource.RLIM_INFINITY else max(soft // _STORES, 16)
