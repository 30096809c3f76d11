"""Labels of all annotators: edits by id and version, on the medium before they are answered, and then in their CSV.

Committed edits are in the database; `labels/ANNOTATOR.csv` follows within a moment. Where the file is not as it was
written, somebody else edited it (git, an editor): what changed there is taken over.
"""

import json
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from egoact.core.annotations.parsing import parse_optional_text
from egoact.core.errors import AnnotationError
from egoact.core.files import write_atomically
from egoact.studio.classes import Classes
from egoact.studio.database import Database
from egoact.studio.label_files import (
    CLASS_COLUMNS,
    DERIVED_COLUMNS,
    LabelFile,
    LabelRow,
    microseconds,
    read_label_file,
    write_label_text,
)
from egoact.studio.label_merge import give_ids, merge
from egoact.studio.refusal import Refusal
from egoact.studio.schemas import (
    AddEdit,
    Annotator,
    Conflict,
    Edits,
    EditsDone,
    LabelChanges,
    Labels,
    LabelSegment,
    SegmentValues,
)

_WRITE_AFTER_SECONDS = 0.2
_LIVE = "SELECT * FROM segments WHERE annotator = ? AND NOT is_deleted"


class LabelBook:
    """The labels of a project.

    Args:
        database: Where they are kept.
        folder: Of the CSVs.
        classes: Words that labels may use, which grow by them.
        changed: Called with annotator and revision after each edit.
    """

    def __init__(self, database: Database, folder: Path, classes: Classes, changed: Callable[[str, int], None]) -> None:
        self._database, self._folder, self._classes, self._changed = database, folder, classes, changed
        self._lock = threading.RLock()  # taken before the database's
        self._timers: dict[str, threading.Timer] = {}
        self._problems: dict[str, list[str]] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        for name in self.annotators():
            self.synchronise(name)

    def close(self) -> None:
        """Write what is not in the files yet."""
        with self._lock:
            for timer in self._timers.values():
                timer.cancel()
            for name in list(self._timers):
                self._write(name)

    # --- reading ------------------------------------------------------------------------------------------------

    def annotators(self) -> list[str]:
        """Names of all annotators, sorted: those with a file, and those whose file was taken away."""
        known = self._database.rows("SELECT DISTINCT annotator FROM segments WHERE NOT is_deleted")
        inside = self._folder.resolve()
        paths = [path for path in self._folder.glob("*.csv") if path.resolve().parent == inside]
        files = {path.stem for path in paths if not path.name.startswith(".")}
        return sorted(files | {row["annotator"] for row in known})

    def describe(self, annotator: str) -> Annotator:
        """How much somebody labelled."""
        self.check(annotator)
        count = "SELECT COUNT(*) AS segments, COUNT(DISTINCT recording_id) AS recordings FROM segments"
        row = self._database.row(f"{count} WHERE annotator = ? AND NOT is_deleted", annotator)
        assert row is not None
        path = f"labels/{annotator}.csv"
        return Annotator(name=annotator, path=path, num_segments=row["segments"], num_recordings=row["recordings"])

    def add_annotator(self, name: str) -> Annotator:
        """Begin somebody's file."""
        with self._lock:
            if name.lower() in map(str.lower, self.annotators()):
                raise Refusal(409, f"there is an annotator called '{name}' already")
            write_atomically(self._path(name), write_label_text((), columns=(), unread=()))
            self.synchronise(name)
            return self.describe(name)

    def check(self, annotator: str) -> None:
        """Refuse with 404 who is no annotator."""
        if annotator not in self.annotators():
            raise Refusal(404, f"there is no annotator called '{annotator[:80]}'")

    def read(self, annotator: str, recording_id: str | None = None) -> Labels:
        """All labels of somebody, or those of a recording, by time."""
        self.check(annotator)
        with self._lock:
            self.synchronise(annotator)
            rows = self._database.rows(f"{_LIVE} ORDER BY recording_id, start_us, stop_us, id", annotator)
            wanted = [row for row in rows if recording_id in (None, row["recording_id"])]
            return Labels(
                annotator=annotator,
                revision=self.revision(annotator),
                segments=[_segment(row) for row in wanted],
                problems=self.problems(annotator),
            )

    def changes(self, annotator: str, since: int) -> LabelChanges:
        """What became of the segments that were edited after a revision."""
        self.check(annotator)
        with self._lock:
            self.synchronise(annotator)
            query = "SELECT * FROM segments WHERE annotator = ? AND revision > ? ORDER BY revision"
            rows = self._database.rows(query, annotator, since)
            return LabelChanges(
                revision=self.revision(annotator),
                segments=[_segment(row) for row in rows if not row["is_deleted"]],
                deleted=[row["id"] for row in rows if row["is_deleted"]],
            )

    def revision(self, annotator: str) -> int:
        """The number of somebody's last edit."""
        row = self._database.row("SELECT MAX(revision) AS last FROM journal WHERE annotator = ?", annotator)
        return 0 if row is None or row["last"] is None else row["last"]

    def problems(self, annotator: str | None = None) -> list[str]:
        """What is wrong with the files, a line each."""
        with self._lock:
            return [line for name, lines in self._problems.items() if annotator in (None, name) for line in lines]

    # --- editing --------------------------------------------------------------------------------------------------

    def edit(
        self, annotator: str, edits: Edits, *, together_with: Callable[[EditsDone], None] = lambda _: None
    ) -> EditsDone:
        """Do all edits, or none; they are on the medium when this returns.

        Args:
            annotator: Whose labels.
            edits: What to do.
            together_with: Called in the same transaction, where the edits are done now.

        Raises:
            Refusal: 409 where somebody else was faster, 400 for what cannot be, 404 for what is not there.
        """
        self.check(annotator)
        with self._lock:
            self.synchronise(annotator)
            if any("cannot be edited" in line for line in self.problems(annotator)):
                raise Refusal(409, self.problems(annotator)[0])
            with self._database.transaction():
                query = "SELECT answer FROM journal WHERE annotator = ? AND request_id = ?"
                if (done := self._database.row(query, annotator, edits.request_id)) is not None:
                    return EditsDone.model_validate_json(done["answer"])
                answer = self._edit(annotator, edits)
                together_with(answer)
            self._write_soon(annotator)
        self._changed(annotator, answer.revision)
        return answer

    def _edit(self, annotator: str, edits: Edits) -> EditsDone:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        insert = "INSERT INTO journal (annotator, at, request_id, edits, answer) VALUES (?, ?, ?, ?, '')"
        written = json.dumps([edit.model_dump(exclude_none=True) for edit in edits.edits], ensure_ascii=False)
        revision = self._database.execute(insert, annotator, at, edits.request_id, written)
        conflicts: list[Conflict] = []
        touched: list[str] = []
        for edit in edits.edits:
            segment_id = edit.id or f"{edit.segment.recording_id}_{secrets.token_hex(4)}"  # type: ignore[union-attr]
            query = "SELECT * FROM segments WHERE annotator = ? AND id = ?"
            row = self._database.row(query, annotator, segment_id)
            is_there = row is not None and not row["is_deleted"]
            if isinstance(edit, AddEdit):
                if is_there:
                    conflicts.append(Conflict(id=segment_id, current=_segment(row)))
                    continue
                version, before = (1, None) if row is None else (row["version"] + 1, _row(row))
            else:
                if row is None:
                    raise Refusal(404, f"there is no segment '{segment_id[:80]}'")
                if not is_there or row["version"] != edit.version:
                    conflicts.append(Conflict(id=segment_id, current=_segment(row) if is_there else None))
                    continue
                version, before = edit.version + 1, _row(row)
            if edit.op == "delete":
                assert before is not None
                self._put(annotator, before, version=version, revision=revision, is_deleted=True)
            else:
                self._put(annotator, self._row_of(segment_id, edit.segment, before), version=version, revision=revision)
            touched.append(segment_id)
        if conflicts:
            told = [conflict.model_dump() for conflict in conflicts]
            raise Refusal(409, "somebody else has edited this segment", details={"conflicts": told})
        answer = self._answer(annotator, revision, touched)
        self._database.execute("UPDATE journal SET answer = ? WHERE revision = ?", answer.model_dump_json(), revision)
        return answer

    def _answer(self, annotator: str, revision: int, touched: Sequence[str]) -> EditsDone:
        query = "SELECT * FROM segments WHERE annotator = ? AND id = ?"
        rows = [self._database.row(query, annotator, each) for each in dict.fromkeys(touched)]
        found = [row for row in rows if row is not None]
        return EditsDone(
            revision=revision,
            segments=[_segment(row) for row in found if not row["is_deleted"]],
            deleted=[row["id"] for row in found if row["is_deleted"]],
        )

    def _row_of(self, segment_id: str, values: SegmentValues, before: LabelRow | None) -> LabelRow:
        start, stop = microseconds(values.start_seconds), microseconds(values.stop_seconds)
        if not start < stop:
            raise Refusal(400, f"stop at {values.stop_seconds:g} s is not after start at {values.start_seconds:g} s")
        if before is not None and before.recording_id != values.recording_id:
            raise Refusal(400, "a segment stays in its recording")
        others = {} if before is None else dict(before.others)
        if before is not None and (before.start_us, before.stop_us) != (start, stop):
            others = {name: value for name, value in others.items() if name not in DERIVED_COLUMNS}
        words = {"verb": label_word(values.verb), "noun": label_word(values.noun)}
        for target, column in zip(words, CLASS_COLUMNS, strict=True):
            if before is not None and getattr(before, target) != words[target]:
                others.pop(column, None)
                others.pop("narration" if target == "verb" else "all_noun_classes", None)
            class_id = self._classes.use(target, words[target])
            if class_id is not None and (before is None or column not in others):
                others[column] = str(class_id)
        note = values.note.strip().replace("\r\n", "\n").replace("\0", "")
        return LabelRow(
            segment_id, values.recording_id, start, stop, words["verb"], words["noun"], values.hand, note, others
        )

    def _put(self, annotator: str, row: LabelRow, *, version: int, revision: int, is_deleted: bool = False) -> None:
        values = (annotator, row.id, version, is_deleted, row.recording_id, row.start_us, row.stop_us, row.verb)
        others = json.dumps(dict(row.others), ensure_ascii=False)
        rest = (row.noun, row.hand, row.note, others, revision)
        statement = f"INSERT OR REPLACE INTO segments VALUES ({', '.join('?' * 13)})"
        self._database.execute(statement, *values, *rest)

    # --- files ------------------------------------------------------------------------------------------------------

    def synchronise(self, annotator: str) -> None:
        """Take over what somebody changed in the file since it was written; quick where nobody did."""
        path = self._path(annotator)
        with self._lock:
            try:
                status = path.stat()
                if self._seen.get(annotator) == (status.st_mtime_ns, status.st_size):
                    return
                text = path.read_bytes().decode("utf-8", errors="surrogateescape")
                self._seen[annotator] = (status.st_mtime_ns, status.st_size)
            except OSError:
                self._seen.pop(annotator, None)
                if annotator in self.annotators():  # its file was taken away: it is written again
                    self._write_soon(annotator)
                return
            known = self._database.row("SELECT * FROM label_files WHERE annotator = ?", annotator)
            if known is not None and text in (known["text"], known["previous_text"]):
                self._tell_unread(annotator, known)
                if text != known["text"] or known["revision"] != self.revision(annotator):
                    self._write_soon(annotator)
                return
            try:
                file = read_label_file(path)
            except AnnotationError as error:
                self._problems[annotator] = [f"{error}; until that is mended, these labels cannot be edited here"]
                return
            self._problems[annotator] = [f"{line}; the row stays in the file" for line in file.problems]
            revision = self._take_over(annotator, file, text, known)
        if revision is not None:
            self._changed(annotator, revision)

    def _take_over(self, annotator: str, file: LabelFile, text: str, known: Any) -> int | None:
        own = {row["id"]: _row(row) for row in self._database.rows(_LIVE, annotator)}
        rows = give_ids(file.rows, own.values())
        rows = [row if row.id else replace(row, id=f"{row.recording_id}_{secrets.token_hex(4)}") for row in rows]
        now = {row.id: row for row in rows}
        base = {} if known is None else self._base(annotator, known, now, own)
        found = merge(now, base, own)
        revision = None
        with self._database.transaction():
            if found.changed or found.deleted:
                told = json.dumps({"file": [row.id for row in found.changed], "deleted": list(found.deleted)})
                insert = "INSERT INTO journal (annotator, at, request_id, edits, answer) VALUES (?, ?, NULL, ?, '')"
                at = datetime.now(UTC).isoformat(timespec="milliseconds")
                revision = self._database.execute(insert, annotator, at, told)
                for row in found.changed:
                    self._put(annotator, row, version=self._version(annotator, row.id) + 1, revision=revision)
                for each in found.deleted:
                    version = self._version(annotator, each) + 1
                    self._put(annotator, own[each], version=version, revision=revision, is_deleted=True)
            statement = "INSERT OR REPLACE INTO label_files VALUES (?, ?, ?, ?, ?, ?)"
            columns, unread = json.dumps(list(file.columns)), json.dumps([dict(cells) for cells in file.unread])
            self._database.execute(statement, annotator, text, text, columns, unread, self.revision(annotator))
        self._classes.learn(rows)
        lines = self._problems.setdefault(annotator, [])
        both = "was edited here and in the file at once; the file counts"
        lines += [f"{self._path(annotator).name}: '{each}' {both}" for each in found.contested]
        mine = {row["id"]: _row(row).content for row in self._database.rows(_LIVE, annotator)}
        if mine != {row.id: row.content for row in rows}:  # edits that the file does not have yet
            self._write_soon(annotator)
        return revision

    def _base(
        self, annotator: str, known: Any, now: dict[str, LabelRow], own: dict[str, LabelRow]
    ) -> dict[str, LabelRow]:
        """What the studio had written when the file was edited: of its last two texts the one that is more like it."""
        candidates = []
        for text in dict.fromkeys((known["text"], known["previous_text"])):
            probe = self._path(annotator).with_name(f".{annotator}.base")
            try:
                probe.write_bytes(text.encode("utf-8", errors="surrogateescape"))
                rows = give_ids(read_label_file(probe).rows, own.values())
                candidates.append({row.id: row for row in rows if row.id})
            except AnnotationError:
                continue
            finally:
                probe.unlink(missing_ok=True)
        same = [sum(key in now and now[key].content == row.content for key, row in c.items()) for c in candidates]
        return candidates[same.index(max(same))] if candidates else {}

    def _version(self, annotator: str, segment_id: str) -> int:
        query = "SELECT version FROM segments WHERE annotator = ? AND id = ?"
        row = self._database.row(query, annotator, segment_id)
        return 0 if row is None else row["version"]

    def _tell_unread(self, annotator: str, known: Any) -> None:
        if annotator not in self._problems and json.loads(known["unread"]):
            self._problems[annotator] = [
                f"{line}; the row stays in the file" for line in read_label_file(self._path(annotator)).problems
            ]

    def _write_soon(self, annotator: str) -> None:
        if annotator not in self._timers:
            timer = threading.Timer(_WRITE_AFTER_SECONDS, self._write_late, [annotator])
            timer.daemon = True
            self._timers[annotator] = timer
            timer.start()

    def _write_late(self, annotator: str) -> None:
        with self._lock:
            if annotator in self._timers:
                self._write(annotator)

    def write_now(self, annotator: str) -> None:
        """Bring the file up to date, for somebody who is about to read it."""
        with self._lock:
            self.synchronise(annotator)
            if annotator in self._timers:
                self._timers[annotator].cancel()
                self._write(annotator)

    def select(self, annotator: str, ids: Collection[str]) -> str:
        """The text of a segments CSV with some of somebody's segments."""
        with self._lock:
            rows = [_row(row) for row in self._database.rows(_LIVE, annotator) if row["id"] in ids]
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
        if any("cannot be edited" in line for line in self.problems(annotator)):
            return
        known = self._database.row("SELECT * FROM label_files WHERE annotator = ?", annotator)
        unread = [] if known is None else json.loads(known["unread"])
        rows = [_row(row) for row in self._database.rows(_LIVE, annotator)]
        columns = self._columns(annotator, rows)
        text = write_label_text(rows, columns=columns, unread=unread)
        previous = text if known is None else known["text"]
        statement = "INSERT OR REPLACE INTO label_files VALUES (?, ?, ?, ?, ?, ?)"
        told = (json.dumps(columns), json.dumps(unread), self.revision(annotator))
        self._database.execute(statement, annotator, text, previous, *told)
        write_atomically(self._path(annotator), text)
        self._seen.pop(annotator, None)  # somebody may have written already: whoever asks next looks
        self._timers.pop(annotator, None)

    def _path(self, annotator: str) -> Path:
        return self._folder / f"{annotator}.csv"


def label_word(text: str | None) -> str | None:
    """A label as a CSV can hold it; a `Refusal` for one that means "nothing" there."""
    if text is None:
        return None
    word = " ".join(text.split())
    if not word.isprintable() or parse_optional_text(word) is None:
        raise Refusal(400, f"'{text[:40]}' cannot be a label")
    return word


def _row(row: Any) -> LabelRow:
    others = json.loads(row["others"])
    values = (row["id"], row["recording_id"], row["start_us"], row["stop_us"], row["verb"], row["noun"], row["hand"])
    return LabelRow(*values, row["note"], others)


def _segment(row: Any) -> LabelSegment:
    return LabelSegment(
        id=row["id"],
        version=row["version"],
        recording_id=row["recording_id"],
        start_seconds=row["start_us"] / 1e6,
        stop_seconds=row["stop_us"] / 1e6,
        verb=row["verb"],
        noun=row["noun"],
        hand=row["hand"],
        note=row["note"],
    )
