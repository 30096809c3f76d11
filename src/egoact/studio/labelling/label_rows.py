"""Segments in the database: rows to what files and browsers know of them, and back."""

import json
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


def put_segment(
    database: Database, annotator: str, row: LabelRow, *, version: int, revision: int, is_deleted: bool = False
) -> None:
    """Keep a segment as it is from a revision on."""
    values = (annotator, row.id, version, is_deleted, row.recording_id, row.start_us, row.stop_us, row.verb)
    others = json.dumps(dict(row.others), ensure_ascii=False)
    rest = (row.noun, row.hand, row.note, others, revision)
    database.execute(f"INSERT OR REPLACE INTO segments VALUES ({', '.join('?' * 13)})", *values, *rest)


def last_revision(database: Database, annotator: str) -> int:
    """The number of somebody's last edit; 0 without any."""
    row = database.row("SELECT MAX(revision) AS last FROM journal WHERE annotator = ?", annotator)
    return 0 if row is None or row["last"] is None else row["last"]


def label_row(row: Any) -> LabelRow:
    """As a file has it."""
    others = json.loads(row["others"])
    values = (row["id"], row["recording_id"], row["start_us"], row["stop_us"], row["verb"], row["noun"], row["hand"])
    return LabelRow(*values, row["note"], others)


def label_segment(row: Any) -> LabelSegment:
    """As browsers have it."""
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
