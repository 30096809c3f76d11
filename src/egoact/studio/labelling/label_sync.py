"""`labels/*.csv` and the database, kept the same: files follow edits in a moment, and what others edit is taken over.

A file that is not as it was written was edited by somebody else (git, an editor): what changed there counts.
"""

import json
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from egoact.core.errors import AnnotationError
from egoact.core.files import write_atomically
from egoact.studio.database import Database
from egoact.studio.labelling.classes import Classes
from egoact.studio.labelling.label_files import CLASS_COLUMNS, LabelFile, LabelRow, read_label_file, write_label_text
from egoact.studio.labelling.label_rows import LIVE, begin_revision, label_row, last_revision, put_segment

_WRITE_AFTER_SECONDS = 0.2
_UNTIL_MENDED = "until that is mended, these labels cannot be edited here"


class LabelSync:
    """The files of all annotators; `changed` is called with annotator and revision when changes were taken over."""

    def __init__(self, database: Database, folder: Path, classes: Classes, changed: Callable[[str, int], None]) -> None:
        self._database, self._folder, self._classes, self._changed = database, folder, classes, changed
        self.lock = threading.RLock()  # whoever reads and edits takes it, before the database's
        self._timers: dict[str, threading.Timer] = {}
        self._problems: dict[str, list[str]] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Write what is not in the files yet."""
        with self.lock:
            for timer in self._timers.values():
                timer.cancel()
            for name in list(self._timers):
                self._write(name)

    def annotators(self) -> list[str]:
        """Names of all annotators, sorted: those with a file, and those whose file was taken away."""
        known = self._database.rows("SELECT DISTINCT annotator FROM segments WHERE NOT is_deleted")
        inside = self._folder.resolve()
        paths = [path for path in self._folder.glob("*.csv") if path.resolve().parent == inside]
        files = {path.stem for path in paths if not path.name.startswith(".")}
        return sorted(files | {row["annotator"] for row in known})

    def begin(self, annotator: str) -> None:
        """Write a file without labels."""
        with self.lock:
            write_atomically(self._path(annotator), write_label_text((), columns=(), unread=()))
            self.synchronise(annotator)

    def problems(self, annotator: str | None = None) -> list[str]:
        """What is wrong with the files, a line each."""
        with self.lock:
            return [line for name, lines in self._problems.items() if annotator in (None, name) for line in lines]

    def is_locked(self, annotator: str) -> bool:
        """Whether somebody must mend the file before labels can be edited."""
        return any(_UNTIL_MENDED in line for line in self.problems(annotator))

    def synchronise(self, annotator: str) -> None:
        """Take over what somebody changed in the file since it was written; quick where nobody did."""
        path = self._path(annotator)
        with self.lock:
            try:
                status = path.stat()
                if self._seen.get(annotator) == (status.st_mtime_ns, status.st_size):
                    return
                content = path.read_bytes()
                self._seen[annotator] = (status.st_mtime_ns, status.st_size)
            except OSError:
                self._seen.pop(annotator, None)
                if annotator in self.annotators():  # its file was taken away: it is written again
                    self.write_soon(annotator)
                return
            known = self._database.row("SELECT * FROM label_files WHERE annotator = ?", annotator)
            if known is not None and content in (known["text"], known["previous_text"]):
                if annotator not in self._problems and json.loads(known["unread"]):
                    self._tell(annotator, read_label_file(path))
                if content != known["text"] or known["revision"] != last_revision(self._database, annotator):
                    self.write_soon(annotator)
                return
            try:
                file = read_label_file(path)
            except AnnotationError as error:
                self._problems[annotator] = [f"{error}; {_UNTIL_MENDED}"]
                return
            self._tell(annotator, file)
            revision = self._take_over(annotator, file, content, known)
        if revision is not None:
            self._changed(annotator, revision)

    def _take_over(self, annotator: str, file: LabelFile, content: bytes, known: Any) -> int | None:
        own = {row["id"]: label_row(row) for row in self._database.rows(LIVE, annotator)}
        rows = give_ids(file.rows, own.values())
        rows = [row if row.id else replace(row, id=f"{row.recording_id}_{secrets.token_hex(4)}") for row in rows]
        now = {row.id: row for row in rows}
        base = {} if known is None else self._base(annotator, known, now, own)
        changed, deleted, contested = merge(now, base, own)
        revision = None
        with self._database.transaction():
            if changed or deleted:
                what = {"file": [row.id for row in changed], "deleted": deleted}
                revision = begin_revision(self._database, annotator, what)
                for row in changed:
                    put_segment(self._database, annotator, row, revision=revision)
                for each in deleted:
                    put_segment(self._database, annotator, own[each], revision=revision, is_deleted=True)
            self._keep(annotator, content, content, file)
        self._classes.learn(rows)
        lines = self._problems.setdefault(annotator, [])
        both = "was edited here and in the file at once; the file counts"
        lines += [f"{self._path(annotator).name}: '{each}' {both}" for each in contested]
        mine = {row["id"]: label_row(row).content for row in self._database.rows(LIVE, annotator)}
        if mine != {row.id: row.content for row in rows}:  # edits that the file does not have yet
            self.write_soon(annotator)
        return revision

    def _base(
        self, annotator: str, known: Any, now: dict[str, LabelRow], own: dict[str, LabelRow]
    ) -> dict[str, LabelRow]:
        """What the studio had written when the file was edited: of its last two texts the one that is more like it."""
        candidates = []
        for content in dict.fromkeys((known["text"], known["previous_text"])):
            probe = self._path(annotator).with_name(f".{annotator}.base")
            try:
                probe.write_bytes(content)
                rows = give_ids(read_label_file(probe).rows, own.values())
                candidates.append({row.id: row for row in rows if row.id})
            except AnnotationError:
                continue
            finally:
                probe.unlink(missing_ok=True)
        same = [sum(key in now and now[key].content == row.content for key, row in c.items()) for c in candidates]
        return candidates[same.index(max(same))] if candidates else {}

    def _keep(self, annotator: str, content: bytes, previous: bytes, file: LabelFile) -> None:
        """Remember what the file holds, and what it held before."""
        told = (json.dumps(list(file.columns)), json.dumps([dict(cells) for cells in file.unread]))
        statement = "INSERT OR REPLACE INTO label_files VALUES (?, ?, ?, ?, ?, ?)"
        revision = last_revision(self._database, annotator)
        self._database.execute(statement, annotator, content, previous, *told, revision)

    def _tell(self, annotator: str, file: LabelFile) -> None:
        self._problems[annotator] = [f"{line}; the row stays in the file" for line in file.problems]

    def write_soon(self, annotator: str) -> None:
        """Bring the file up to date in a moment, together with edits that follow at once."""
        if annotator not in self._timers:
            timer = threading.Timer(_WRITE_AFTER_SECONDS, self._write_late, [annotator])
            timer.daemon = True
            self._timers[annotator] = timer
            timer.start()

    def _write_late(self, annotator: str) -> None:
        with self.lock:
            if annotator in self._timers:  # else somebody wrote it meanwhile, and may have closed the database
                self._write(annotator)

    def write_now(self, annotator: str) -> None:
        """Bring the file up to date, for somebody who is about to read it."""
        with self.lock:
            self.synchronise(annotator)
            if annotator in self._timers:
                self._timers[annotator].cancel()
                self._write(annotator)

    def select(self, annotator: str, ids: Collection[str]) -> str:
        """The text of a segments CSV with some of somebody's segments."""
        with self.lock:
            rows = [label_row(row) for row in self._database.rows(LIVE, annotator) if row["id"] in ids]
            return write_label_text(rows, columns=self._columns(annotator, rows), unread=())

    def _columns(self, annotator: str, rows: Iterable[LabelRow]) -> list[str]:
        """Those beside the studio's own: as in the file, and what edits added."""
        known = self._database.row("SELECT columns FROM label_files WHERE annotator = ?", annotator)
        columns: list[str] = [] if known is None else json.loads(known["columns"])
        extra = {name for row in rows for name in row.others} - set(columns)
        return [*columns, *(name for name in CLASS_COLUMNS if name in extra)]

    def _write(self, annotator: str) -> None:
        self._timers.pop(annotator, None)
        self.synchronise(annotator)
        if self.is_locked(annotator):
            return
        known = self._database.row("SELECT * FROM label_files WHERE annotator = ?", annotator)
        rows = [label_row(row) for row in self._database.rows(LIVE, annotator)]
        file = LabelFile(rows, self._columns(annotator, rows), [] if known is None else json.loads(known["unread"]))
        content = write_label_text(rows, columns=file.columns, unread=file.unread).encode()
        self._keep(annotator, content, content if known is None else known["text"], file)
        write_atomically(self._path(annotator), content)
        self._seen.pop(annotator, None)  # somebody may have written already: whoever asks next looks
        self._timers.pop(annotator, None)

    def _path(self, annotator: str) -> Path:
        return self._folder / f"{annotator}.csv"


