"""Event exports of BORIS: aggregated (a row an event with start and stop) or tabular (a row a START, STOP or POINT).

Their columns changed over the years; observations of several files have lists in a cell: durations, frame rates, media.
"""

import re
from collections.abc import Sequence
from typing import Any

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.tables import Row, column_name, header_of, read_rows, split_lines
from egoact.core.annotations.formats.syntax.times import parse_number
from egoact.core.annotations.formats.tools.boris import (
    ANNOTATORS,
    NO_SUBJECT,
    Event,
    MediaFiles,
    add_event,
    tell_of_characters,
    tell_unpaired,
)
from egoact.core.annotations.formats.words import hand_name, recording_name
from egoact.core.annotations.parsing import parse_decimal_comma
from egoact.core.annotations.reading import find_delimiter
from egoact.core.files import csv_text

_NOT_THERE = ("", "NA", "LIVE")
_MEDIA = ("media_file_name", "media_file", "media_file_path")
_COLUMNS = (
    *("Observation id", "Observation date", "Description", "Observation type", "Source", "Time offset (s)"),
    *("Coding duration", "Media duration (s)", "FPS (frame/s)", "annotator", "Subject"),
    *("Observation duration by subject by observation", "Behavior", "Behavioral category", "Modifier #1"),
    *("Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Media file name", "Image index start"),
    *("Image index stop", "Image file path start", "Image file path stop", "Comment start", "Comment stop"),
)


def recognise(source: Source) -> bool:
    """Whether a table is such an export; old tabular ones have other lines before the header."""
    header = header_of(source)
    if "behavior" in header and ({"start_s", "stop_s"} <= set(header) or "observation_id" in header):
        return True
    return bool(header) and header[0] == "observation_id" and "Behavior" in source.beginning


def read(reading: Reading) -> None:
    """Rows of either layout."""
    line = next((line for line in reading.source.text.splitlines() if "Behavior" in line), "")
    records = split_lines(reading.source, delimiter=find_delimiter(line))
    begin = next((i for i, (_, cells) in enumerate(records) if "behavior" in map(column_name, cells)), None)
    if begin is None:
        raise reading.source.error("no column Behavior; this is not an export of events from BORIS")
    before = {cells[0].casefold(): cells[1] for _, cells in records[:begin] if len(cells) > 1}
    rows = read_rows(reading, records[begin:])
    media = _media_of_observations(reading, rows, before)
    if rows and "start_s" in rows[0].cells:
        for row in rows:
            with reading.row(row.place):
                _add_aggregated(reading, row, media)
    else:
        _read_tabular(reading, rows, media)


def _observation(row: Row, reading: Reading) -> str:
    return row.first("observation_id") or reading.source.recording


def _media_of_observations(reading: Reading, rows: Sequence[Row], before: dict[str, str]) -> dict[str, MediaFiles]:
    """Observation -> its files in their order, with lengths as far as they are told."""
    found: dict[str, MediaFiles] = {}
    seen: dict[str, dict[str, None]] = {}
    for row in rows:
        if (file := row.first(*_MEDIA)) not in _NOT_THERE:
            seen.setdefault(_observation(row, reading), {})[file] = None
    for row in rows:
        name = _observation(row, reading)
        if name in found:
            continue
        files = _split(row.first("source")) or list(seen.get(name, ()))
        if not files:
            files = [before[key] for key in sorted(before) if key.startswith("player #1")][:1] or [name]
        lengths = _numbers(row.first("media_duration_s"))
        if len(files) == 1 and not lengths:
            lengths = _numbers(row.first("total_length"))
        rates = _numbers(row.first("fps_frame_s", "fps"))
        unknown: list[float | None] = [None] * len(files)
        lengths, rates = (n if len(n) == len(files) else unknown for n in (lengths, rates))
        found[name] = list(zip(files, lengths, strict=True))
        for file, length, rate in zip(files, lengths, rates, strict=True):
            reading.know(Recording(recording_name(file), file, rate, length))
    return found


