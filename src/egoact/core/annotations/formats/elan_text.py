"""ELAN's tab-delimited text: a line an annotation, with or without a header, or a column a tier.

Times are in one to three forms. "#file:///C:/kitchen.mp4 -- offset: 1230" before the lines tells the media file, and
where in it times begin.
"""

import re
from collections.abc import Sequence
from functools import partial

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.elan import tier_rows
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.tiers import Cell, add_cells
from egoact.core.annotations.formats.syntax.times import parse_seconds, parse_timecode
from egoact.core.annotations.formats.words import hand_name, one_line, parse_hand, recording_name

_TIME = re.compile(r"\d+(?:[.,]\d+)?|\d{1,3}:\d{2}:\d{2}[.,:;]\d{1,3}", re.ASCII)
_HEADER = ("Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec", "Duration - ss.msec", "Annotation")
_FILES = ("file", "media")


def is_elan_text(source: Source) -> bool:
    """Whether the first lines are a tier, times and a value, or name columns as ELAN does."""
    lines = [line for line in source.beginning.split("\n") if line.strip() and not _is_media(line)][:2]
    if not lines or "\t" not in lines[0]:
        return False
    cells = [cell.strip() for cell in lines[0].split("\t")]
    if any(cell.casefold().startswith("begin time") for cell in cells):
        return True
    first, last = _time_span(cells)
    return first >= 1 and last - first >= 2 and not _TIME.fullmatch(cells[0])


def _is_media(line: str) -> bool:
    return line.lstrip('"').startswith("#")


def _parse_media(line: str) -> tuple[str, float]:
    """Media file and its offset in seconds: "#file:///C:/a.mp4 -- offset: 1230"."""
    text = line.strip().strip('"').removeprefix("#")
    media, mark, milliseconds = text.rpartition("-- offset:")
    digits = milliseconds.strip().removeprefix("-")
    if not mark or not digits.isdecimal() or len(digits) > 12:
        return text.strip(), 0.0
    return media.strip(), int(milliseconds) / 1000


def _time_span(cells: Sequence[str]) -> tuple[int, int]:
    """First and last + 1 of the first run of cells that are times."""
    first = next((i for i, cell in enumerate(cells) if _TIME.fullmatch(cell)), len(cells))
    last = first
    while last < len(cells) and _TIME.fullmatch(cells[last]):
        last += 1
    return first, last


def read_elan_text(reading: Reading) -> None:
    """All lines, merged by overlap where they are verbs and nouns of separate tiers."""
    lines = enumerate(reading.source.text.split("\n"), 1)  # ELAN quotes nothing
    records = [(number, [c.strip() for c in line.split("\t")]) for number, line in lines if line.strip()]
    name = reading.source.recording
    while records and _is_media(records[0][1][0]):
        media, offset = _parse_media(records[0][1][0])
        if not media.casefold().endswith(".eaf"):
            name = recording_name(media) or name
            reading.know(Recording(name, media))
        if offset and not reading.options.media_offset_seconds:
            reading.remark(
                f"{reading.source.name} says that the media has an offset of {offset:g} s; unless ELAN added it when "
                f"exporting, give --media-offset {offset:g}"
            )
        records = records[1:]
    if not records:
        raise reading.source.error("no annotations in it")
    header = [cell.casefold() for cell in records[0][1]]
    has_header = any(cell.startswith("begin time") for cell in header)
    cells: list[Cell] = []

    def read(line: int, row: list[str]) -> None:
        found = _named_cells(reading, records[0][1], line, row, name) if has_header else None
        cells.extend([_plain_cell(reading, line, row, name)] if found is None else found)

    for line, row in records[1:] if has_header else records:
        reading.attempt(f"line {line}", partial(read, line, row))
    add_cells(reading, cells)


def _plain_cell(reading: Reading, line: int, row: list[str], name: str) -> Cell:
    """Tier, participant, times, value."""
    first, last = _time_span(row)
    if first < 1 or last - first < 2:
        raise ValueError("not tier, begin, end and value")
    start, stop = _interval(reading, row[first:last])
    participant = row[1] if first > 1 else ""
    text = next((cell for cell in row[last:] if cell), "")
    return _cell(row[0], start, stop, text, line, name, participant)


def _interval(reading: Reading, times: Sequence[str]) -> tuple[float, float]:
    """Start and stop of begin, end and perhaps duration, each in one to three forms."""
    seconds = [_seconds(reading, text) for text in times]
    for parts in (3, 2):
        width, rest = divmod(len(times), parts)
        if rest or not width:
            continue
        start, stop = seconds[0], seconds[width]
        if parts == 2 or abs(stop - start - seconds[2 * width]) < 0.0021:
            return start, stop
    raise ValueError("times are not begin, end and duration, in the same forms")


def _seconds(reading: Reading, text: str) -> float:
    """A clock, "ss.msec", or a whole number of milliseconds."""
    if re.fullmatch(r"\d+:\d{2}:\d{2}[:;]\d{2,3}", text):
        return parse_timecode(text, fps=reading.rate())
    return int(text) / 1000 if text.isdigit() else parse_seconds(text)


def _named_cells(reading: Reading, header: Sequence[str], line: int, row: list[str], name: str) -> list[Cell]:
    """Cells of a row below a header: one where a column names the tier, else one for each column that is a tier."""
    named = [(title.casefold(), title, cell) for title, cell in zip(header, row, strict=False) if title]

    def first(*beginnings: str) -> str:
        return next((cell for key, _, cell in named if cell and key.startswith(beginnings)), "")

    begin, end = first("begin time"), first("end time")
    if not begin or not end:
        raise ValueError("no begin or no end time")
    start, stop = _seconds(reading, begin), _seconds(reading, end)
    recording = recording_name(first(*_FILES)) if first(*_FILES) else name
    known = ("begin time", "end time", "duration", "tier", "participant", "annotator", *_FILES)
    texts = [(title, cell) for key, title, cell in named if cell and not key.startswith(known)]
    tier, who = first("tier"), first("participant", "annotator")
    if any(key == "tier" for key, _, _ in named):
        return [_cell(tier, start, stop, texts[0][1] if texts else "", line, recording, who)]
    return [_cell(title, start, stop, cell, line, recording, who) for title, cell in texts]


def _cell(tier: str, start: float, stop: float, text: str, line: int, name: str, participant: str) -> Cell:
    hand = parse_hand(participant)
    return Cell(tier, start, stop, text, f"line {line}", name, "" if hand else participant, hand)


def write_elan_text(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """Lines of one recording below a header; ELAN imports them with File > Import > CSV / Tab-delimited text."""
    lines = ["\t".join(_HEADER)]
    for name, items in annotations.by_recording().items():
        lines.insert(0, f'"#file:///{annotations.recording(name).media_name} -- offset: 0"')
        for tier, layer, _, text, start, stop in tier_rows(items, losses):
            who = hand_name(layer.hand) or layer.annotator
            times = [f"{t / 1000:.3f}" for t in (start, stop, stop - start)]
            lines.append("\t".join([one_line(tier), one_line(who), *times, one_line(text)]))
        both = sum(bool(item.hand and item.annotator) for item in items)
        losses.tell("annotators of {} cannot be kept beside the hand in ELAN text", both)
    return "\n".join(lines) + "\n"
