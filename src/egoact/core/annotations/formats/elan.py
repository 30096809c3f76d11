"""ELAN documents (`.eaf`), read and written by pympi-ling: tiers of verbs, nouns and others, merged by overlap.

A tier may be called "verb@left" (the hand), has ANNOTATOR and PARTICIPANT attributes, and times count from the media
file's time origin.

Source: ELAN, Max Planck Institute for Psycholinguistics; pympi-ling, Lubbers and Torreira, 2013.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.tiers import Cell, Layer, Role, add_cells, split_layers
from egoact.core.annotations.formats.syntax.xml_text import check_xml, xml_characters
from egoact.core.annotations.formats.words import hand_name, parse_hand, recording_name
from egoact.core.errors import AnnotationError

LEAST_SECONDS = 0.001
_MISSING = "ELAN documents take pympi-ling: pip install 'egoact[formats]'"
_ROLES: tuple[Role, ...] = ("verb", "noun", "description", "note")


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
        for identity, start, stop, text in _stretches(reading, document, tier, aligned, references):
            times = (start + origin) / 1000, (stop + origin) / 1000
            place = f"tier '{tier}', annotation {identity}"
            words = " ".join(text.split())
            cells.append(Cell(tier, *times, words, place, name, annotator, parse_hand(participant)))
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


def _stretches(
    reading: Reading, document: Any, tier: str, aligned: dict[str, Any], references: dict[str, Any]
) -> Iterator[tuple[str, int, int, str]]:
    """Id, start and stop in milliseconds, and text; those that refer to others have their times."""
    for identity, (begin, end, text, _) in aligned.items():
        start, stop = document.timeslots.get(begin), document.timeslots.get(end)
        if start is None or stop is None:
            reading.problem(f"tier '{tier}', annotation {identity}", "its times are not aligned with the media")
        else:
            yield identity, start, stop, text
    for identity, (parent, text, *_) in references.items():
        found = _root(document, parent)
        start, stop = (None, None) if found is None else map(document.timeslots.get, found)
        if start is None or stop is None:
            reading.problem(
                f"tier '{tier}', annotation {identity}", f"the annotation {parent} it refers to has no times"
            )
        else:
            yield identity, start, stop, text


def _root(document: Any, identity: str) -> tuple[str, str] | None:
    """Time slots of the aligned annotation that a reference leads to."""
    for _ in range(len(document.annotations) + 1):
        tier = document.tiers.get(document.annotations.get(identity))
        if tier is None:
            return None
        if identity in tier[0]:
            return tier[0][identity][0], tier[0][identity][1]
        identity = tier[1][identity][0]
    return None


def tier_rows(items: Annotations, losses: Losses) -> Iterator[tuple[str, Layer, Annotation, str, int, int]]:
    """Tier, its layer, the annotation, what this tier says of it, start and stop in milliseconds."""
    points = sum(round(1000 * item.start_seconds) == round(1000 * item.stop_seconds) for item in items)
    losses.tell("{} became a millisecond long: ELAN has no points", points, "point event")
    for layer in split_layers(items, least_seconds=LEAST_SECONDS):
        for role in _ROLES:
            for item in layer.items:
                text = getattr(item, role) or ("" if item.verb or item.noun or item.description else None)
                if text or (text is not None and role == "verb"):
                    start = round(1000 * item.start_seconds)
                    yield layer.name(role), layer, item, text, start, max(round(1000 * item.stop_seconds), start + 1)


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
        for tier, layer, _, text, start, stop in tier_rows(items, losses):
            if tier not in document.tiers:
                document.add_tier(
                    xml_characters(tier),
                    part=hand_name(layer.hand) or None,
                    ann=xml_characters(layer.annotator) or None,
                )
            document.add_annotation(xml_characters(tier), start, stop, xml_characters(text))
    text = to_string(document)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
