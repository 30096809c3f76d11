"""FiftyOne's temporal detections: `labels.json` of its temporal detection datasets, and samples of its own exports.

A support is the first and the last frame, counted from 1; timestamps are seconds.
"""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.attributes import fields_of, said_by
from egoact.core.annotations.formats.syntax.json_text import has_keys, load_json
from egoact.core.annotations.formats.words import recording_name


def is_fiftyone(source: Source) -> bool:
    """Whether it has labels of classes, or samples."""
    is_object = source.content.lstrip()[:1] == b"{"
    has_times = has_keys(source, "timestamps") or has_keys(source, "support") or has_keys(source, "classes")
    return is_object and has_times and (has_keys(source, "labels") or has_keys(source, "samples"))


def read_fiftyone(reading: Reading) -> None:
    """The detections of all videos."""
    content = load_json(reading.source)
    if not isinstance(content, dict) or not ("labels" in content or "samples" in content):
        raise reading.source.error("neither labels nor samples; these are not temporal detections of FiftyOne")
    classes = content.get("classes") or []
    if isinstance(content.get("labels"), dict):
        for media, detections in content["labels"].items():
            reading.attempt(str(media), partial(_read_media, reading, str(media), detections or (), classes))
        return
    for number, sample in enumerate(content.get("samples") or (), 1):
        reading.attempt(f"sample {number}", partial(_read_sample, reading, sample, classes))


def _read_sample(reading: Reading, sample: dict[str, Any], classes: list[str]) -> None:
    media = str(sample.get("filepath", ""))
    rate = (sample.get("metadata") or {}).get("frame_rate")
    reading.know(Recording(recording_name(media), media, float(rate) if rate else None))
    _read_media(reading, media, list(_detections(sample)), classes)


def _detections(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field, value in sample.items():
        if isinstance(value, dict) and value.get("_cls") == "TemporalDetections":
            for detection in value.get("detections") or ():
                yield {**detection, "tier": detection.get("tier") or field}


def _read_media(reading: Reading, media: str, detections: Any, classes: list[str]) -> None:
    name = recording_name(media)
    reading.know(Recording(name, media if media != name else ""))
    for number, detection in enumerate(detections, 1):
        place = f"{name}, detection {number}"
        reading.attempt(place, partial(_read_detection, reading, detection, name, place, classes))


def _read_detection(reading: Reading, detection: dict[str, Any], name: str, place: str, classes: list[str]) -> None:
    label = detection["label"]
    label = classes[label] if isinstance(label, int) and classes else label
    attributes = {"tier": detection.get("tier")} | dict(detection.get("attributes") or {})
    fields = fields_of(attributes, reading.options, label=str(label))
    start, stop = _times(reading, detection, name)
    reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, **fields)


def _times(reading: Reading, detection: dict[str, Any], name: str) -> tuple[float, float]:
    if detection.get("timestamps") is not None:
        start, stop = detection["timestamps"]
        return float(start), float(stop)
    first, last = detection["support"]
    rate = reading.rate(name)
    return (float(first) - 1) / rate, float(last) / rate


def write_fiftyone(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """`labels.json` of a FiftyOneTemporalDetectionDataset, with timestamps."""
    labels = {
        name: [
            {
                "label": item.label,
                "timestamps": [round(item.start_seconds, 6), round(item.stop_seconds, 6)],
                "attributes": said_by(item),
            }
            for item in items
        ]
        for name, items in annotations.by_recording().items()
    }
    return json.dumps({"classes": None, "labels": labels}, indent=1, ensure_ascii=False) + "\n"
