"""Markers, labels and cues of one recording, one text each, as programs that edit or play sound and video have them.

Audacity's label tracks   start, stop and label in a line, separated by tabs; a point has the same time twice
Premiere's markers        a table with tabs, whose times are timecodes that count frames of the sequence
WebVTT                    a cue an annotation; SubRip (`.srt`) is read, too, whose clocks have a comma

Source: W3C, WebVTT: The Web Video Text Tracks Format.
"""

import html
import re

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, rate_of
from egoact.core.annotations.formats.syntax.tables import header_of, read_rows, split_lines
from egoact.core.annotations.formats.syntax.times import clock, parse_number, parse_timecode, timecode
from egoact.core.annotations.formats.words import one_line
from egoact.core.annotations.parsing import parse_decimal_comma
from egoact.core.files import csv_text

_MARKER_COLUMNS = ("Marker Name", "Description", "In", "Out", "Duration", "Marker Type")
_TIMING = re.compile(r"\s*(?P<start>[\d:.,]+)\s+-->\s+(?P<stop>[\d:.,]+)(?:\s.*)?")
_TAG = re.compile(r"<[^<>]*>")


def _add(reading: Reading, place: str, times: tuple[float, float], text: str, note: str = "") -> None:
    reading.add(
        place=place,
        recording=reading.source.recording,
        start_seconds=times[0],
        stop_seconds=times[1],
        description=one_line(text),
        note=one_line(note),
    )


def is_audacity(source: Source) -> bool:
    """Whether the first line has two numbers, the second not smaller."""
    first = source.first_line.split("\t")
    try:
        return len(first) in (2, 3) and 0 <= parse_number(first[0]) <= parse_number(first[1])
    except ValueError:
        return False


def read_audacity(reading: Reading) -> None:
    """The labels; lines with a backslash, which are their frequencies, say nothing of time."""
    for number, line in enumerate(reading.source.text.split("\n"), 1):
        if line.strip() and not line.startswith("\\"):
            with reading.row(f"line {number}"):
                start, stop, *label = line.split("\t")
                _add(reading, f"line {number}", (parse_number(start), parse_number(stop)), " ".join(label))


def write_audacity(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The labels of one recording."""
    times = ((item, f"{item.start_seconds:.6f}", f"{item.stop_seconds:.6f}") for item in annotations)
    return "".join(f"{start}\t{stop}\t{one_line(item.label)}\n" for item, start, stop in times)


def is_premiere(source: Source) -> bool:
    """Whether it has the columns of markers."""
    return {"marker_name", "in", "out"} <= set(header_of(source))


def read_premiere(reading: Reading) -> None:
    """The markers: a name is a label and a description a note; without a name the description is the label."""
    for row in read_rows(reading, split_lines(reading.source)):
        with reading.row(row.place):
            rate = reading.rate()
            start, stop = (parse_timecode(text, fps=rate) for text in (row.first("in"), row.first("out", "in")))
            name, description = row.first("marker_name"), row.first("description")
            _add(reading, row.place, (start, stop), name or description, description if name else "")


def write_premiere(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The markers of one recording, as comments."""
    rows = [_MARKER_COLUMNS]
    for name, items in annotations.by_recording().items():
        rate = rate_of(annotations, name, options)
        for item in items:
            seconds = (item.start_seconds, item.stop_seconds, item.stop_seconds - item.start_seconds)
            start, stop, length = (timecode(each, fps=rate) for each in seconds)
            rows.append((one_line(item.label), one_line(item.note), start, stop, length, "Comment"))
    return csv_text(rows, delimiter="\t")


def is_webvtt(source: Source) -> bool:
    """Whether it begins as WebVTT does, or has cues."""
    return source.beginning.startswith("WEBVTT") or (source.suffix in (".vtt", ".srt") and "-->" in source.beginning)


def read_webvtt(reading: Reading) -> None:
    """The cues; their text without tags is a label. Blocks of notes, styles and regions are passed over."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*reading.source.text.split("\n"), ""], 1):
        if line.strip():
            block.append((number, line))
        elif block:
            place = f"line {block[0][0]}"
            with reading.row(place):
                _read_block(reading, [text for _, text in block], place)
            block = []


def _read_block(reading: Reading, lines: list[str], place: str) -> None:
    position = next((i for i, line in enumerate(lines[:2]) if "-->" in line), None)
    if lines[0].startswith("NOTE"):
        return
    if position is None:
        if not lines[0].startswith(("WEBVTT", "STYLE", "REGION", "X-TIMESTAMP")):
            raise ValueError("neither a cue nor a note")
        return
    match = _TIMING.fullmatch(lines[position])
    if match is None:
        raise ValueError("not a timing such as 00:01.000 --> 00:02.500")
    text = html.unescape(_TAG.sub("", " ".join(lines[position + 1 :])))
    _add(reading, place, (parse_decimal_comma(match["start"]), parse_decimal_comma(match["stop"])), text)


def write_webvtt(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The cues of one recording."""
    cues, points = ["WEBVTT\n"], 0
    for number, item in enumerate(annotations, 1):
        start, stop = item.start_seconds, item.stop_seconds
        if clock(start) == clock(stop):
            stop, points = start + 0.001, points + 1
        text = html.escape(one_line(item.label), quote=False)
        cues.append(f"{number}\n{clock(start)} --> {clock(stop)}\n{text}\n")
    losses.tell("{} became a millisecond long: WebVTT has no points", points, "point event")
    return "\n".join(cues)
