"""ActivityNet's JSON: a database of videos with segments in seconds and a label each; also its layout of results.

Source: Caba Heilbron et al., ActivityNet, CVPR 2015.
"""

import json
from functools import partial
from typing import Any

from egoact.core.annotations.formats.annotation import Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.attributes import fields_of, said_by
from egoact.core.annotations.formats.syntax.json_text import has_keys, load_json
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
        reading.attempt(str(video), partial(_read_video, reading, str(video), entry))


def _read_video(reading: Reading, video: str, entry: Any) -> None:
    name = recording_name(video)
    known = entry if isinstance(entry, dict) else {"annotations": entry}
    duration, rate = known.get("duration"), known.get("fps")
    reading.know(Recording(name, "", float(rate) if rate else None, float(duration) if duration else None))
    for number, segment in enumerate(known.get("annotations") or (), 1):
        place = f"{name}, segment {number}"
        reading.attempt(place, partial(_read_segment, reading, segment, name, place))


def _read_segment(reading: Reading, segment: dict[str, Any], name: str, place: str) -> None:
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
    return json.dumps({"version": "egoact", "database": database}, indent=1, ensure_ascii=False) + "\n"
