"""`labels/ANNOTATOR.csv` as rows and back; knows nothing about who edits them.

What the studio has no name for stays: other columns as they are, and rows that cannot be read at the end of the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from egoact.core.annotations.segments import Segment, segments_of
from egoact.core.annotations.spreadsheet import Spreadsheet, read_spreadsheet
from egoact.core.errors import AnnotationError
from egoact.core.files import csv_text

OWN_COLUMNS = ("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "verb", "noun")
OPTIONAL_COLUMNS = ("hand", "note")
HANDS = ("left", "right", "both")
DERIVED_COLUMNS = ("start_frame", "stop_frame", "start_seconds", "stop_seconds")
"""Columns that repeat the times; they are emptied where a person changes these."""
CLASS_COLUMNS = ("verb_class", "noun_class")
_MICROSECONDS = 1_000_000
_HEADING = ",".join(OWN_COLUMNS) + "\n"


@dataclass(frozen=True)
class LabelRow:
    """A segment as the file has it; its id is empty where the file gives none.

    Args:
        start_us: Where it begins, microseconds from the first picture.
        stop_us: Where it ends, exclusive.
        hand: left, right, both or None.
        others: Cells of columns that are not the studio's.
    """

    id: str
    recording_id: str
    start_us: int
    stop_us: int
    verb: str | None = None
    noun: str | None = None
    hand: str | None = None
    note: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> tuple[object, ...]:
        """Everything but the id."""
        times = (self.recording_id, self.start_us, self.stop_us)
        return (*times, self.verb, self.noun, self.hand, self.note, tuple(sorted(self.others.items())))


@dataclass(frozen=True)
class LabelFile:
    """What a file holds.

    Args:
        columns: Those that are not the studio's, in their order.
        unread: Rows that cannot be read: column -> cell.
        problems: Why not, one line each.
    """

    rows: Sequence[LabelRow] = ()
    columns: Sequence[str] = ()
    unread: Sequence[Mapping[str, str]] = ()
    problems: Sequence[str] = ()


def read_label_file(path: Path) -> LabelFile:
    """Read a segments CSV row by row; a file with nothing but a heading has no rows.

    Raises:
        AnnotationError: The file as a whole cannot be read: no text, no heading, a row with too many cells.
    """
    if _is_heading(path):
        return LabelFile()
    sheet = read_spreadsheet(path)
    columns = [name for name in sheet.columns if name and name not in (*OWN_COLUMNS, *OPTIONAL_COLUMNS, "uid")]
    try:
        segments: list[Segment | AnnotationError] = list(segments_of(_filled(sheet)))
    except AnnotationError:
        segments = [_read_alone(sheet, position) for position in range(len(sheet))]
        if all(isinstance(one, AnnotationError) for one in segments):  # such as no column video_id
            raise
    rows, unread, problems, taken = [], [], [], set()
    for position, segment in enumerate(segments):
        cells = {name: values[position] for name, values in sheet.columns.items() if name}
        if isinstance(segment, AnnotationError):
            unread.append(cells)
            problems.append(str(segment))
            continue
        row = _row(segment, cells, columns)
        rows.append(replace(row, id="") if row.id in taken else row)
        taken.add(row.id)
    return LabelFile(rows, columns, unread, problems)


def write_label_text(rows: Iterable[LabelRow], *, columns: Sequence[str], unread: Sequence[Mapping[str, str]]) -> str:
    """The text of a file, by recording and time; rows that cannot be read come last, as they were."""
    ordered = sorted(rows, key=lambda row: (row.recording_id, row.start_us, row.stop_us, row.id))
    all_cells = [_cells(row) for row in ordered]
    used = [name for name in OPTIONAL_COLUMNS if any(cells.get(name) for cells in (*all_cells, *unread))]
    others = [name for name in columns if name not in DERIVED_COLUMNS[2:] or unread]
    heading = [*OWN_COLUMNS, *used, *others]
    all_cells += [{"narration_id": cells.get("uid", ""), **cells} for cells in unread]
    return csv_text([heading, *([cells.get(name, "") for name in heading] for cells in all_cells)])


def microseconds(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * _MICROSECONDS)


def timestamp(time_us: int) -> str:
    """As segments CSVs write it: milliseconds, or microseconds where those say more.

    >>> timestamp(3_723_040_000), timestamp(16_683)
    ('01:02:03.040', '00:00:00.016683')
    """
    whole, rest = divmod(time_us, _MICROSECONDS)
    fraction = f"{rest // 1000:03d}" if rest % 1000 == 0 else f"{rest:06d}"
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{fraction}"


def _cells(row: LabelRow) -> dict[str, str]:
    own = {
        "narration_id": row.id,
        "participant_id": row.others.get("participant_id") or row.recording_id.partition("_")[0],
        "video_id": row.recording_id,
        "start_timestamp": timestamp(row.start_us),
        "stop_timestamp": timestamp(row.stop_us),
        "verb": row.verb or "",
        "noun": row.noun or "",
        "hand": row.hand or row.others.get("hand", ""),
        "note": row.note,
    }
    return {**row.others, **own}


def _row(segment: Segment, cells: Mapping[str, str], columns: Sequence[str]) -> LabelRow:
    hand = cells.get("hand", "").lower()
    others = {name: cells[name] for name in columns if cells[name]}
    if segment.participant_id != segment.video_id.partition("_")[0]:
        others["participant_id"] = segment.participant_id
    if hand and hand not in HANDS:
        others["hand"] = cells["hand"]  # as it is; the studio knows three
    return LabelRow(
        cells.get("narration_id") or cells.get("uid") or "",
        segment.video_id,
        microseconds(segment.start_seconds),
        max(microseconds(segment.stop_seconds), microseconds(segment.start_seconds) + 1),
        segment.verb,
        segment.noun,
        hand if hand in HANDS else None,
        cells.get("note", ""),
        others,
    )


def _filled(sheet: Spreadsheet) -> Spreadsheet:
    """With something in cells that somebody who adds a row by hand leaves empty."""
    columns = dict(sheet.columns)
    if "narration_id" in sheet:
        ids = zip(columns["narration_id"], sheet.rows, strict=True)
        columns["narration_id"] = tuple(cell or f"row {row}" for cell, row in ids)
    if "participant_id" in sheet and "video_id" in sheet:
        people = zip(columns["participant_id"], columns["video_id"], strict=True)
        columns["participant_id"] = tuple(cell or video.partition("_")[0] or "-" for cell, video in people)
    return replace(sheet, columns=columns)


def _read_alone(sheet: Spreadsheet, position: int) -> Segment | AnnotationError:
    columns: dict[str, tuple[str, ...]] = {name: (values[position],) for name, values in sheet.columns.items()}
    try:
        return segments_of(_filled(replace(sheet, columns=columns, rows=(sheet.rows[position],))))[0]
    except AnnotationError as error:
        return error


def _is_heading(path: Path) -> bool:
    """Whether there is a heading and nothing below it, as a new annotator's file is."""
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip() == _HEADING.strip().encode()
    except OSError:
        return False
