"""ELAN: tiers of verbs, nouns and others, merged by overlap; documents (`.eaf`), by pympi-ling, and tab-delimited text.

A tier of a document may be called "verb@left" (the hand), has ANNOTATOR and PARTICIPANT attributes, and times count
from the media file's time origin. Text has a line an annotation, with or without a header, or a column a tier, and
times in one to three forms. "#file:///C:/kitchen.mp4 -- offset: 1230" before the lines tells the media file, and where
in it times begin.

Source: ELAN, Max Planck Institute for Psycholinguistics; pympi-ling, Lubbers and Torreira, 2013.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Hand, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.tiers import Cell, Role, add_cells, split_layers
from egoact.core.annotations.formats.syntax.times import parse_timecode
from egoact.core.annotations.formats.syntax.xml_text import check_xml, xml_characters
from egoact.core.annotations.formats.words import hand_name, one_line, parse_hand, recording_name
from egoact.core.annotations.parsing import parse_decimal_comma
from egoact.core.errors import AnnotationError

_LEAST_SECONDS = 0.001
_MISSING = "ELAN documents take pympi-ling: pip install 'egoact[formats]'"
_ROLES: tuple[Role, ...] = ("verb", "noun", "description", "note")
_TIME = re.compile(r"\d+(?:[.,]\d+)?|\d{1,3}:\d{2}:\d{2}[.,:;]\d{1,3}", re.ASCII)
_OFFSET = re.compile(r"-- offset:\s*(-?\d{1,12})\s*$", re.ASCII)  # milliseconds
_HEADER = ("Tier", "Participant", "Begin Time - ss.msec", "End Time - ss.msec", "Duration - ss.msec", "Annotation")
_FILES = ("file", "media")


def is_elan(source: Source) -> bool:
    """Whether it is such a document."""
    return source.suffix == ".eaf" or b"<ANNOTATION_DOCUMENT" in source.content[:4000]


def read_elan(reading: Reading) -> None:
    """All tiers of a document."""
    document = _load(reading.source)
    name = reading.source.recording
    origin = 0
    for media in document.media_descriptors[:1]:
        path = media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL") or ""
        name = recording_name(path) or name
        origin = int(media.get("TIME_ORIGIN") or 0)
        reading.know(Recording(name, path))
    if origin:
        reading.remark(f"{name}: times begin {origin / 1000:g} s into the media file, which is added")
    cells = []
    for tier, (aligned, references, attributes, _) in document.tiers.items():
        annotator = (attributes.get("ANNOTATOR") or "").strip()
        participant = (attributes.get("PARTICIPANT") or "").strip()
        for identity, slots, text, reason in _annotations(document, aligned, references):
            place = f"tier '{tier}', annotation {identity}"
            start, stop = map(document.timeslots.get, slots)
            if start is None or stop is None:
                reading.problem(place, reason)
                continue
            times = (start + origin) / 1000, (stop + origin) / 1000
            cells.append(Cell(tier, *times, one_line(text), place, name, annotator, parse_hand(participant)))
    add_cells(reading, cells)


def _load(source: Source) -> Any:
    check_xml(source)
    try:
        from pympi.Elan import Eaf
    except ImportError:
        raise source.error(_MISSING) from None
    if b"noNamespaceSchemaLocation" not in source.content:  # pympi takes this attribute for granted
        raise source.error("no schema is named; open and save it with ELAN once")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.eaf"
        path.write_bytes(source.content)
        try:
            return Eaf(str(path), suppress_version_warning=True)
        except Exception as error:  # it raises whatever comes, `Exception` itself among it
            raise source.error(f"not an ELAN document ({type(error).__name__}: {error})") from None


def _annotations(
    document: Any, aligned: dict[str, Any], references: dict[str, Any]
) -> Iterator[tuple[str, Sequence[str | None], str, str]]:
    """Id, time slots and text of those of a tier, and what is wrong if the slots have no times."""
    for identity, (begin, end, text, _) in aligned.items():
        yield identity, (begin, end), text, "its times are not aligned with the media"
    for identity, (parent, text, *_) in references.items():
        yield identity, _root(document, parent), text, f"the annotation {parent} it refers to has no times"


def _root(document: Any, identity: str) -> Sequence[str | None]:
    """Time slots of the aligned annotation that a reference leads to."""
    for _ in range(len(document.annotations) + 1):
        tier = document.tiers.get(document.annotations.get(identity))
        if tier is None:
            break
        if identity in tier[0]:
            return tuple(tier[0][identity][:2])
        identity = tier[1][identity][0]
    return None, None


class _Row(NamedTuple):
    """What a tier says of an annotation; milliseconds."""

    tier: str
    hand: Hand
    annotator: str
    text: str
    start: int
    stop: int


def _tier_rows(items: Annotations, losses: Losses) -> Iterator[_Row]:
    """The annotations of one recording as tiers without overlaps."""
    points = sum(round(1000 * item.start_seconds) == round(1000 * item.stop_seconds) for item in items)
    losses.tell("{} became a millisecond long: ELAN has no points", points, "point event")
    groups: dict[tuple[str, Hand, str], list[Annotation]] = {}
    for item in items:
        groups.setdefault((item.tier, item.hand, item.annotator), []).append(item)
    has_several = len({annotator for *_, annotator in groups}) > 1
    for (tier, hand, annotator), mine in groups.items():
        for number, layer in enumerate(split_layers(mine, lambda _: None, least_seconds=_LEAST_SECONDS), 1):
            who = " ".join(filter(None, (annotator if has_several else "", hand, str(number) if number > 1 else "")))
            for role in _ROLES:
                name = (f"{tier} " if tier else "") + role + (f"@{who}" if who else "")
                for item in layer:
                    text = getattr(item, role)
                    if text or (role == "verb" and (item.noun or item.description)):
                        start = round(1000 * item.start_seconds)
                        stop = max(round(1000 * item.stop_seconds), start + 1)
                        yield _Row(name, hand, annotator, text, start, stop)


def write_elan(annotations: Annotations, options: WriteOptions, losses: Losses) -> bytes:
    """A document of one recording."""
    try:
        from pympi.Elan import Eaf, to_string
    except ImportError:
        raise AnnotationError(_MISSING) from None
    document = Eaf(author="egoact")
    document.remove_tier("default")
    document.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    document.adocument["DATE"] = "1970-01-01T00:00:00+00:00"  # the same annotations are the same file
    for name, items in annotations.by_recording().items():
        media = annotations.recording(name).media_name
        address = media if "://" in media else f"./{Path(media).name}"
        document.add_linked_file(address, relpath=address, mimetype="video/mp4")
        for row in _tier_rows(items, losses):
            tier = xml_characters(row.tier)
            if row.tier not in document.tiers:
                document.add_tier(tier, part=hand_name(row.hand) or None, ann=xml_characters(row.annotator) or None)
            document.add_annotation(tier, row.start, row.stop, xml_characters(row.text))
    text = to_string(document)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def is_elan_text(source: Source) -> bool:
    """Whether the first lines are a tier, times and a value, or name columns as ELAN does."""
    line = next((line for line in source.beginning.split("\n") if line.strip() and not _is_media(line)), "")
    if "\t" not in line:
        return False
    cells = [cell.strip() for cell in line.split("\t")]
    if any(cell.casefold().startswith("begin time") for cell in cells):
        return True
    first, last = _time_span(cells)
    return first >= 1 and last - first >= 2 and not _TIME.fullmatch(cells[0])


def _is_media(line: str) -> bool:
    return line.lstrip('"').startswith("#")


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
        text = records.pop(0)[1][0].strip('"').removeprefix("#")
        match = _OFFSET.search(text)
        media, offset = text[: match.start() if match else None].strip(), int(match[1]) / 1000 if match else 0.0
        if not media.casefold().endswith(".eaf"):
            name = recording_name(media) or name
            reading.know(Recording(name, media))
        if offset and not reading.options.media_offset_seconds:
            reading.remark(
                f"{reading.source.name} says that the media has an offset of {offset:g} s; unless ELAN added it when "
                f"exporting, give --media-offset {offset:g}"
            )
    if not records:
        raise reading.source.error("no annotations in it")
    header = [cell.casefold() for cell in records[0][1]]
    has_header = any(cell.startswith("begin time") for cell in header)
    cells: list[Cell] = []
    for line, row in records[1:] if has_header else records:
        with reading.row(f"line {line}"):
            if has_header:
                cells += _named_cells(reading, records[0][1], line, row, name)
            else:
                cells.append(_plain_cell(reading, line, row, name))
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
    return int(text) / 1000 if text.isdigit() else parse_decimal_comma(text)


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
    lines: list[str] = ["\t".join(_HEADER)]
    for name, items in annotations.by_recording().items():
        lines.insert(0, f'"#file:///{annotations.recording(name).media_name} -- offset: 0"')
        for row in _tier_rows(items, losses):
            who = hand_name(row.hand) or row.annotator
            times = [f"{t / 1000:.3f}" for t in (row.start, row.stop, row.stop - row.start)]
            lines.append("\t".join([one_line(row.tier), one_line(who), *times, one_line(row.text)]))
        both = sum(bool(item.hand and item.annotator) for item in items)
        losses.tell("annotators of {} cannot be kept beside the hand in ELAN text", both)
    return "\n".join(lines) + "\n"
