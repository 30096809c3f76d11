"""Tables of other tools as rows of named cells, each with its line."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from egoact.core.annotations.formats.exchange import Reading, Source
from egoact.core.annotations.reading import find_delimiter, read_records


@dataclass(frozen=True)
class Row:
    """One record: "line 3" for messages, and normalised column name -> stripped text."""

    place: str
    cells: dict[str, str]

    def first(self, *columns: str) -> str:
        """The first of these cells that is there and not empty, or ""."""
        return next((text for column in columns if (text := self.cells.get(column, ""))), "")


@lru_cache(1000)  # each format asks for those of the first line
def column_name(text: str) -> str:
    """A column's name without the accidents of writing: "Start (s)" is "start_s"."""
    return re.sub(r"[^\w#]+", "_", text.strip().casefold()).strip("_")


def split_lines(source: Source, text: str = "", *, delimiter: str = "") -> list[tuple[int, list[str]]]:
    """All records of a file, or of this text of it, that are not blank, each with the line where it begins."""
    delimiter = delimiter or find_delimiter(source.first_line)
    return list(read_records(text or source.text, source.refuse, delimiter=delimiter, strict=False))


def header_of(source: Source) -> list[str]:
    """The normalised names in the first line of a table; empty for what is no text."""
    first = source.first_line
    return [column_name(cell) for cell in next(csv.reader([first], delimiter=find_delimiter(first)), [])]


def read_rows(reading: Reading, records: Sequence[tuple[int, list[str]]]) -> list[Row]:
    """The records below a header, which is the first of them, of different names; too many cells are a problem."""
    if not records:
        raise reading.source.error("the file is empty; a header and at least one row are expected")
    line, header = records[0]
    names = [column_name(cell) for cell in header]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise reading.source.error(f"two columns are called '{header[position]}'", place=f"line {line}")
    rows = []
    for line, cells in records[1:]:
        if any(cells[len(names) :]):
            reason = f"{len(cells)} cells where the header has {len(names)}; quote cells that contain the separator"
            reading.problem(f"line {line}", reason)
            continue
        rows.append(Row(f"line {line}", {n: c for n, c in zip_longest(names, cells, fillvalue="") if n}))
    return rows