def _split(text: str) -> list[str]:
    """A cell of one or several files: "player #1:a.mp4;b.mp4"; of players that show others beside it, the first."""
    if text in _NOT_THERE:
        return []
    parts = [part.strip() for part in re.split(r"[;|]", text)]
    first = [re.sub(r"^player #?1:\s*", "", part, flags=re.IGNORECASE) for part in parts]
    return [part for part in first if part and not re.match(r"player #", part, re.IGNORECASE)]


def _numbers(text: str) -> list[float | None]:
    found: list[float | None] = []
    for part in _split(text):
        try:
            found.append(parse_number(part))
        except ValueError:
            found.append(None)
    return found


def _event(row: Row, seconds: str, comment: str) -> Event:
    code = row.first("behavior")
    if not code:
        raise ValueError("the cell of Behavior is empty")
    names = [name for name in row.cells if name[:5] == "modif" and re.fullmatch(r"modif\w* ?_?#\d+|modifiers?", name)]
    modifiers = "|".join(text for name in names if (text := row.cells[name]) not in ("", "None", "NA"))
    said, category = row.first(comment), row.first("behavioral_category")
    return Event(parse_decimal_comma(seconds), row.first("subject"), code, modifiers, said, row.place, category)


def _add_aggregated(reading: Reading, row: Row, media: dict[str, MediaFiles]) -> None:
    start = _event(row, row.first("start_s"), "comment_start")
    is_point = row.first("behavior_type").upper() == "POINT"
    stop = start if is_point else _event(row, row.first("stop_s") or row.first("start_s"), "comment_stop")
    add_event(reading, start, stop, media[_observation(row, reading)], annotator=row.first(*ANNOTATORS))


def _read_tabular(reading: Reading, rows: Sequence[Row], media: dict[str, MediaFiles]) -> None:
    open_states: dict[tuple[str, ...], Event] = {}

    for row in rows:
        with reading.row(row.place):
            status = row.first("behavior_type", "status").upper()
            event = _event(row, row.first("time"), "comment")
            name, annotator = _observation(row, reading), row.first(*ANNOTATORS)
            key = (name, annotator, *event.key)
            if status == "START":
                if key in open_states:
                    tell_unpaired(reading, open_states[key])
                open_states[key] = event
            elif status == "STOP":
                start = open_states.pop(key, None)
                if start is None:
                    raise ValueError(f"'{event.code}' stops at {event.seconds:g} s and never started")
                add_event(reading, start, event, media[name], annotator=annotator)
            elif status == "POINT":
                add_event(reading, event, event, media[name], annotator=annotator)
            else:
                raise ValueError(f"'{status}' is not START, STOP or POINT")
    for event in open_states.values():
        tell_unpaired(reading, event)


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The aggregated layout of BORIS 8 and later."""
    rows: list[Sequence[Any]] = [_COLUMNS]
    for name, items in annotations.by_recording().items():
        recording = annotations.recording(name)
        for item in items:
            start, stop = f"{item.start_seconds:.3f}", f"{item.stop_seconds:.3f}"
            length = "NA" if item.is_point else f"{item.stop_seconds - item.start_seconds:.3f}"
            facts = [recording.duration_seconds or "NA", recording.fps or "NA", item.annotator]
            rows.append(
                [name, "", "", "Media file(s)", f"player #1:{recording.media_name}", "0.000", "NA", *facts]
                + [hand_name(item.hand) or NO_SUBJECT, "NA", item.verb or item.label, item.tier]
                + [item.noun, "POINT" if item.is_point else "STATE", start, stop, length, recording.media_name]
                + ["NA", "NA", "NA", "NA", item.note, ""]
            )
    tell_of_characters(annotations, losses)
    return csv_text(rows, delimiter=options.delimiter)
