"""Spreadsheets with a row an action: ours, EPIC-KITCHENS', and those of other coders with other names of columns."""

from collections.abc import Callable, Sequence
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, count_of
from egoact.core.annotations.formats.syntax.tables import Row, header_of, read_rows, split_lines
from egoact.core.annotations.formats.syntax.times import clock, parse_number, parse_timecode
from egoact.core.annotations.formats.words import one_line, parse_hand, recording_name
from egoact.core.annotations.parsing import parse_decimal_comma, parse_optional_text, parse_optional_whole, parse_whole
from egoact.core.epic.facts import frame_index, frame_rate, frame_seconds
from egoact.core.files import csv_text

COLUMNS: dict[str, tuple[str, ...]] = {
    "recording": (
        *("video_id", "video", "recording", "recording_id", "video_name", "file", "filename", "file_name"),
        *("media", "media_file", "media_file_name"),
    ),
    "start": (
        *("start_timestamp", "start_seconds", "start", "start_time", "start_s", "start_sec", "time_start"),
        *("begin", "begin_time", "begin_s", "onset", "onset_s", "from", "in", "t_start"),
    ),
    "stop": (
        *("stop_timestamp", "stop_seconds", "stop", "stop_time", "stop_s", "stop_sec", "time_stop", "time_end"),
        *("end", "end_time", "end_s", "end_seconds", "end_timestamp", "end_sec", "offset", "offset_s", "to", "out"),
        "t_end",
    ),
    "duration": ("duration", "duration_s", "duration_seconds", "length"),
    "start_ms": ("start_ms", "begin_ms", "onset_ms", "start_time_ms", "begin_time_ms"),
    "stop_ms": ("stop_ms", "end_ms", "offset_ms", "stop_time_ms", "end_time_ms"),
    "start_frame": ("start_frame", "frame_start", "begin_frame"),
    "stop_frame": ("stop_frame", "end_frame", "frame_stop", "frame_end"),
    "fps": ("fps", "frame_rate"),
    "verb": ("verb",),
    "noun": ("noun", "object"),
    "label": ("label", "action", "activity", "behavior", "behaviour", "code", "event", "class"),
    "description": ("narration", "description", "text", "transcript"),
    "hand": ("hand", "hands", "side"),
    "note": ("note", "notes", "comment", "comments", "remark", "remarks"),
    "annotator": ("annotator", "coder", "rater", "observer"),
    "tier": ("tier", "track", "layer"),
    "verb_class": ("verb_class",),
    "noun_class": ("noun_class",),
    "participant": ("participant_id", "participant"),
    "identity": ("narration_id", "uid"),
}
"""Field -> the columns that hold it, the first one that is there counts."""

OUR_COLUMNS = (
    *("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "verb", "verb_class"),
    *("noun", "noun_class", "narration", "hand", "note", "annotator", "tier"),
)
_REPEATED = ("narration_timestamp", "all_nouns", "all_noun_classes", "start_frame", "stop_frame", "duration")
"""Columns that others tell of, too."""
_ALWAYS = ("video_id", "start_timestamp", "stop_timestamp", "verb", "noun")
EPIC_COLUMNS = (
    *("narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp"),
    *("start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class", "all_nouns"),
    "all_noun_classes",
)

Columns = dict[str, str]


def is_segments(source: Source) -> bool:
    """Whether a table has columns of start and stop, or of start and duration."""
    return _has_times(_find_columns(header_of(source), {}))


def is_epic(source: Source) -> bool:
    """Whether it has the columns that only EPIC-KITCHENS has."""
    header = set(header_of(source))
    return is_segments(source) and {"all_nouns", "all_noun_classes", "start_frame"} <= header


def _has_times(columns: Columns) -> bool:
    pairs = (("start", "stop"), ("start", "duration"), ("start_ms", "stop_ms"), ("start_frame", "stop_frame"))
    return any(first in columns and second in columns for first, second in pairs)


def _find_columns(header: Sequence[str], chosen: dict[str, str]) -> Columns:
    found = {field: next((c for c in columns if c in header), "") for field, columns in COLUMNS.items()}
    return {field: column for field, column in found.items() if column} | chosen


def read_segments_table(reading: Reading) -> None:
    """Rows of actions; without a column of recordings, all of the recording that the file is named after."""
    rows = read_rows(reading, split_lines(reading.source))
    header = list(rows[0].cells) if rows else header_of(reading.source)
    columns = _find_columns(header, _chosen(reading, header))
    if not _has_times(columns):
        reason = f"no columns of start and stop; the columns are: {', '.join(header)}"
        raise reading.source.error(reason, place="line 1")
    for row in rows:
        with reading.row(row.place):
            _read_row(reading, row, columns)
    if left_out := [name for name in header if name and name not in (*columns.values(), *_REPEATED)]:
        reading.remark(f"{reading.source.name}: columns left out: {', '.join(left_out)}")
    if several := sum("," in row.cells.get("all_nouns", "") for row in rows):
        reading.remark(f"{reading.source.name}: further nouns of {count_of(several, 'segment')} left out")


def _chosen(reading: Reading, header: Sequence[str]) -> dict[str, str]:
    """The columns that the options name."""
    chosen: dict[str, str] = {}
    for field, name in reading.options.tiers.items():
        chosen[field] = "_".join(name.casefold().split())
        if chosen[field] not in header:
            raise reading.source.error(f"no column '{name}'; the columns are: {', '.join(header)}", place="line 1")
    return chosen


def _read_row(reading: Reading, row: Row, columns: Columns) -> None:
    def cell(field: str) -> str:
        return row.cells.get(columns.get(field, ""), "")

    name = recording_name(cell("recording")) if "recording" in columns else reading.source.recording
    if cell("fps"):
        reading.know(Recording(name, fps=parse_number(cell("fps"))))
    start, stop = _times(reading, cell, columns, name)
    words = {field: parse_optional_text(cell(field)) or "" for field in ("verb", "noun", "description")}
    label = parse_optional_text(cell("label")) or ""
    if label and not words["verb"]:
        words["description"], label = label, ""
    if words["description"] == " ".join(word for word in (words["verb"], words["noun"]) if word):
        words["description"] = ""
    reading.add(
        place=row.place,
        recording=name,
        start_seconds=start,
        stop_seconds=stop,
        hand=parse_hand(cell("hand")),
        verb_class=parse_optional_whole(cell("verb_class")),
        noun_class=parse_optional_whole(cell("noun_class")),
        **words,
        **{field: cell(field) for field in ("note", "annotator", "tier", "participant", "identity")},
    )
    if cell("hand") and not parse_hand(cell("hand")):
        reading.remark(f"{row.place}: '{cell('hand')}' is not left, right or both; no hand")


def _times(reading: Reading, cell: Callable[[str], str], columns: Columns, name: str) -> tuple[float, float]:
    if "start" in columns and ("stop" in columns or "duration" in columns):
        start = _moment(reading, cell("start"), name)
        if stop := cell("stop"):
            return start, _moment(reading, stop, name)
        return start, start + parse_decimal_comma(cell("duration") or "0")
    if "start_ms" in columns:
        return parse_number(cell("start_ms")) / 1000, parse_number(cell("stop_ms")) / 1000
    rate = frame_rate(name) or reading.rate(name)
    first, last = parse_whole(cell("start_frame")), parse_whole(cell("stop_frame"))
    return frame_seconds(first, rate=rate), frame_seconds(last, rate=rate)


def _moment(reading: Reading, text: str, name: str) -> float:
    is_timecode = text.count(":") + text.count(";") == 3
    return parse_timecode(text, fps=reading.rate(name)) if is_timecode else parse_decimal_comma(text)


def write_segments_table(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The CSV that `egoact train` and all others take, with those columns that something is known for."""
    kept = _with_length(annotations, losses)
    identities = _identities(kept) if any(item.identity for item in kept) else [""] * len(kept)
    rows = list(map(_our_row, kept, identities))
    if not any(item.participant for item in kept):
        rows = [row | {"participant_id": ""} for row in rows]
    columns = [c for c in OUR_COLUMNS if c in _ALWAYS or any(row[c] not in ("", None) for row in rows)]
    table = [columns, *([row[column] for column in columns] for row in rows)]
    return csv_text(table, delimiter=options.delimiter)


def _our_row(item: Annotation, identity: str) -> dict[str, Any]:
    fields = ("verb", "verb_class", "noun", "noun_class", "hand", "annotator", "tier")
    return {COLUMNS[field][0]: getattr(item, field) for field in fields} | {
        "narration_id": identity,
        "participant_id": item.participant or item.recording.partition("_")[0],
        "video_id": item.recording,
        "start_timestamp": clock(item.start_seconds),
        "stop_timestamp": clock(item.stop_seconds),
        "narration": one_line(item.description),
        "note": one_line(item.note),
    }


def _identities(items: Sequence[Annotation]) -> list[str]:
    """The ids of segments, with new ones where there are none or where two are the same."""
    wanted = {item.identity for item in items}
    numbers: dict[str, int] = {}
    found: dict[str, None] = {}
    for item in items:
        identity = item.identity
        while not identity or identity in found or (identity in wanted and identity != item.identity):
            number = numbers[item.recording] = numbers.get(item.recording, -1) + 1
            identity = f"{item.recording}_{number}"
        found[identity] = None
    return list(found)


def _with_length(annotations: Annotations, losses: Losses) -> list[Annotation]:
    """Those that last at least a millisecond, which is what a row can say."""
    kept = [item for item in annotations if clock(item.start_seconds) != clock(item.stop_seconds)]
    count = len(annotations) - len(kept)
    losses.lose("{} without length left out; --point-seconds gives them one", count, "point event")
    return kept


def write_epic(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The columns of EPIC-KITCHENS-100; ids are made of the recording and a number where there are none."""
    rows: list[Sequence[Any]] = [EPIC_COLUMNS]
    without_frames = 0
    kept = _with_length(annotations, losses)
    for item, identity in zip(kept, _identities(kept), strict=True):
        name = item.recording
        fps = frame_rate(name) or annotations.recording(name).fps or options.fps
        without_frames += fps is None
        row = _our_row(item, identity) | {
            "narration_timestamp": clock(item.start_seconds),
            "start_frame": "" if fps is None else frame_index(item.start_seconds, rate=fps),
            "stop_frame": "" if fps is None else frame_index(item.stop_seconds, rate=fps),
            "narration": one_line(item.description or item.label),
            "all_nouns": str([item.noun] if item.noun else []),
            "all_noun_classes": str([] if item.noun_class is None else [item.noun_class]),
        }
        rows.append([row[column] for column in EPIC_COLUMNS])
    losses.tell("start_frame and stop_frame of {} are empty; --fps or --media tells the rate", without_frames)
    return csv_text(rows, delimiter=options.delimiter)
