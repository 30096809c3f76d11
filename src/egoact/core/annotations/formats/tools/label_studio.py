"""Label Studio exports (JSON): regions of a timeline in frames, or of sound in seconds, and what belongs to them.

Frames count from 1, and the last one belongs to a region. Verbs are timeline labels, nouns and hands choices of the
same region, notes its comment.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, rate_of
from egoact.core.annotations.formats.syntax.attributes import fields_of, said_by
from egoact.core.annotations.formats.syntax.json_text import has_keys, json_text, load_json
from egoact.core.annotations.formats.syntax.tiers import Cell, add_cells, parse_tier
from egoact.core.annotations.formats.words import recording_name

_MEDIA_KEYS = ("video", "video_url", "audio", "url", "media")
_RATE_KEYS = ("fps", "frame_rate", "framerate", "frameRate")


def recognise(source: Source) -> bool:
    """Whether it is JSON with tasks and results."""
    return source.content.lstrip()[:1] in (b"[", b"{") and has_keys(source, "data", "annotations")


def read(reading: Reading) -> None:
    """All tasks of an export."""
    tasks = load_json(reading.source)
    cells: list[Cell] = []
    for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], 1):
        with reading.row(f"task {number}"):
            cells += _cells_of_task(reading, number, task)
    # The name of the only control of a configuration says nothing.
    controls = {c.tier for c in cells if (name := parse_tier(c.tier, reading.options)) and name.role == "label"}
    if len(controls) == 1 and not reading.options.tiers:
        cells = [replace(cell, tier="") if cell.tier in controls else cell for cell in cells]
    add_cells(reading, cells)


def _cells_of_task(reading: Reading, number: int, task: dict[str, Any]) -> list[Cell]:
    data = task["data"]
    media = _media(task, data)
    name = recording_name(media)
    rate = next((float(data[key]) for key in _RATE_KEYS if data.get(key)), None)
    reading.know(Recording(name, media, rate))
    found: list[Cell] = []
    for annotation in task.get("annotations") or ():
        if annotation.get("was_cancelled"):
            reading.remark(f"task {number}: a skipped annotation is left out")
            continue
        by_region: dict[str, list[dict[str, Any]]] = {}
        for position, result in enumerate(annotation.get("result") or ()):
            by_region.setdefault(str(result.get("id", position)), []).append(result)
        for region, results in by_region.items():
            place = f"task {number}, region '{region}'"
            found += _cells_of_region(reading, results, place, name, _annotator(annotation))
    return found


def _media(task: dict[str, Any], data: dict[str, Any]) -> str:
    texts = [data[key] for key in (*_MEDIA_KEYS, *data) if isinstance(data.get(key), str)]
    media = next((text for text in texts if text), str(task.get("file_upload") or f"task {task.get('id', '')}"))
    head, slash, last = media.rpartition("/")
    if "/upload" in head or media == task.get("file_upload"):
        last = re.sub(r"^[0-9a-f]{8}-", "", last)  # what Label Studio puts before the names of uploads
    return head + slash + last


def _annotator(annotation: dict[str, Any]) -> str:
    who = annotation.get("completed_by", "")
    if isinstance(who, dict):
        who = who.get("email") or " ".join(filter(None, (who.get("first_name"), who.get("last_name")))) or who.get("id")
    return "" if who is None else str(who)


def _cells_of_region(
    reading: Reading, results: list[dict[str, Any]], place: str, name: str, annotator: str
) -> Iterator[Cell]:
    fields = fields_of(_beside(reading, results, name), reading.options, label="")
    who = fields.get("annotator") or annotator
    seen = False
    for result in results:
        value, tier = result.get("value") or {}, str(result.get("from_name", ""))
        for start, stop in _stretches(reading, result, name):
            seen = True
            for label in value.get("timelinelabels") or value.get("labels") or [""]:
                yield Cell(tier, start, stop, str(label), place, name, who, extras=fields)
    if not seen:
        reading.problem(place, f"a {results[0].get('type', 'result')} without a stretch of time")


def _beside(reading: Reading, results: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """What is said of a region beside its labels: its comment, choices and texts."""
    found: dict[str, Any] = {}
    for result in results:
        meta = dict(result.get("meta") or {})
        if isinstance(meta.get("text"), list):
            meta["note"] = " ".join(map(str, meta.pop("text")))
        found |= meta
        if not _stretches(reading, result, name):
            value = result.get("value") or {}
            said = value.get("choices") or value.get("text") or ()
            found[str(result.get("from_name", ""))] = said if isinstance(said, str) else ", ".join(map(str, said))
    return found


def _stretches(reading: Reading, result: dict[str, Any], name: str) -> list[tuple[float, float]]:
    value = result.get("value") or {}
    if isinstance(value.get("ranges"), list) and "timelinelabels" in value:
        rate = reading.rate(name)
        return [
            ((float(r["start"]) - 1) / rate, max(float(r["end"]), float(r["start"])) / rate) for r in value["ranges"]
        ]
    is_sound = result.get("type") == "labels" and "text" not in value  # with a text these are its characters
    if is_sound and {"labels", "start", "end"} <= set(value):
        return [(float(value["start"]), float(value["end"]))]
    return []


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """Tasks to import, one a recording, for a configuration with `<TimelineLabels name="verb" toName="video">`."""
    tasks = []
    points = sum(item.is_point for item in annotations)
    losses.tell("{} became a frame long: Label Studio has no points", points, "point event")
    for number, (name, items) in enumerate(annotations.by_recording().items(), 1):
        recording = annotations.recording(name)
        rate = rate_of(annotations, name, options)
        results = [r for n, item in enumerate(items, 1) for r in _results(item, f"{number}_{n}", rate)]
        data = {"video": recording.media_name, "fps": rate}
        tasks.append({"id": number, "data": data, "annotations": [{"id": number, "result": results}]})
    return json_text(tasks)


def _results(item: Annotation, identity: str, rate: float) -> Iterator[dict[str, Any]]:
    first = round(item.start_seconds * rate) + 1
    ranges = [{"start": first, "end": max(round(item.stop_seconds * rate), first)}]
    said = said_by(item)
    meta: dict[str, Any] = {key: said[key] for key in ("annotator", "tier", "description") if key in said}
    if item.note:
        meta["text"] = [item.note]
    label = {"ranges": ranges, "timelinelabels": [item.verb or item.label]}
    base = {"id": identity, "to_name": "video", "origin": "manual"}
    yield base | {"from_name": "verb", "type": "timelinelabels", "value": label} | ({"meta": meta} if meta else {})
    for name in ("noun", "hand"):
        if name in said:
            value = {"ranges": ranges, "choices": [said[name]]}
            yield base | {"from_name": name, "type": "choices", "value": value}
