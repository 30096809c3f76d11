"""Labels of videos as JSON that models are trained with: ActivityNet's database, and FiftyOne's temporal detections.

ActivityNet has a database of videos with segments in seconds and a label each; its layout of results is read, too.
FiftyOne has the `labels.json` of its temporal detection datasets, and samples of its own exports: a support is the
first and the last frame, counted from 1; timestamps are seconds.

Source: Caba Heilbron et al., ActivityNet, CVPR 2015.
"""

from collections.abc import Iterator
from typing import Any

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.attributes import fields_of, said_by
from egoact.core.annotations.formats.syntax.json_text import has_keys, json_text, load_json
from egoact.core.annotations.formats.words import recording_name

_NOT_SAID = ("segment", "label", "score")


def is_activitynet(source: Source) -> bool:
    """Whether it has such a database, or results."""
    if source.content.lstrip()[:1] != b"{":
        return False
    return has_keys(source, "database") or (has_keys(source, "results") and has_keys(source, "segment"))


def read_activitynet(reading: Reading) -> None:
    """The segments of all videos."""
    content = load_json(reading.source)
    videos = content.get("database") or content.get("results") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise reading.source.error("no database; this is not in ActivityNet's layout")
    for video, entry in videos.items():
        with reading.row(str(video)):
            _read_video(reading, str(video), entry)


def _read_video(reading: Reading, video: str, entry: Any) -> None:
    name = recording_name(video)
    known = entry if isinstance(entry, dict) else {"annotations": entry}
    duration, rate = known.get("duration"), known.get("fps")
    reading.know(Recording(name, "", float(rate) if rate else None, float(duration) if duration else None))
    for number, segment in enumerate(known.get("annotations") or (), 1):
        place = f"{name}, segment {number}"
        with reading.row(place):
            start, stop = map(float, segment["segment"])
            others = {key: value for key, value in segment.items() if key not in _NOT_SAID}
            fields = fields_of(others, reading.options, label=str(segment["label"]))
            reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, **fields)


def write_activitynet(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """A database; verb, noun and others are keys of a segment beside its label."""
    database = {}
    for name, items in annotations.by_recording().items():
        recording = annotations.recording(name)
        stop = max((item.stop_seconds for item in items), default=0.0)
        segments = [
            {"segment": [round(item.start_seconds, 6), round(item.stop_seconds, 6)], "label": item.label}
            | said_by(item)
            for item in items
        ]
        duration = stop if recording.duration_seconds is None else recording.duration_seconds
        known = {"duration": duration} | ({} if recording.fps is None else {"fps": recording.fps})
        database[name] = known | {"subset": "training", "annotations": segments}
    return json_text({"version": "egoact", "database": database})


def is_fiftyone(source: Source) -> bool:
    """Whether it has labels of classes, or samples."""
    is_object = source.content.lstrip()[:1] == b"{"
    has_times = any(has_keys(source, key) for key in ("timestamps", "support", "classes"))
    return is_object and has_times and (has_keys(source, "labels") or has_keys(source, "samples"))


def read_fiftyone(reading: Reading) -> None:
    """The detections of all videos."""
    content = load_json(reading.source)
    if not isinstance(content, dict) or not ("labels" in content or "samples" in content):
        raise reading.source.error("neither labels nor samples; these are not temporal detections of FiftyOne")
    classes = content.get("classes") or []
    if isinstance(content.get("labels"), dict):
        for media, detections in content["labels"].items():
            with reading.row(str(media)):
                _read_detections(reading, str(media), None, detections or (), classes)
        return
    for number, sample in enumerate(content.get("samples") or (), 1):
        with reading.row(f"sample {number}"):
            rate = (sample.get("metadata") or {}).get("frame_rate")
            media, frame_rate = str(sample.get("filepath", "")), float(rate) if rate else None
            _read_detections(reading, media, frame_rate, list(_detections(sample)), classes)


def _detections(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field, value in sample.items():
        if isinstance(value, dict) and value.get("_cls") == "TemporalDetections":
            for detection in value.get("detections") or ():
                yield {**detection, "tier": detection.get("tier") or field}


def _read_detections(reading: Reading, media: str, rate: float | None, detections: Any, classes: list[str]) -> None:
    name = recording_name(media)
    reading.know(Recording(name, media if media != name else "", rate))
    for number, detection in enumerate(detections, 1):
        place = f"{name}, detection {number}"
        with reading.row(place):
            label = detection["label"]
            label = classes[label] if isinstance(label, int) and classes else label
            attributes = {"tier": detection.get("tier")} | dict(detection.get("attributes") or {})
            fields = fields_of(attributes, reading.options, label=str(label))
            if detection.get("timestamps") is not None:
                start, stop = map(float, detection["timestamps"])
            else:
                first, last = map(float, detection["support"])
                start, stop = (first - 1) / reading.rate(name), last / reading.rate(name)
            reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, **fields)


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
    return json_text({"classes": None, "labels": labels})
