"""CVAT for video 1.1 (XML): tracks of shapes, of which a stretch in view is an annotation; and tags of images in a row.

CVAT has no intervals: a track is written as a small box that is there while the action lasts.
"""

from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, rate_of
from egoact.core.annotations.formats.syntax.attributes import SAID, fields_of, said_by
from egoact.core.annotations.formats.syntax.xml_text import load_xml, xml_characters
from egoact.core.annotations.formats.words import recording_name

Values = tuple[tuple[str, str], ...]


def recognise(source: Source) -> bool:
    """Whether it is such XML."""
    return b"<annotations" in source.content[:4000] and source.content.lstrip()[:1] == b"<"


def read(reading: Reading) -> None:
    """The tracks and tags of a task."""
    root = load_xml(reading.source)
    sources = [text for element in root.iter("source") if (text := (element.text or "").strip())]
    if len(set(sources)) > 1:
        raise reading.source.error("a project of several tasks; export the tasks one by one")
    names = [text for element in root.iter("name") if (text := (element.text or "").strip())]
    media = sources[0] if sources else ""
    name = recording_name(media or (names[0] if names else reading.source.name))
    reading.know(Recording(name, media))
    for track in root.iter("track"):
        place = f"track {track.get('id', '?')}"
        with reading.row(place):
            shapes = sorted((shape for shape in track if shape.get("frame")), key=_frame)
            for first, stop, values in _stretches(shapes):
                _add(reading, place, name, (first, stop), track.get("label", ""), values)
    _read_tags(reading, root.iter("image"), name)


def _frame(shape: Element) -> int:
    return int(shape.get("frame", 0))


def _stretches(shapes: Iterable[Element]) -> Iterator[tuple[int, int, Values]]:
    """First frame, the one after the last, and attributes, of each stretch in view with the same attributes."""
    first: int | None = None
    last, values = 0, Values()
    for shape in shapes:
        frame, is_outside, now = _frame(shape), shape.get("outside") == "1", _values(shape)
        if first is not None and (is_outside or now != values):
            yield first, frame, values
            first = None
        if not is_outside and first is None:
            first, values = frame, now
        last = frame
    if first is not None:
        yield first, last + 1, values


def _values(element: Element) -> Values:
    return tuple((a.get("name", ""), (a.text or "").strip()) for a in element.iter("attribute"))


def _add(reading: Reading, place: str, name: str, frames: tuple[int, int], label: str, values: Values) -> None:
    rate = reading.rate(name)
    fields = fields_of(dict(values), reading.options, label=label)
    start, stop = (frame / rate for frame in frames)
    reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, **fields)


def _read_tags(reading: Reading, images: Iterable[Element], name: str) -> None:
    """Tags that images one after another have, as one stretch."""
    open_tags: dict[tuple[str, Values], tuple[int, int]] = {}
    for image in images:
        frame = int(image.get("id", 0))
        here = {(tag.get("label", ""), _values(tag)) for tag in image.iter("tag")}
        for key in [key for key, (_, last) in open_tags.items() if key not in here or last != frame - 1]:
            _close(reading, name, key, open_tags.pop(key))
        for key in here:
            open_tags[key] = (open_tags.get(key, (frame, frame))[0], frame)
    for key, frames in open_tags.items():
        _close(reading, name, key, frames)


def _close(reading: Reading, name: str, key: tuple[str, Values], frames: tuple[int, int]) -> None:
    first, last = frames
    _add(reading, f"image {first}", name, (first, last + 1), *key)


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> bytes:
    """A task of one recording, with a track an annotation."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for name, items in annotations.by_recording().items():
        rate = rate_of(annotations, name, options)
        task = SubElement(SubElement(root, "meta"), "task")
        SubElement(task, "name").text = xml_characters(name)
        SubElement(task, "mode").text = "interpolation"
        _write_labels(SubElement(task, "labels"), sorted({item.verb or item.label for item in items}))
        SubElement(task, "source").text = xml_characters(annotations.recording(name).media_name)
        points = 0
        for number, item in enumerate(items):
            label = xml_characters(item.verb or item.label)
            track = SubElement(root, "track", {"id": str(number), "label": label, "source": "manual"})
            first, stop = round(item.start_seconds * rate), round(item.stop_seconds * rate)
            points += stop <= first
            for frame, outside in ((first, "0"), (max(stop, first + 1), "1")):
                _write_box(track, frame, outside, said_by(item))
        losses.tell("{} of less than a frame became a frame long in CVAT", points, "annotation")
    losses.tell("CVAT has no intervals: a box of one pixel is there while an action lasts")
    ElementTree.indent(root, space=" ")
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _write_labels(parent: Element, names: Iterable[str]) -> None:
    for name in names:
        label = SubElement(parent, "label")
        SubElement(label, "name").text = xml_characters(name)
        attributes = SubElement(label, "attributes")
        for field in SAID:
            attribute = SubElement(attributes, "attribute")
            for key, value in (("name", field), ("mutable", "False"), ("input_type", "text"), ("default_value", "")):
                SubElement(attribute, key).text = value


def _write_box(track: Element, frame: int, outside: str, said: Mapping[str, str]) -> None:
    place = {"frame": str(frame), "outside": outside, "occluded": "0", "keyframe": "1", "z_order": "0"}
    box = SubElement(track, "box", place | {"xtl": "0.00", "ytl": "0.00", "xbr": "1.00", "ybr": "1.00"})
    for name, value in said.items():
        SubElement(box, "attribute", {"name": name}).text = xml_characters(value)
