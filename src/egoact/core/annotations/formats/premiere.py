"""Premiere's list of markers: a table with tabs, whose times are timecodes that count frames of the sequence."""

from functools import partial

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, rate_of
from egoact.core.annotations.formats.syntax.tables import Row, header_of, read_rows, split_lines
from egoact.core.annotations.formats.syntax.times import parse_timecode, timecode
from egoact.core.annotations.formats.words import one_line
from egoact.core.files import csv_text

_HEADER = ("Marker Name", "Description", "In", "Out", "Duration", "Marker Type")


def is_premiere(source: Source) -> bool:
    """Whether it has the columns of markers."""
    return {"marker_name", "in", "out"} <= set(header_of(source))


def read_premiere(reading: Reading) -> None:
    """The markers: a name is a label and a description a note; without a name the description is the label."""
    for row in read_rows(reading, split_lines(reading.source)):
        reading.attempt(row.place, partial(_read_row, reading, row))


def _read_row(reading: Reading, row: Row) -> None:
    rate = reading.rate()
    name, description = row.first("marker_name"), row.first("description")
    reading.add(
        place=row.place,
        recording=reading.source.recording,
        start_seconds=parse_timecode(row.first("in"), fps=rate),
        stop_seconds=parse_timecode(row.first("out", "in"), fps=rate),
        description=one_line(name or description),
        note=one_line(description) if name else "",
    )


def write_premiere(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The markers of one recording, as comments."""
    rows = [_HEADER]
    for name, items in annotations.by_recording().items():
        rate = rate_of(annotations, name, options)
        for item in items:
            start, stop = timecode(item.start_seconds, fps=rate), timecode(item.stop_seconds, fps=rate)
            length = timecode(item.stop_seconds - item.start_seconds, fps=rate)
            rows.append((one_line(item.label), one_line(item.note), start, stop, length, "Comment"))
    return csv_text(rows, delimiter="\t")
