"""What is read of files that people made: their bytes, the records of a table, a row; or one clear error."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from egoact.core.errors import AnnotationError
from egoact.core.files import unguard

_DELIMITERS = (",", ";", "\t")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Refuse = Callable[[str, int], AnnotationError]
"""What is wrong, and in which line, from 1 on -> what is raised."""


def read_content(path: Path, *, most_bytes: int | None = None) -> bytes:
    """The bytes of a file, of a larger one a byte more than `most_bytes`; or an `AnnotationError`."""
    try:
        with path.open("rb") as file:
            return file.read(None if most_bytes is None else most_bytes + 1)
    except FileNotFoundError:
        raise AnnotationError("no such file", path=path) from None
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from None


def decode_text(raw: bytes, refuse: Refuse, *, advice: str = "") -> str:
    """A file's text: UTF-8, or UTF-16 with its mark; without the mark."""
    try:
        text = raw.decode("utf-16" if raw.startswith(_UTF16_MARKS) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise refuse(f"byte 0x{raw[error.start]:02x} is not {error.encoding} text{advice}", line) from None
    if "\0" in text:
        raise refuse("a zero byte; this is not a text file", text.count("\n", 0, text.index("\0")) + 1)
    return text


def find_delimiter(line: str) -> str:
    """What separates the cells of this line most: a comma where nothing does."""
    return max(_DELIMITERS, key=line.count)


def read_records(text: str, refuse: Refuse, *, delimiter: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """All records of a table that are not blank: the line where each begins, from 1 on, and its cells, stripped.

    With `strict`, quotes must end, and nothing may follow them.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    begins = 1
    try:
        for cells in reader:
            stripped = [unguard(cell) if cell[:1] == "'" else cell for cell in map(str.strip, cells)]
            if any(stripped):
                yield begins, stripped
            begins = reader.line_num + 1
    except csv.Error as error:
        raise refuse(f"not a readable CSV record: {error}", begins) from None


@contextmanager
def reading_row(report: Callable[[str], None], whole: str) -> Iterator[None]:
    """Read a row: a `ValueError`, or a value of another kind than `whole` has there, is reported and no error."""
    try:
        yield
    except ValueError as error:
        report(str(error))
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        report(f"not as {whole} has it ({type(error).__name__}: {error})")
