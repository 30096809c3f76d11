"""Telling the system which parts of a file are wanted next.

What is not in memory is otherwise read when it is touched: one run of pages at a time, with neighbours that a shuffled
order does not want. Announced, a batch is read at once and nothing else; a cold store came eight times as fast
(`docs/LOG.md`). Where everything is in memory announcements only cost time, so they stop when nothing is read.
"""

import mmap

_WILL_NEED: int | None = getattr(mmap, "MADV_WILLNEED", None)  # not on Windows
_PATIENCE = 16  # batches out of memory alone before announcements stop


class ReadAhead:
    """Announces as long as something comes from the disk."""

    def __init__(self) -> None:
        self._patience = _PATIENCE
        self._read = 0

    def begin(self) -> bool:
        """A batch is about to be read: whether to announce it."""
        self._read = _count_reads()
        return _WILL_NEED is not None and self._patience > 0

    def end(self) -> None:
        """It has been read."""
        self._patience = _PATIENCE if _count_reads() > self._read else self._patience - 1


def announce(mapped: mmap.mmap, start: int, length: int) -> None:
    """A part of a mapped file is wanted soon.

    Args:
        mapped: The file.
        start: First byte.
        length: Bytes.
    """
    assert _WILL_NEED is not None
    first = start - start % mmap.PAGESIZE
    mapped.madvise(_WILL_NEED, first, start + length - first)


def _count_reads() -> int:
    """Blocks that this process has had from disks, announced or not."""
    if _WILL_NEED is None:
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock
