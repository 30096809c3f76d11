"""All formats in one visible dict: name -> title, how it is recognised, read and written, and what it keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.tools import (
    boris,
    boris_events,
    cvat,
    datavyu,
    elan,
    label_studio,
    markers,
    mstcn,
    spreadsheets,
    via,
    video_labels,
)

_NO_IDS = frozenset({"verb", "noun", "description", "hand", "note", "annotator", "tier"})
_IDS = frozenset({"participant", "identity", "verb_class", "noun_class"})


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        title: What it is called in messages.
        suffixes: Of its files; the first is the one to write.
        recognise: Whether a file looks like it; cheap, and never raises.
        read: Fills a reading.
        write: The text of a file.
        keeps: Fields of an annotation that it holds.
        has_points: Whether it holds events without length.
        is_alone: Whether a file is of one recording.
        has_names: Whether it names its recordings; where it does not, they are called like the file.
        separator: Between verb and noun, where it holds one text for both; else empty.
    """

    title: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Source], bool]
    read: Callable[[Reading], None]
    write: Callable[[Annotations, WriteOptions, Losses], str | bytes]
    keeps: frozenset[str] = _NO_IDS
    has_points: bool = True
    is_alone: bool = False
    has_names: bool = True
    separator: str = ""


_one_text = partial(Format, keeps=frozenset(), is_alone=True, has_names=False, separator=" ")
"""A format with one text an annotation, and nothing else."""

FORMATS: dict[str, Format] = {
    "boris": Format(
        "BORIS projects", (".boris",), boris.recognise, boris.read, boris.write, keeps=_NO_IDS - {"description"}
    ),
    "boris-events": Format(
        "BORIS event exports",
        (".csv", ".tsv"),
        boris_events.recognise,
        boris_events.read,
        boris_events.write,
        keeps=_NO_IDS - {"description"},
    ),
    "elan": Format(
        "ELAN documents", (".eaf",), elan.is_elan, elan.read_elan, elan.write_elan, has_points=False, is_alone=True
    ),
    "elan-text": Format(
        "ELAN tab-delimited text",
        (".txt", ".tsv"),
        elan.is_elan_text,
        elan.read_elan_text,
        elan.write_elan_text,
        has_points=False,
        is_alone=True,
    ),
    "label-studio": Format(
        "Label Studio JSON", (".json",), label_studio.recognise, label_studio.read, label_studio.write, has_points=False
    ),
    "via": Format("VIA projects", (".json",), via.is_via, via.read_via, via.write_via),
    "via-csv": Format("VIA CSV exports", (".csv",), via.is_via_csv, via.read_via_csv, via.write_via_csv),
    "datavyu": Format(
        "Datavyu CSV", (".csv",), datavyu.recognise, datavyu.read, datavyu.write, is_alone=True, has_names=False
    ),
    "fiftyone": Format(
        "FiftyOne temporal detections",
        (".json",),
        video_labels.is_fiftyone,
        video_labels.read_fiftyone,
        video_labels.write_fiftyone,
    ),
    "audacity": _one_text(
        "Audacity labels", (".txt",), markers.is_audacity, markers.read_audacity, markers.write_audacity
    ),
    "premiere": _one_text(
        "Premiere markers",
        (".csv", ".txt", ".tsv"),
        markers.is_premiere,
        markers.read_premiere,
        markers.write_premiere,
        keeps=frozenset({"note"}),
    ),
    "webvtt": _one_text(
        "WebVTT", (".vtt", ".srt"), markers.is_webvtt, markers.read_webvtt, markers.write_webvtt, has_points=False
    ),
    "activitynet": Format(
        "ActivityNet JSON",
        (".json",),
        video_labels.is_activitynet,
        video_labels.read_activitynet,
        video_labels.write_activitynet,
    ),
    "cvat": Format("CVAT video XML", (".xml",), cvat.recognise, cvat.read, cvat.write, has_points=False, is_alone=True),
    "epic": Format(
        "EPIC-KITCHENS CSV",
        (".csv",),
        spreadsheets.is_epic,
        spreadsheets.read_segments_table,
        spreadsheets.write_epic,
        keeps=_IDS | {"verb", "noun", "description"},
        has_points=False,
    ),
    "segments": Format(
        "segments CSV",
        (".csv", ".tsv"),
        spreadsheets.is_segments,
        spreadsheets.read_segments_table,
        spreadsheets.write_segments_table,
        keeps=_NO_IDS | _IDS,
        has_points=False,
    ),
    "mstcn": _one_text(
        "MS-TCN frame labels", (".txt",), mstcn.recognise, mstcn.read, mstcn.write, has_points=False, separator="_"
    ),
}
"""The order decides which of two is meant that both recognise a file."""


def recognise(source: Source) -> str:
    """The name of the format of a file, by its content and its extension; an `AnnotationError` where none fits."""
    fitting = [name for name, one in FORMATS.items() if one.recognise(source)]
    if not fitting:
        raise source.error(f"of no format that is known; give --from, one of {', '.join(FORMATS)}")
    return next((name for name in fitting if source.suffix in FORMATS[name].suffixes), fitting[0])


def choose(suffix: str) -> str:
    """The name of the format that an extension means, to write; a `ValueError` where none does, or several do."""
    if suffix.lower() == ".csv":
        return "segments"
    fitting = [name for name, one in FORMATS.items() if suffix.lower() in one.suffixes]
    if not fitting:
        raise ValueError(f"the extension '{suffix}' means no format; give --to, one of {', '.join(FORMATS)}")
    if len(fitting) > 1:
        raise ValueError(f"the extension '{suffix}' may mean several formats; give --to, one of {', '.join(fitting)}")
    return fitting[0]
