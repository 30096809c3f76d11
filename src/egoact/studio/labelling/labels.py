"""Labels of all annotators: edits by id and version, on the medium before they are answered, and then in their CSV.

Committed edits are in the database; `label_sync.py` keeps `labels/ANNOTATOR.csv` the same.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS
from egoact.studio.database import Database
from egoact.studio.labelling.classes import Classes
from egoact.studio.labelling.label_files import CLASS_COLUMNS, DERIVED_COLUMNS, LabelRow, microseconds
from egoact.studio.labelling.label_rows import (
    LIVE,
    begin_revision,
    find_segment,
    label_row,
    label_segment,
    label_word,
    last_revision,
    put_segment,
)
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
    """The labels of a project; `changed` is called with annotator and revision after each edit.

    Attributes:
        files: Their CSVs, kept the same.
    """

    def __init__(self, database: Database, folder: Path, classes: Classes, changed: Callable[[str, int], None]) -> None:
        self._database, self._classes, self._changed = database, classes, changed
        self.files = LabelSync(database, folder, classes, changed)
        for name in self.files.annotators():
            self.files.synchronise(name)

    # --- reading ------------------------------------------------------------------------------------------------

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
        with self.files.lock:
            if name.lower() in map(str.lower, self.files.annotators()):
                raise Refusal(409, f"there is an annotator called '{name}' already")
            self.files.begin(name)
            return self.describe(name)

    def check(self, annotator: str) -> None:
        """Refuse with 404 who is no annotator."""
        if annotator not in self.files.annotators():
            raise Refusal(404, f"there is no annotator called '{annotator[:80]}'")

    def read(self, annotator: str, recording_id: str | None = None) -> Labels:
        """All labels of somebody, or those of a recording, by time."""
        self.check(annotator)
        with self.files.lock:
            self.files.synchronise(annotator)
            rows = self._database.rows(f"{LIVE} ORDER BY recording_id, start_us, stop_us, id", annotator)
            return Labels(
                annotator=annotator,
                revision=last_revision(self._database, annotator),
                segments=[label_segment(row) for row in rows if recording_id in (None, row["recording_id"])],
                problems=self.files.problems(annotator),
            )

    def changes(self, annotator: str, since: int) -> LabelChanges:
        """What became of the segments that were edited after a revision."""
        self.check(annotator)
        with self.files.lock:
            self.files.synchronise(annotator)
            query = "SELECT * FROM segments WHERE annotator = ? AND revision > ? ORDER BY revision"
            rows = self._database.rows(query, annotator, since)
            return LabelChanges(revision=last_revision(self._database, annotator), **_told(rows))

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
        with self.files.lock:
            self.files.synchronise(annotator)
            if self.files.is_locked(annotator):
                raise Refusal(409, self.files.problems(annotator)[0])
            with self._database.transaction():
                query = "SELECT answer FROM journal WHERE annotator = ? AND request_id = ?"
                if (done := self._database.row(query, annotator, edits.request_id)) is not None:
                    return EditsDone.model_validate_json(done["answer"])
                answer = self._edit(annotator, edits)
                together_with(answer)
            self.files.write_soon(annotator)
        self._changed(annotator, answer.revision)
        return answer

    def _edit(self, annotator: str, edits: Edits) -> EditsDone:
        written = [edit.model_dump(exclude_none=True) for edit in edits.edits]
        revision = begin_revision(self._database, annotator, written, request_id=edits.request_id)
        conflicts: list[Conflict] = []
        touched: list[str] = []
        for edit in edits.edits:
            segment_id = edit.id or f"{edit.segment.recording_id}_{secrets.token_hex(4)}"  # pyrefly: ignore[missing-attribute]
            row = find_segment(self._database, annotator, segment_id)
            current = None if row is None or row["is_deleted"] else label_segment(row)
            if row is None and not isinstance(edit, AddEdit):
                raise Refusal(404, f"there is no segment '{segment_id[:80]}'")
            version = None if current is None else current.version
            if version != (None if isinstance(edit, AddEdit) else edit.version):
                conflicts.append(Conflict(id=segment_id, current=current))
                continue
            before = None if row is None else label_row(row)
            is_deleted = isinstance(edit, DeleteEdit)
            now = before if isinstance(edit, DeleteEdit) else self._row_of(segment_id, edit.segment, before)
            assert now is not None
            put_segment(self._database, annotator, now, revision=revision, is_deleted=is_deleted)
            touched.append(segment_id)
        if conflicts:
            told = [conflict.model_dump() for conflict in conflicts]
            raise Refusal(409, "somebody else has edited this segment", details={"conflicts": told})
        rows = [find_segment(self._database, annotator, each) for each in dict.fromkeys(touched)]
        answer = EditsDone(revision=revision, **_told(rows))
        self._database.execute("UPDATE journal SET answer = ? WHERE revision = ?", answer.model_dump_json(), revision)
        return answer

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
        for target, column in zip(TARGETS, CLASS_COLUMNS, strict=True):
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


def _told(rows: Sequence[Any]) -> dict[str, Any]:
    """What became of segments, as answers say it."""
    return {
        "segments": [label_segment(row) for row in rows if not row["is_deleted"]],
        "deleted": [row["id"] for row in rows if row["is_deleted"]],
    }
