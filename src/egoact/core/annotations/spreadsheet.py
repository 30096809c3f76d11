"""Reads a CSV file into columns of text and remembers each record's line; knows nothing about segments.

Accepts what spreadsheet programs write: a byte order mark, commas, semicolons or tabs, any line ends,
blank lines, quoted cells, an apostrophe before what is no formula. Anything else is one clear `AnnotationError`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from egoact.core.annotations.reading import Refuse, decode_text, find_delimiter, read_content, read_records
from egoact.core.errors import AnnotationError

Value = TypeVar("Value")

_ZIP_MARK = b"PK\x03\x04"


@dataclass(frozen=True)
class Spreadsheet:
    """Columns of stripped text, all of one length."""

    path: Path
    columns: dict[str, tuple[str, ...]]  # by name in lower case, with underscores for blanks
    rows: tuple[int, ...]  # the line of the file on which each record starts; the header is row 1
    delimiter: str

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def convert(self, column: str, parse: Callable[[str], Value]) -> list[Value]:
        """One value per record; a `ValueError` of `parse` becomes an error that names row and column."""
        cells = self.columns[column]
        value_of: dict[str, Value] = {}
        for cell in dict.fromkeys(cells):  # Most columns repeat few different cells.
            try:
                value_of[cell] = parse(cell)
            except ValueError as error:
                raise self.error(str(error), position=cells.index(cell), column=column) from None
        return [value_of[cell] for cell in cells]

    def error(self, reason: str, *, position: int, column: str) -> AnnotationError:
        """An `AnnotationError` about one cell, to be raised by the caller."""
        return AnnotationError(reason, path=self.path, place=f"row {self.rows[position]}, column {column}")

    def missing(self, wanted: str) -> AnnotationError:
        """An `AnnotationError` about columns that are not there, to be raised by the caller."""
        found = ", ".join(self.columns)
        return AnnotationError(f"no {wanted}; the columns are: {found}", path=self.path, place="row 1")


def read_spreadsheet(path: str | Path) -> Spreadsheet:
    """All cells of a CSV file as text; there are a header of different names and at least one record."""
    path = Path(path)

    def refuse(reason: str, row: int) -> AnnotationError:
        return AnnotationError(reason, path=path, place=f"row {row}")

    if path.is_dir():
        raise AnnotationError("this is a folder; a CSV file is expected", path=path)
    raw = read_content(path)
    if raw.startswith(_ZIP_MARK):
        raise AnnotationError("this is a workbook or an archive; save the sheet as 'CSV UTF-8'", path=path)
    text = decode_text(raw, refuse, advice="; save the file as 'CSV UTF-8'")
    if not text.strip():
        raise AnnotationError("the file is empty; a header and at least one row are expected", path=path)
    delimiter = find_delimiter(text.lstrip().partition("\n")[0])
    lines = read_records(text, refuse, delimiter=delimiter, strict=True)
    header = _clean_header(next(lines, (1, []))[1], refuse)
    records, rows = [], []
    for row, cells in lines:
        if len(cells) < len(header) or any(cells[len(header) :]):
            reason = f"{len(cells)} cells where the header has {len(header)}; quote cells that contain the separator"
            raise refuse(reason, row)
        records.append(cells[: len(header)])
        rows.append(row)
    if not records:
        raise AnnotationError("the file has a header but no rows below it", path=path)
    return Spreadsheet(path, dict(zip(header, zip(*records, strict=True), strict=True)), tuple(rows), delimiter)


def _clean_header(cells: list[str], refuse: Refuse) -> list[str]:
    names = ["_".join(cell.lower().split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if twice := [name for position, name in enumerate(names) if name in names[:position]]:
        raise refuse(f"two columns are called '{twice[0]}'", 1)
    return names
