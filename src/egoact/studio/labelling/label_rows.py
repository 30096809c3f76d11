"""Segments in the database: rows to what files and browsers know of them, and back."""

import json
from datetime import UTC, datetime
from typing import Any

from egoact.core.annotations.parsing import parse_optional_text
from egoact.studio.database import Database
from egoact.studio.labelling.label_files import LabelRow
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.labels import LabelSegment

LIVE = "SELECT * FROM segments WHERE annotator = ? AND NOT is_deleted"


def label_word(text: str | None) -> str | None:
    """A label as a CSV can hold it; a `Refusal` for one that means "nothing" there."""
    if text is None:
        return None
    word = " ".join(text.split())
    if not word.isprintable() or parse_optional_text(word) is None:
        raise Refusal(400, f"'{text[:40]}' cannot be a label")
    return word


def find_segment(database: Database, annotator: str, segment_id: str) -> Any:
    """A row as it is now, deleted or not; None for one that never was."""
    return database.row("SELECT * FROM segments WHERE annotator = ? AND id = ?", annotator, segment_id)


def put_segment(database: Database, annotator: str, row: LabelRow, *, revision: int, is_deleted: bool = False) -> None:
    """Keep a segment as it is from a revision on, as its next version."""
    before = find_segment(database, annotator, row.id)
    version = 1 if before is None else before["version"] + 1
    values = (annotator, row.id, version, is_deleted, row.recording_id, row.start_us, row.stop_us, row.verb)
    others = json.dumps(dict(row.others), ensure_ascii=False)
    rest = (row.noun, row.hand, row.note, others, revision)
    database.execute(f"INSERT OR REPLACE INTO segments VALUES ({', '.join('?' * 13)})", *values, *rest)


def begin_revision(database: Database, annotator: str, edits: Any, *, request_id: str | None = None) -> int:
    """Write into the journal what is about to be done; gives its number."""
    insert = "INSERT INTO journal (annotator, at, request_id, edits, answer) VALUES (?, ?, ?, ?, '')"
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return database.execute(insert, annotator, at, request_id, json.dumps(edits, ensure_ascii=False))


def last_revision(database: Database, annotator: str) -> int:
    """The number of somebody's last edit; 0 without any."""
    row = database.row("SELECT MAX(revision) AS last FROM journal WHERE annotator = ?", annotator)
    return 0 if row is None or row["last"] is None else row["last"]


def label_row(row: Any) -> LabelRow:
    """As a file has it."""
    values = (row["id"], row["recording_id"], row["start_us"], row["stop_us"], row["verb"], row["noun"], row["hand"])
    return LabelRow(*values, row["note"], json.loads(row["others"]))


def label_segment(row: Any) -> LabelSegment:
    """As browsers have it, who take what they know of the columns."""
    return LabelSegment(**dict(row), start_seconds=row["start_us"] / 1e6, stop_seconds=row["stop_us"] / 1e6)