def give_ids(rows: Iterable[LabelRow], known: Iterable[LabelRow]) -> list[LabelRow]:
    """Rows without an id get that of the same content, where there is one that no other row has."""
    rows = list(rows)
    taken = {row.id for row in rows if row.id}
    free: dict[tuple[object, ...], list[str]] = {}
    for row in known:
        if row.id not in taken:
            free.setdefault(row.content, []).append(row.id)
    return [replace(row, id=free[row.content].pop(0)) if not row.id and free.get(row.content) else row for row in rows]


def merge(
    file: Mapping[str, LabelRow], base: Mapping[str, LabelRow], own: Mapping[str, LabelRow]
) -> tuple[list[LabelRow], list[str], list[str]]:
    """Three ways: what changed in the file since the studio wrote it counts; all else stays as the studio has it.

    Args:
        file: Id -> row, as the file is now.
        base: As the studio wrote it; empty where it never did.
        own: As the studio has it now.

    Returns:
        Segments that are new or other in the file, ids of those that are no longer in it, and ids of those that were
        edited in both places.
    """
    changed, contested = [], []
    for key, row in file.items():
        before, mine = (rows[key].content if key in rows else None for rows in (base, own))
        if row.content not in (before, mine):
            changed.append(row)
            if mine != before:
                contested.append(key)
    deleted = [key for key in base if key not in file and key in own]
    contested += [key for key in deleted if own[key].content != base[key].content]
    return changed, deleted, contested
