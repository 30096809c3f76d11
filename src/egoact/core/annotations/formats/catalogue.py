"""All formats in one visible dict: name -> title, how it is recognised, read and written, and what it keeps."""

from collections.abc import Callable
from dataclasses import dataclass

from egoact.core.annotations.formats import (
    activitynet,
    audacity,
    boris,
    boris_events,
    cvat,
    datavyu,
    elan,
    elan_text,
    fiftyone,
    label_studio,
    mstcn,
    premiere,
    spreadsheets,
    via,
    webvtt,
)
from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions

Reader = Callable[[Reading], None]
Writer = Callable[[Annotations, WriteOptions, Losses], str | bytes]

_WORDS = frozenset({"verb", "noun"})
_PEOPLE = frozenset({"hand", "note", "annotator", "tier"})
_IDS = frozenset({"participant", "identity", "verb_class", "noun_class"})


@dataclass(frozen=True, kw_only=True)
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
    read: Reader
    write: Writer
    keeps: frozenset[str]
    has_points: bool = True
    is_alone: bool = False
    has_names: bool = True
    separator: str = ""


FORMATS: dict[str, Format] = {
    "boris": Format(
        title="BORIS projects",
        suffixes=(".boris",),
        recognise=boris.is_boris,
        read=boris.read_boris,
        write=boris.write_boris,
        keeps=_WORDS | _PEOPLE,
    ),
    "boris-events": Format(
        title="BORIS event exports",
        suffixes=(".csv", ".tsv"),
        recognise=boris_events.is_boris_events,
        read=boris_events.read_boris_events,
        write=boris_events.write_boris_events,
        keeps=_WORDS | _PEOPLE,
    ),
    "elan": Format(
        title="ELAN documents",
        suffixes=(".eaf",),
        recognise=elan.is_elan,
        read=elan.read_elan,
        write=elan.write_elan,
        keeps=_WORDS | _PEOPLE | {"description"},
        has_points=False,
        is_alone=True,
    ),
    "elan-text": Format(
        title="ELAN tab-delimited text",
        suffixes=(".txt", ".tsv"),
        recognise=elan_text.is_elan_text,
        read=elan_text.read_elan_text,
        write=elan_text.write_elan_text,
        keeps=_WORDS | _PEOPLE | {"description"},
        has_points=False,
        is_alone=True,
    ),
    "label-studio": Format(
        title="Label Studio JSON",
        suffixes=(".json",),
        recognise=label_studio.is_label_studio,
        read=label_studio.read_label_studio,
        write=label_studio.write_label_studio,
        keeps=_WORDS | _PEOPLE | {"description"},
        has_points=False,
    ),
    "via": Format(
        title="VIA projects",
        suffixes=(".json",),
        recognise=via.is_via,
        read=via.read_via,
        write=via.write_via,
        keeps=_WORDS | _PEOPLE | {"description"},
    ),
    "via-csv": Format(
        title="VIA CSV exports",
        suffixes=(".csv",),
        recognise=via.is_via_csv,
        read=via.read_via_csv,
        write=via.write_via_csv,
        keeps=_WORDS | _PEOPLE | {"description"},
    ),
    "datavyu": Format(
        title="Datavyu CSV",
        suffixes=(".csv",),
        recognise=datavyu.is_datavyu,
        read=datavyu.read_datavyu,
        write=datavyu.write_datavyu,
        keeps=_WORDS | _PEOPLE | {"description"},
        is_alone=True,
        has_names=False,
    ),
    "fiftyone": Format(
        title="FiftyOne temporal detections",
        suffixes=(".json",),
        recognise=fiftyone.is_fiftyone,
        read=fiftyone.read_fiftyone,
        write=fiftyone.write_fiftyone,
        keeps=_WORDS | _PEOPLE | {"description"},
    ),
    "audacity": Format(
        title="Audacity labels",
        suffixes=(".txt",),
        recognise=audacity.is_audacity,
        read=audacity.read_audacity,
        write=audacity.write_audacity,
        keeps=frozenset(),
        is_alone=True,
        has_names=False,
        separator=" ",
    ),
    "premiere": Format(
        title="Premiere markers",
        suffixes=(".csv", ".txt", ".tsv"),
        recognise=premiere.is_premiere,
        read=premiere.read_premiere,
        write=premiere.write_premiere,
        keeps=frozenset({"note"}),
        is_alone=True,
        has_names=False,
        separator=" ",
    ),
    "webvtt": Format(
        title="WebVTT",
        suffixes=(".vtt", ".srt"),
        recognise=webvtt.is_webvtt,
        read=webvtt.read_webvtt,
        write=webvtt.write_webvtt,
        keeps=frozenset(),
        has_points=False,
        is_alone=True,
        has_names=False,
        separator=" ",
    ),
    "activitynet": Format(
        title="ActivityNet JSON",
        suffixes=(".json",),
        recognise=activitynet.is_activitynet,
        read=activitynet.read_activitynet,
        write=activitynet.write_activitynet,
        keeps=_WORDS | _PEOPLE | {"description"},
    ),
    "cvat": Format(
        title="CVAT video XML",
        suffixes=(".xml",),
        recognise=cvat.is_cvat,
        read=cvat.read_cvat,
        write=cvat.write_cvat,
        keeps=_WORDS | _PEOPLE | {"description"},
        has_points=False,
        is_alone=True,
    ),
    "epic": Format(
        title="EPIC-KITCHENS CSV",
        suffixes=(".csv",),
        recognise=spreadsheets.is_epic,
        read=spreadsheets.read_segments_table,
        write=spreadsheets.write_epic,
        keeps=_WORDS | _IDS | {"description"},
        has_points=False,
    ),
    "segments": Format(
        title="segments CSV",
        suffixes=(".csv", ".tsv"),
        recognise=spreadsheets.is_segments,
        read=spreadsheets.read_segments_table,
        write=spreadsheets.write_segments_table,
        keeps=_WORDS | _PEOPLE | _IDS | {"description"},
        has_points=False,
    ),
    "mstcn": Format(
        title="MS-TCN frame labels",
        suffixes=(".txt",),
        recognise=mstcn.is_mstcn,
        read=mstcn.read_mstcn,
        write=mstcn.write_mstcn,
        keeps=frozenset(),
        has_points=False,
        is_alone=True,
        has_names=False,
        separator="_",
    ),
}
"""The order decides which of two is meant that both recognise a file."""


def recognise(source: Source) -> str:
    """The name of the format of a file, by its content and its extension.

    Raises:
        AnnotationError: No format fits.
    """
    fitting = [name for name, one in FORMATS.items() if one.recognise(source)]
    if not fitting:
        raise source.error(f"of no format that is known; give --from, one of {', '.join(FORMATS)}")
    by_suffix = [name for name in fitting if source.suffix in FORMATS[name].suffixes]
    return (by_suffix or fitting)[0]


def choose(suffix: str) -> str:
    """The name of the format that an extension means, to write.

    Raises:
        ValueError: None does, or several do.
    """
    fitting = [name for name, one in FORMATS.items() if suffix.lower() in one.suffixes]
    if suffix.lower() == ".csv":
        return "segments"
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ValueError(f"the extension '{suffix}' means no format; give --to, one of {', '.join(FORMATS)}")
    raise ValueError(f"the extension '{suffix}' may mean several formats; give --to, one of {', '.join(fitting)}")
