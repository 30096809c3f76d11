"""Files that are whole or absent, whatever kills the process, and folders that one process at a time may write."""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import filelock

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

PART_SUFFIX = ".part"
LOCK_NAME = ".lock"
_CANNOT_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)  # a folder that may not be read, drives on the network
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def part_path(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(path.name + PART_SUFFIX)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write beside its place; at the end it is made durable and renamed, after an error it is removed.

    Whoever else writes it at the same time is waited for.
    """
    part = part_path(path)
    with _alone(part):
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                sync(file.fileno())
            rename(part, path)
        except BaseException:
            with contextlib.suppress(OSError):  # a drive that has vanished would say so once more
                part.unlink()
            raise


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Wait until nobody else writes this file; Windows lets no two processes write one."""
    if os.name != "posix":
        yield
        return
    import fcntl

    while True:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            with contextlib.suppress(OSError):  # some drives on the network know no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, part):  # it was not put in its place while it was waited for
                yield
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a whole file by `open_atomically`; text as UTF-8, its line ends as they are."""
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, values: Any) -> None:
    """Write JSON atomically; makes the folder."""
    make_folder(path.parent)
    write_atomically(path, json.dumps(values, indent=2) + "\n")


def write_csv(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV atomically; the first one names the columns."""
    write_atomically(path, csv_text(rows))


def csv_text(rows: Iterable[Sequence[Any]], *, delimiter: str = ",") -> str:
    """Rows as the text of a CSV file; words that a spreadsheet takes for a formula get an apostrophe before them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows(map(guard, row) for row in rows)
    return text.getvalue()


def write_table(path: Path, table: "pd.DataFrame", **options: Any) -> None:
    """The same of a table of pandas: all its cells and names; `options` are those of its `to_csv`."""
    guarded = table.rename(index=guard, columns=guard).map(guard)
    write_atomically(path, guarded.to_csv(lineterminator="\n", **options))


def read_table(path: Path, **options: Any) -> "pd.DataFrame":
    """What `write_table` wrote; `options` are those of `pandas.read_csv`."""
    import pandas as pd

    table: pd.DataFrame = pd.read_csv(path, keep_default_na=False, **options)
    return table.map(unguard)


def guard(cell: Any) -> Any:
    """A text that begins with = + - @ and is no number, with an apostrophe before it; `unguard` takes it away."""
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def unguard(cell: Any) -> Any:
    """A cell without the apostrophe that keeps spreadsheet programs from taking it for a formula.

    >>> unguard("'=take"), unguard("'til")
    ('=take', "'til")
    """
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell) else cell


def read_json(path: Path) -> Any:
    """A JSON file; an `ArtifactError` where it is missing or damaged."""
    try:
        return load_json(path)
    except OSError as error:
        raise ArtifactError(f"cannot be read ({error.strerror}); run the command again", path=path) from None
    except ValueError as error:
        raise ArtifactError(f"not readable as JSON ({error}); run the command again", path=path) from None


def file_sha256(path: Path) -> str:
    """Of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(descriptor: int) -> None:
    """Wait until a file is on the medium."""
    os.fsync(descriptor)


def rename(part: Path, path: Path) -> None:
    """Put a finished file in its place, and make the new name durable where the system can."""
    os.replace(part, path)
    _sync_folder(path.parent)


def check_folder(path: Path) -> None:
    """Refuse a file where a folder is needed: an `ArtifactError`."""
    if path.exists() and not path.is_dir():
        raise ArtifactError("a folder is needed, this is a file", path=path)


def make_folder(folder: Path) -> None:
    """Make a folder, unless it is a file, and those above it; whatever is durable in them will be found."""
    check_folder(folder)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        _sync_folder(each.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def lock_folder(folder: Path, *, command: str) -> filelock.BaseFileLock:
    """Take the one lock of a folder, which is made if it does not exist; the system lets go of it even after kill -9.

    To be released; an `ArtifactError` where another process has it, or where the folder cannot be written.
    """
    try:
        make_folder(folder)
        lock = filelock.FileLock(folder / LOCK_NAME, blocking=False, thread_local=False)
        lock.acquire()
    except filelock.Timeout:
        raise ArtifactError(f"another egoact {command} is writing here; wait for it to end", path=folder) from None
    except OSError as error:
        raise ArtifactError(f"cannot write here: {error.strerror}", path=folder) from None
    return lock


@contextmanager
def locked(folder: Path, *, command: str) -> Iterator[None]:
    """Hold a folder's lock, see `lock_folder`; after an error a new folder goes again, unless something was written."""
    is_new = not folder.exists()
    lock = lock_folder(folder, command=command)
    try:
        yield
        is_new = False
    finally:
        lock.release()
        if is_new and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
            shutil.rmtree(folder)
