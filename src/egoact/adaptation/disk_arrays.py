"""Arrays in files that are larger than memory, and files beside them that say of what they are."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.bounds import load_json


def new_array(path: Path, *, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    """An `.npy` file of zeros, mapped, to be filled.

    Its place on disk is taken at once: where the disk became full later, the system would end the process.

    Raises:
        OSError: It cannot be written, or the disk has no place for it.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if not hasattr(os, "posix_fallocate"):
        return array
    try:
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot promise
            path.unlink()
            raise
    return array


def read_facts(path: Path) -> dict[str, Any]:
    """What a JSON file says of the array beside it; nothing where it is missing or damaged."""
    try:
        found = load_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
