"""VGG Image Annotator (VIA 3) for video: projects (JSON) and exports (CSV) with temporal segments and their attributes.

Source: Dutta and Zisserman, The VIA Annotation Software for Images, Audio and Video, 2019, arXiv:1904.10699.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.attributes import SAID, fields_of, said_by
from egoact.core.annotations.formats.syntax.json_text import has_keys, json_text, load_json
from egoact.core.annotations.formats.syntax.tables import split_lines
from egoact.core.annotations.formats.words import recording_name
from egoact.core.bounds import parse_json
from egoact.core.files import csv_text

_IDS = {name: str(number) for number, name in enumerate(SAID, 1)}
_ATTRIBUTE = {"anchor_id": "FILE1_Z2_XY0", "type": 1, "desc": "", "options": {}, "default_option_id": ""}
_ATTRIBUTES = {identity: {"aname": name} | _ATTRIBUTE for name, identity in _IDS.items()}
_VIDEO, _LOCAL = 4, 1
_EXPORTED = "# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)"
_CSV_COLUMNS = ("metadata_id", "file_list", "flags", "temporal_coordinates", "spatial_coordinates", "metadata")
_COMMENT = re.compile(r"#\s*(CSV_HEADER|ATTRIBUTES?)\s*=\s*")


def is_via(source: Source) -> bool:
    """Whether it is a project."""
    return source.content.lstrip()[:1] == b"{" and has_keys(source, "metadata", "attribute", "file")


def is_via_csv(source: Source) -> bool:
    """Whether it is an export."""
    return "CSV_HEADER" in _comments(source.beginning)


def read_via(reading: Reading) -> None:
    """The segments of a project."""
    project = load_json(reading.source)
    try:
        files, views = project["file"], project.get("view") or {}
        entries = project["metadata"].items()
        names = {vid: [_file(files, str(fid)) for fid in view["fid_list"]] for vid, view in views.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise reading.source.error(f"not a project of VIA 3 ({type(error).__name__}: {error})") from None
    for identity, entry in entries:
        place = f"metadata '{identity}'"
        with reading.row(place):
            view, values, times = str(entry["vid"]), entry.get("av") or {}, entry.get("z") or []
            file = (names.get(view) or [_file(files, view)])[0]
            _add(reading, place, file, () if entry.get("xy") else times, values, project["attribute"])


def _file(files: Mapping[str, Any], identity: str) -> str:
    one = files[identity]
    return str(one.get("fname") or one.get("src") or "")


def _add(
    reading: Reading,
    place: str,
    file: str,
    times: Sequence[float],
    values: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> None:
    if not times:
        reading.remark("regions of pictures are left out; only temporal segments are annotations of actions")
        return
    name = recording_name(file)
    reading.know(Recording(name, file))
    named = {_name(attributes.get(key), key): _value(attributes.get(key), value) for key, value in values.items()}
    fields = fields_of(named, reading.options)
    start, stop = float(times[0]), float(times[-1])
    reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, **fields)


def _name(attribute: Any, key: str) -> str:
    return str(attribute.get("aname", key) if isinstance(attribute, dict) else attribute or key)


def _value(attribute: Any, value: Any) -> str:
    """A value; of attributes with options their names, of which checkboxes have several."""
    options = attribute.get("options") if isinstance(attribute, dict) else None
    if not options or attribute.get("type") == 1:
        return "" if value == "_DEFAULT" else str(value)
    chosen = str(value)
    parts = [chosen] if chosen in options else [part for part in chosen.split(",") if part]
    return ", ".join(str(options.get(part, part)) for part in parts if part != "_DEFAULT")


def read_via_csv(reading: Reading) -> None:
    """The rows of an export, of this version or older ones."""
    text = reading.source.text
    comments = _comments(text)
    if "CSV_HEADER" not in comments:
        raise reading.source.error("no line '# CSV_HEADER = ...'; this is not an export of VIA")
    columns = [name.strip() for name in comments["CSV_HEADER"].split(",")]
    attributes = _described(comments.get("ATTRIBUTE", comments.get("ATTRIBUTES", "")))
    table = "\n".join("" if line.lstrip('"').startswith("#") else line for line in text.split("\n"))
    for line, cells in split_lines(reading.source, table, delimiter=","):
        with reading.row(f"line {line}"):
            _read_row(reading, dict(zip(columns, cells, strict=False)), f"line {line}", attributes)


def _comments(text: str) -> dict[str, str]:
    """What the comments of an export tell, by name; spreadsheet programs add quotes and commas around them."""
    found = {}
    for line in text.split("\n"):
        if line.startswith(("#", '"#')) and (match := _COMMENT.match(line.lstrip('"'))):
            found[match[1]] = line.lstrip('"')[match.end() :].rstrip('", \t;')
    return found


def _described(text: str) -> dict[str, Any]:
    """The attributes that a comment describes."""
    for said in (text, text.replace('""', '"')):
        try:
            return dict(parse_json(said))
        except (ValueError, TypeError, RecursionError):
            continue
    return {}


def _read_row(reading: Reading, row: dict[str, str], place: str, attributes: Mapping[str, Any]) -> None:
    files = row.get("file_list", "")
    file = parse_json(files)[0] if files.startswith("[") else files
    if "temporal_segment_start" in row:
        times = [row["temporal_segment_start"], row.get("temporal_segment_end") or row["temporal_segment_start"]]
    else:
        times = parse_json(row.get("temporal_coordinates") or "[]")
    seconds = [float(time) for time in times]
    values = parse_json(row.get("metadata") or "{}")
    has_region = row.get("spatial_coordinates", "[]") not in ("", "[]")
    _add(reading, place, str(file), () if has_region else seconds, values, attributes)


def _metadata(item: Annotation) -> tuple[list[float], dict[str, str]]:
    times = [item.start_seconds] if item.is_point else [item.start_seconds, item.stop_seconds]
    return [round(time, 6) for time in times], {_IDS[name]: value for name, value in said_by(item).items()}


def write_via(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """A project with a view a recording."""
    files, views, metadata = {}, {}, {}
    for number, (name, items) in enumerate(annotations.by_recording().items(), 1):
        media = annotations.recording(name).media_name
        files[str(number)] = {"fid": str(number), "fname": media, "type": _VIDEO, "loc": _LOCAL, "src": media}
        views[str(number)] = {"fid_list": [str(number)]}
        for position, item in enumerate(items, 1):
            times, values = _metadata(item)
            metadata[f"{number}_{position:08d}"] = {"vid": str(number), "flg": 0, "z": times, "xy": [], "av": values}
    project = {
        "pid": "__VIA_PROJECT_ID__",
        "rev": "__VIA_PROJECT_REV_ID__",
        "rev_timestamp": "__VIA_PROJECT_REV_TIMESTAMP__",
        "pname": "egoact",
        "creator": "egoact",
        "created": 0,
        "vid_list": list(views),
    }
    written = {
        "project": project,
        "config": {
            "file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}},
            "ui": {
                "file_content_align": "center",
                "file_metadata_editor_visible": True,
                "spatial_metadata_editor_visible": True,
                "temporal_segment_metadata_editor_visible": True,
                "spatial_region_label_attribute_id": "",
                "gtimeline_visible_row_count": "4",
            },
        },
        "attribute": _ATTRIBUTES,
        "file": files,
        "metadata": metadata,
        "view": views,
    }
    return json_text(written)


def write_via_csv(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The columns of an export of VIA 3."""
    rows = []
    for number, (name, items) in enumerate(annotations.by_recording().items(), 1):
        files = json.dumps([annotations.recording(name).media_name], ensure_ascii=False)
        for position, item in enumerate(items, 1):
            times, values = _metadata(item)
            said = json.dumps(values, ensure_ascii=False)
            rows.append([f"{number}_{position:08d}", files, 0, json.dumps(times), "[]", said])
    attributes = json.dumps(_ATTRIBUTES, ensure_ascii=False)
    header = f"# CSV_HEADER = {','.join(_CSV_COLUMNS)}"
    return f"{_EXPORTED}\n# ATTRIBUTE = {attributes}\n{header}\n{csv_text(rows)}"
