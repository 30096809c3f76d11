"""Labels of all annotators: edits by id and version, on the medium before they are answered, and then in their CSV.

Committed edits are in the database; `label_sync.py` keeps `labels/ANNOTATOR.csv` the same.
"""

import json
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from egoact.studio.database import Database
from egoact.studio.labelling.classes import Classes
from egoact.studio.labelling.label_files import CLASS_COLUMNS, DERIVED_COLUMNS, LabelRow, microseconds
from egoact.studio.labelling.label_rows import LIVE, label_row, label_segment, label_word, last_revision, put_segment
from egoact.studio.labelling.label_sync import LabelSync
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.labels import (
    AddEdit,
    Conflict,
    DeleteEdit,
    Edits,
    EditsDone,
    LabelChanges,
    Labels,
    SegmentValues,
)
from egoact.studio.schemas.project import Annotator


class LabelBook:
    """The labels of a project.

    Args:
        database: Where they are kept.
        folder: Of the CSVs.
        classes: Words that labels may use, which grow by them.
        changed: Called with annotator and revision after each edit.
    """

    def __init__(self, database: Database, folder: Path, classes: Classes, changed: Callable[[str, int], None]) -> None:
        self._database, self._classes, self._changed = database, classes, changed
        self._files = LabelSync(database, folder, classes, changed)
        for name in self.annotators():
            self._files.synchronise(name)

    def close(self) -> None:
        """Write what is not in the files yet."""
        self._files.close()

    # --- reading ------------------------------------------------------------------------------------------------

    def annotators(self) -> list[str]:
        """Names of all annotators, sorted."""
        return self._files.annotators()

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
        with self._files.lock:
            if name.lower() in map(str.lower, self.annotators()):
                raise Refusal(409, f"there is an annotator called '{name}' already")
            self._files.begin(name)
            return self.describe(name)

    def check(self, annotator: str) -> None:
        """Refuse with 404 who is no annotator."""
        if annotator not in self.annotators():
            raise Refusal(404, f"there is no annotator called '{annotator[:80]}'")

    def read(self, annotator: str, recording_id: str | None = None) -> Labels:
        """All labels of somebody, or those of a recording, by time."""
        self.check(annotator)
        with self._files.lock:
            self._files.synchronise(annotator)
            rows = self._database.rows(f"{LIVE} ORDER BY recording_id, start_us, stop_us, id", annotator)
            wanted = [row for row in rows if recording_id in (None, row["recording_id"])]
            return Labels(
                annotator=annotator,
                revision=self.revision(annotator),
                segments=[label_segment(row) for row in wanted],
                problems=self.problems(annotator),
            )

    def changes(self, annotator: str, since: int) -> LabelChanges:
        """What became of the segments that were edited after a revision."""
        self.check(annotator)
        with self._files.lock:
            self._files.synchronise(annotator)
            query = "SELECT * FROM segments WHERE annotator = ? AND revision > ? ORDER BY revision"
            rows = self._database.rows(query, annotator, since)
            return LabelChanges(
                revision=self.revision(annotator),
                segments=[label_segment(row) for row in rows if not row["is_deleted"]],
                deleted=[row["id"] for row in rows if row["is_deleted"]],
            )

    def revision(self, annotator: str) -> int:
        """The number of somebody's last edit."""
        return last_revision(self._database, annotator)

    def problems(self, annotator: str | None = None) -> list[str]:
        """What is wrong with the files, a line each."""
        return self._files.problems(annotator)

    def write_now(self, annotator: str) -> None:
        """Bring somebody's file up to date, for a command that is about to read it."""
        self._files.write_now(annotator)

    def select(self, annotator: str, ids: Collection[str]) -> str:
        """The text of a segments CSV with some of somebody's segments."""
        return self._files.select(annotator, ids)

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
        with self._files.lock:
            self._files.synchronise(annotator)
            if self._files.is_locked(annotator):
                raise Refusal(409, self.problems(annotator)[0])
            with self._database.transaction():
                query = "SELECT answer FROM journal WHERE annotator = ? AND request_id = ?"
                if (done := self._database.row(query, annotator, edits.request_id)) is not None:
                    return EditsDone.model_validate_json(done["answer"])
                answer = self._edit(annotator, edits)
                together_with(answer)
            self._files.write_soon(annotator)
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
                    conflicts.append(Conflict(id=segment_id, current=label_segment(row)))
                    continue
                version, before = (1, None) if row is None else (row["version"] + 1, label_row(row))
            else:
                if row is None:
                    raise Refusal(404, f"there is no segment '{segment_id[:80]}'")
                if not is_there or row["version"] != edit.version:
                    conflicts.append(Conflict(id=segment_id, current=label_segment(row) if is_there else None))
                    continue
                version, before = edit.version + 1, label_row(row)
            is_deleted = isinstance(edit, DeleteEdit)
            now = before if isinstance(edit, DeleteEdit) else self._row_of(segment_id, edit.segment, before)
            assert now is not None
            put_segment(self._database, annotator, now, version=version, revision=revision, is_deleted=is_deleted)
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
            segments=[label_segment(row) for row in found if not row["is_deleted"]],
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
