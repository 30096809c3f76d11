"""Whole files: read in any format, and written in any other, with a sentence about everything that got lost."""

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording, learn
from egoact.core.annotations.formats.catalogue import FORMATS, Format, choose, recognise
from egoact.core.annotations.formats.exchange import (
    MOST_BYTES,
    Losses,
    Problem,
    Reading,
    ReadOptions,
    Source,
    WriteOptions,
)
from egoact.core.annotations.formats.label_words import LabelWords
from egoact.core.annotations.reading import read_content
from egoact.core.errors import AnnotationError
from egoact.core.files import make_folder, write_atomically

_TELL = {
    "hand": "hands",
    "note": "notes",
    "annotator": "annotators",
    "tier": "tiers",
    "noun": "nouns",
    "description": "descriptions",
    "verb_class": "class numbers of verbs",
    "noun_class": "class numbers of nouns",
    "participant": "participants",
    "identity": "ids",
}
_MOST_TOLD = 5


@dataclass(frozen=True)
class ReadFile:
    """What was read of all files, in their order: problems with the name of the file, and the format of each file."""

    annotations: Annotations
    problems: tuple[tuple[str, Problem], ...]
    remarks: tuple[str, ...]
    format_names: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Problems and remarks, one a line, for people; of many problems of a file the first ones."""
        found: list[str] = []
        told = Counter[str]()
        for name, problem in self.problems:
            told[name] += 1
            if told[name] <= _MOST_TOLD:
                found.append(f"{name}, {problem.place}: {problem.reason}; left out")
        more = (told - Counter(dict.fromkeys(told, _MOST_TOLD))).items()
        return [*found, *(f"{name}: {count} more rows left out" for name, count in more), *self.remarks]


@dataclass(frozen=True)
class Encoded:
    """Annotations as files of a format.

    Args:
        format_name: Key of `FORMATS`.
        files: Name of the recording, or "" where all are in one file -> content.
        suffix: Of the files.
        lines: What the format could not hold, one sentence each.
        num_lost: Annotations that are in none of the files.
    """

    format_name: str
    files: dict[str, bytes]
    suffix: str
    lines: tuple[str, ...]
    num_lost: int


def decode_annotations(
    sources: Iterable[Source],
    *,
    format_name: str | None = None,
    options: ReadOptions | None = None,
    words: LabelWords | None = None,
) -> ReadFile:
    """Read the contents of files.

    Args:
        sources: Names and contents.
        format_name: A key of `FORMATS` for all of them; None: each as it looks.
        options: What the files do not tell.
        words: How labels become verbs and nouns; None: as they are read.

    Raises:
        AnnotationError: A file that cannot be read at all.
    """
    options, words = options or ReadOptions(), words or LabelWords()
    items: list[Annotation] = []
    recordings: dict[str, Recording] = {}
    problems: list[tuple[str, Problem]] = []
    remarks: list[str] = []
    names: list[str] = []
    for source in sources:
        name = format_name or recognise(source)
        names.append(name)
        reading = _read(source, options, FORMATS[name])
        items += words.apply(reading.items, separator=FORMATS[name].separator or " ")
        for recording in reading.recordings.values():
            learn(recordings, recording)
        problems += [(source.name, problem) for problem in reading.problems]
        remarks += reading.remarks
        if not reading.items and not reading.problems:
            remarks.append(f"{source.name}: no annotations in it (read as {FORMATS[name].title})")
    if options.known is not None:
        for name in dict.fromkeys([*recordings, *(item.recording for item in items)]):
            if (known := options.known(name)) is not None:
                learn(recordings, known)
    annotations = Annotations(tuple(items), recordings)
    return ReadFile(annotations, tuple(problems), tuple(dict.fromkeys([*remarks, *words.remarks])), tuple(names))


def _read(source: Source, options: ReadOptions, one: Format) -> Reading:
    reading = Reading(source, options)
    try:
        one.read(reading)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError) as error:
        reason = f"not as {one.title} are ({type(error).__name__}: {error}); --from names another format"
        raise source.error(reason) from error
    return reading


def read_annotations(
    paths: Iterable[str | Path],
    *,
    format_name: str | None = None,
    options: ReadOptions | None = None,
    words: LabelWords | None = None,
) -> ReadFile:
    """Read files, or all files of folders that have an extension of a format; as `decode_annotations`."""
    formats = FORMATS.values() if format_name is None else [FORMATS[format_name]]
    suffixes = {suffix for one in formats for suffix in one.suffixes}
    found = dict.fromkeys(path for given in paths for path in _list_files(Path(given), suffixes))
    sources = [Source(str(path), read_content(path, most_bytes=MOST_BYTES)) for path in found]
    return decode_annotations(sources, format_name=format_name, options=options, words=words)


def _list_files(path: Path, suffixes: Container[str]) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = (p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    if found := sorted(p for p in files if p.suffix.lower() in suffixes):
        return found
    raise AnnotationError("no files of annotations in this folder", path=path)


def encode_annotations(
    annotations: Annotations, format_name: str, *, options: WriteOptions | None = None, point_seconds: float = 0.0
) -> Encoded:
    """The files of a format, and what it cannot hold.

    Args:
        annotations: Of one or several recordings.
        format_name: A key of `FORMATS`.
        options: What the annotations do not tell.
        point_seconds: How long a point event is to be, where the format holds none; 0: as the format does it.

    Raises:
        AnnotationError: The format counts frames and a rate is not known, or takes a library that is not installed.
    """
    one, options, losses = FORMATS[format_name], options or WriteOptions(), Losses()
    items = annotations.items
    if point_seconds > 0 and not one.has_points:
        items = tuple(replace(i, stop_seconds=i.stop_seconds + point_seconds * i.is_point) for i in items)
    if one.keeps >= {"verb", "noun"} and "description" not in one.keeps:
        items = tuple(replace(i, verb=i.description, description="") if not i.verb and not i.noun else i for i in items)
    annotations = Annotations(items, annotations.recordings)
    _tell_fields(annotations, one, losses)
    groups = annotations.by_recording() if one.is_alone else {"": annotations}
    files = {}
    for name, group in groups.items():
        content = one.write(group, options, losses)
        files[name] = content.encode() if isinstance(content, str) else content
    return Encoded(format_name, files, one.suffixes[0], tuple(losses.lines), losses.num_lost)


def _tell_fields(annotations: Annotations, one: Format, losses: Losses) -> None:
    for field, words in _TELL.items():
        if field in one.keeps or (field == "noun" and one.separator):
            continue
        if field == "description":
            count = sum(bool(item.description and item.description != item.label) for item in annotations)
        elif field == "participant":  # mostly the beginning of the recording's name, and made from it again
            count = sum(item.participant not in ("", item.recording.partition("_")[0]) for item in annotations)
        else:
            count = sum(getattr(item, field) not in ("", None) for item in annotations)
        losses.tell(f"{words} of {{}} cannot be kept in {one.title}", count)
    if one.separator:
        both = [item for item in annotations if item.verb and item.noun]
        unclear = [item for item in both if one.separator in item.verb or " " in item.verb]
        losses.tell("verb and noun of {} became one label; --split takes it apart", len(both))
        if unclear:
            losses.tell(f"verbs of {{}}, such as '{unclear[0].verb}', cannot be told from their nouns", len(unclear))


def write_annotations(
    annotations: Annotations,
    out: Path,
    *,
    format_name: str | None = None,
    options: WriteOptions | None = None,
    point_seconds: float = 0.0,
    overwrite: bool = False,
) -> tuple[list[Path], Encoded]:
    """Write a file; or a folder of files, of a format with one recording a file.

    Args:
        annotations: Of one or several recordings.
        out: File; or folder, where there are several recordings and the format has one a file.
        format_name: A key of `FORMATS`; None: as the extension of `out` says.
        options: As `encode_annotations` takes them.
        point_seconds: The same.
        overwrite: Replace files that are there.

    Returns:
        The files written, and what `encode_annotations` gives.

    Raises:
        AnnotationError: A file is there, or cannot be written, or a folder is needed.
        ValueError: The extension does not tell the format.
    """
    name = format_name or choose(out.suffix)
    if out.suffix.lower() == ".tsv":
        options = replace(options or WriteOptions(), delimiter="\t")
    encoded = encode_annotations(annotations, name, options=options, point_seconds=point_seconds)
    paths = _places(encoded, out, FORMATS[name])
    for path in paths.values():
        if path.exists() and not overwrite:
            raise AnnotationError("is there already; --overwrite replaces it", path=path)
    for recording, path in paths.items():
        try:
            make_folder(path.parent)
            write_atomically(path, encoded.files[recording])
        except OSError as error:
            raise AnnotationError(f"cannot be written: {error.strerror}", path=path) from None
    lines = [
        f"the name '{recording}' is not in {path.name}, and is lost with another name of the file"
        for recording, path in paths.items()
        if not FORMATS[name].has_names and path.stem != recording
    ]
    return list(paths.values()), replace(encoded, lines=(*encoded.lines, *lines))


def _places(encoded: Encoded, out: Path, one: Format) -> dict[str, Path]:
    if out.is_dir() or (one.is_alone and not out.suffix):
        if not one.is_alone:
            raise AnnotationError(f"this is a folder; {one.title} are one file for all recordings", path=out)
        return {name: out / f"{name}{encoded.suffix}" for name in encoded.files}
    if len(encoded.files) > 1:
        reason = f"{one.title} hold one recording a file, and there are {len(encoded.files)}; name a folder instead"
        raise AnnotationError(reason, path=out)
    return dict.fromkeys(encoded.files, out)
