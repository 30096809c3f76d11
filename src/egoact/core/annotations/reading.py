"""What is read of files that people made: their bytes, the records of a table, a row; or one clear error."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from egoact.core.errors import AnnotationError
from egoact.core.files import unguard

_DELIMITERS = (",", ";", "\t")


def read_content(path: Path, *, most_bytes: int | None = None) -> bytes:
    """The bytes of a file, of a larger one a byte more than `most_bytes`; or an `AnnotationError`."""
    try:
        with path.open("rb") as file:
            return file.read(None if most_bytes is None else most_bytes + 1)
    except FileNotFoundError:
        raise AnnotationError("no such file", path=path) from None
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from None


def find_delimiter(line: str) -> str:
    """What separates the cells of this line most: a comma where nothing does."""
    return max(_DELIMITERS, key=line.count)


def read_records(
    text: str, *, delimiter: str, strict: bool, error: Callable[[csv.Error, int], AnnotationError]
) -> Iterator[tuple[int, list[str]]]:
    """All records of a table that are not blank: the line where each begins, from 1 on, and its cells, stripped.

    Args:
        text: The table.
        delimiter: Between cells.
        strict: Whether quotes must end, and nothing may follow them.
        error: What is raised of a record that cannot be read, which begins on that line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    begins = 1
    try:
        for cells in reader:
            stripped = [unguard(cell.strip()) for cell in cells]
            if any(stripped):
                yield begins, stripped
            begins = reader.line_num + 1
    except csv.Error as reason:
        raise error(reason, begins) from None


@contextmanager
def reading_row(report: Callable[[str], None], whole: str) -> Iterator[None]:
    """Read a row: a `ValueError`, or a value of another kind than `whole` has there, is reported and no error."""
    try:
        yield
    except ValueError as error:
        report(str(error))
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        report(f"not as {whole} has it ({type(error).__name__}: {error})")
