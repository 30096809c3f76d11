"""Audacity's label tracks: start, stop and label in a line each, separated by tabs; a point has the same time twice."""

from functools import partial

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.times import parse_number
from egoact.core.annotations.formats.words import one_line


def is_audacity(source: Source) -> bool:
    """Whether the first line has two numbers, the second not smaller."""
    first = source.beginning.lstrip("\n").partition("\n")[0].split("\t")
    try:
        return len(first) in (2, 3) and 0 <= parse_number(first[0]) <= parse_number(first[1])
    except ValueError:
        return False


def read_audacity(reading: Reading) -> None:
    """The labels; lines with a backslash, which are their frequencies, say nothing of time."""
    for number, line in enumerate(reading.source.text.split("\n"), 1):
        if line.strip() and not line.startswith("\\"):
            reading.attempt(f"line {number}", partial(_read_line, reading, line, f"line {number}"))


def _read_line(reading: Reading, line: str, place: str) -> None:
    start, stop, *label = line.split("\t")
    times = parse_number(start), parse_number(stop)
    reading.add(
        place=place,
        recording=reading.source.recording,
        start_seconds=times[0],
        stop_seconds=times[1],
        description=one_line(" ".join(label)),
    )


def write_audacity(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The labels of one recording."""
    times = ((item, f"{item.start_seconds:.6f}", f"{item.stop_seconds:.6f}") for item in annotations)
    return "".join(f"{start}\t{stop}\t{one_line(item.label)}\n" for item, start, stop in times)
