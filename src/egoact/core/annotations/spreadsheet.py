"""Reads a CSV file into columns of text and remembers each record's line; knows nothing about segments.

Accepts what spreadsheet programs write: a byte order mark, commas, semicolons or tabs, any line ends,
blank lines, quoted cells, an apostrophe before what is no formula. Anything else is one clear `AnnotationError`.
"""

import codecs
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from egoact.core.errors import AnnotationError
from egoact.core.files import unguard

Value = TypeVar("Value")

_DELIMITERS = (",", ";", "\t")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
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
    text = _read_text(path)
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)  # a comma where none occurs
    header, records, rows = _read_records(path, text, delimiter)
    if not records:
        raise AnnotationError("the file has a header but no rows below it", path=path)
    cells = (tuple(unguard(cell.strip()) for cell in column) for column in zip(*records, strict=True))
    return Spreadsheet(path, dict(zip(header, cells, strict=True)), tuple(rows), delimiter)


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise AnnotationError("this is a folder; a CSV file is expected", path=path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise AnnotationError("no such file", path=path) from None
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from None
    if raw.startswith(_ZIP_MARK):
        raise AnnotationError("this is a workbook or an archive; save the sheet as 'CSV UTF-8'", path=path)
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        reason = f"byte 0x{raw[error.start]:02x} is not {error.encoding} text; save the file as 'CSV UTF-8'"
        raise AnnotationError(reason, path=path, place=f"row {line}") from None
    if "\0" in text:
        place = f"row {text.count(chr(10), 0, text.index(chr(0))) + 1}"
        raise AnnotationError("a zero byte; this is not a text file", path=path, place=place)
    if not text.strip():
        raise AnnotationError("the file is empty; a header and at least one row are expected", path=path)
    return text


def _read_records(path: Path, text: str, delimiter: str) -> tuple[list[str], list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    records: list[list[str]] = []
    rows: list[int] = []
    first_line = 1
    try:
        for cells in reader:
            is_blank = not "".join(cells).strip()
            if not is_blank and not header:
                header = _clean_header(path, cells)
            elif not is_blank:
                fits = len(cells) == len(header)
                records.append(cells if fits else _trim(path, cells, width=len(header), row=first_line))
                rows.append(first_line)
            first_line = reader.line_num + 1
    except csv.Error as error:
        raise AnnotationError(f"not a readable CSV record: {error}", path=path, place=f"row {first_line}") from None
    return header, records, rows


def _clean_header(path: Path, cells: list[str]) -> list[str]:
    names = ["_".join(cell.lower().split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    for position, name in enumerate(names):
        if name in names[:position]:
            raise AnnotationError(f"two columns are called '{name}'", path=path, place="row 1")
    return names


def _trim(path: Path, cells: list[str], *, width: int, row: int) -> list[str]:
    """The cells without empty ones past the header's width."""
    if len(cells) < width or "".join(cells[width:]).strip():
        reason = f"{len(cells)} cells where the header has {width}; quote cells that contain the separator"
        raise AnnotationError(reason, path=path, place=f"row {row}")
    return cells[:width]
