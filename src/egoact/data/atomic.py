"""Files that are either the old ones or the new ones, whatever kills the process; knows nothing about contents."""

import os
from pathlib import Path

PART_SUFFIX = ".part"


def part_path(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(path.name + PART_SUFFIX)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file beside its place, make it durable, and rename it."""
    part = part_path(path)
    with part.open("wb") as file:
        file.write(content)
        sync(file.fileno())
    rename(part, path)


def sync(descriptor: int) -> None:
    """Wait until a file is on the medium."""
    os.fsync(descriptor)


def rename(part: Path, path: Path) -> None:
    """Put a finished file in its place, and make the new name durable where the system can."""
    os.replace(part, path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
