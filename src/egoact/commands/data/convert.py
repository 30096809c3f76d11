"""`egoact convert`: annotations of any tool to the format of any other."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from egoact.core.annotations.formats.annotation import Recording


@dataclass(frozen=True)
class ConvertSettings:
    """Convert annotations between formats: egoact convert IN ... OUT.

    IN are files, or folders of files; OUT is a file, or a folder where the format has one recording a file. The formats
    are recognised by content and extension: boris, boris-events, elan, elan-text, segments, epic, label-studio, via,
    via-csv, datavyu, fiftyone, audacity, premiere, webvtt, activitynet, mstcn, cvat. What the format of OUT cannot hold
    is said in a line each; rows that cannot be read are named, and make the exit code 1.
    """

    paths: Positional[tuple[Path, ...]]
    """IN, or several, and at the end OUT."""
    from_: Annotated[str | None, arg(name="from")] = None
    """Format of IN, where content and extension do not tell it."""
    to: str | None = None
    """Format of OUT, where the extension does not tell it."""
    fps: float | None = None
    """Frames per second, where times are frames or are to be frames, and the files do not tell the rate."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings: tells their file names, frame rates and lengths."""
    media_offset: float = 0.0
    """Seconds to add to all times of IN, which may be negative; ELAN calls it the master media time offset."""
    verb_tier: str | None = None
    """Tier, control or column of IN that holds the verbs; by default the one that is called so."""
    noun_tier: str | None = None
    """The same for nouns."""
    annotator: str = ""
    """Who made the annotations of IN, where the files do not tell it."""
    classes: Path | None = None
    """CSV from their words to ours: columns label, verb and noun; a label with neither is left out. Or a folder with
    class files, which tell the numbers of classes."""
    split: bool = False
    """Labels that are one text are a verb and a noun: "take cup", or "take_cup" in MS-TCN files."""
    background_label: str = "background"
    """Label of frames of MS-TCN files in which nothing happens."""
    point_seconds: float = 0.0
    """Seconds that events without length are to last, where OUT cannot hold such events."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        from egoact.core.annotations.formats.catalogue import FORMATS

        if len(self.paths) < 2:
            raise ValueError("give at least one file to read, and one to write: egoact convert IN OUT")
        for flag, name in (("--from", self.from_), ("--to", self.to)):
            if name is not None and name not in FORMATS:
                raise ValueError(f"{flag} must be one of {', '.join(FORMATS)}, got {name!r}")
        if not 0 <= self.point_seconds < 3600:
            raise ValueError(f"--point-seconds must be from 0 on, got {self.point_seconds}")


def convert(settings: ConvertSettings) -> int:
    """Read, write, and tell what got lost; gives how many rows or annotations did."""
    from egoact.core.annotations.formats.catalogue import FORMATS
    from egoact.core.annotations.formats.conversion import read_annotations, write_annotations
    from egoact.core.annotations.formats.exchange import ReadOptions, WriteOptions, count_of
    from egoact.core.annotations.formats.label_words import LabelWords, read_class_numbers, read_mapping

    *inputs, out = settings.paths
    is_folder = settings.classes is not None and settings.classes.is_dir()
    words = LabelWords(
        {} if settings.classes is None or is_folder else read_mapping(settings.classes),
        is_split=settings.split,
        class_numbers=read_class_numbers(settings.classes) if settings.classes is not None and is_folder else {},
    )
    options = ReadOptions(
        fps=settings.fps,
        media_offset_seconds=settings.media_offset,
        verb_tier=settings.verb_tier,
        noun_tier=settings.noun_tier,
        annotator=settings.annotator,
        background=settings.background_label,
        known=_find_in(settings.media) if settings.media else None,
    )
    read = read_annotations(inputs, format_name=settings.from_, options=options, words=words)
    _tell(read.lines)
    annotations = read.annotations
    paths, encoded = write_annotations(
        annotations,
        out,
        format_name=settings.to,
        options=WriteOptions(fps=settings.fps, background=settings.background_label),
        point_seconds=settings.point_seconds,
        overwrite=settings.overwrite,
    )
    _tell(encoded.lines)
    written = count_of(len(annotations) - encoded.num_lost, "annotation")
    recordings = count_of(len(annotations.by_recording()), "recording")
    where = f"{out}: {len(paths)} files" if len(paths) != 1 else str(paths[0])
    print(f"{where}: {written} of {recordings} as {FORMATS[encoded.format_name].title}")
    return len(read.problems) + encoded.num_lost


def _tell(lines: "tuple[str, ...] | list[str]") -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _find_in(folders: tuple[Path, ...]) -> "Callable[[str], Recording | None]":
    """Tells file name, frame rate and length of a recording that is in these folders; None of others, said once."""
    from egoact.commands.recordings import open_recordings
    from egoact.core.annotations.formats.annotation import Recording
    from egoact.core.errors import MediaError
    from egoact.media.video.file import VideoFile

    root = open_recordings(folders)

    @cache
    def find(name: str) -> Recording | None:
        try:
            source = root.find(name)
            if source.is_stills:
                return None
            with VideoFile(source.path) as file:
                rate = file.stream.average_rate
                return Recording(name, source.path.name, float(rate) if rate else None, file.stated_seconds)
        except MediaError as error:
            print(error, file=sys.stderr)
            return None

    return find
