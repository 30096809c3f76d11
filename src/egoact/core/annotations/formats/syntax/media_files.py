"""One clock over several files that follow each other, as BORIS plays them: which file a moment is in, and where."""

from collections.abc import Iterator, Sequence


class MediaFiles:
    """Files that play one after another.

    observation   0 ........ 180 ........ 540 s
    files         |-- a.mp4 --|-- b.mp4 ---|

    Args:
        names: In the order of playing; at least one.
        lengths_seconds: Of each, or None where it is not known.
    """

    def __init__(self, names: Sequence[str], lengths_seconds: Sequence[float | None]) -> None:
        self.names = tuple(names)
        self._lengths = tuple(lengths_seconds)

    def place(self, start_seconds: float, stop_seconds: float) -> Iterator[tuple[str, float, float]]:
        """The file, start and stop in it; a stretch over the end of a file is one in each.

        Raises:
            ValueError: It is after a file of unknown length.
        """
        begins = 0.0
        for number, (name, length) in enumerate(zip(self.names, self._lengths, strict=True)):
            is_last = number == len(self.names) - 1
            if not is_last and length is None:
                raise ValueError(f"the length of {name} is not known, so neither is what is in the files after it")
            ends = float("inf") if is_last or length is None else begins + length
            is_here = begins <= start_seconds < ends or (start_seconds < begins < stop_seconds)
            if is_here:
                yield name, max(start_seconds, begins) - begins, min(stop_seconds, ends) - begins
            begins = ends
            if start_seconds < ends and stop_seconds <= ends:
                return
