"""Tables of other tools as rows of named cells, each with its line."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from egoact.core.annotations.formats.exchange import Reading, Source
from egoact.core.files import unguard

_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Row:
    """One record.

    Args:
        line: Of the file, the first being 1.
        cells: Normalised column name -> stripped text.
        raw: All cells in their order.
    """

    line: int
    cells: dict[str, str]
    raw: tuple[str, ...]

    @property
    def place(self) -> str:
        """For messages."""
        return f"line {self.line}"

    def first(self, *columns: str) -> str:
        """The first of these cells that is there and not empty, or ""."""
        return next((text for column in columns if (text := self.cells.get(column, ""))), "")


def column_name(text: str) -> str:
    """A column's name without the accidents of writing: "Start (s)" is "start_s"."""
    return re.sub(r"[^\w#]+", "_", text.strip().casefold()).strip("_")


def split_lines(source: Source, *, delimiter: str | None = None) -> list[tuple[int, list[str]]]:
    """All records that are not blank, each with the line where it begins.

    Raises:
        AnnotationError: Quotes that do not end.
    """
    text = source.text
    first = text.lstrip("\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count) if delimiter is None else delimiter
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found, begins = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((begins, [unguard(cell.strip()) for cell in cells]))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise source.error(f"not a readable table: {error}", place=f"line {begins}") from None
    return found


def header_of(source: Source) -> list[str]:
    """The normalised names in the first line of a table; empty for what is no text."""
    first = source.beginning.lstrip("\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    return [column_name(cell) for cell in next(csv.reader([first], delimiter=delimiter), [])] if first else []


def read_rows(reading: Reading, records: Sequence[tuple[int, list[str]]]) -> list[Row]:
    """The records below a header, which is the first of them; one with too many cells is a problem.

    Raises:
        AnnotationError: No header, or two columns of one name.
    """
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
        padded = cells + [""] * (len(names) - len(cells))
        rows.append(Row(line, {n: c for n, c in zip(names, padded, strict=False) if n}, tuple(padded)))
    return rows
