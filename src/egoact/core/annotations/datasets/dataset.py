"""What a data set says, in the form that all commands take: segments, splits, classes, and where recordings are."""

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import Target, Vocabulary, refuse_missing
from egoact.core.annotations.reading import reading_row
from egoact.core.annotations.segments import Segment
from egoact.core.bounds import MOST_JSON_BYTES, parse_json, read_bounded
from egoact.core.errors import AnnotationError
from egoact.core.files import csv_text, write_atomically

SEGMENTS_NAME = "segments.csv"
_LABELS = ("verb", "verb_class", "noun", "noun_class")
_OPTIONAL = ("start_frame", "stop_frame", *_LABELS, "all_noun_classes", "narration")
_DEPTH = 3
_SLACK_SECONDS = 0.1  # what containers say of their length is right to a few frames


@dataclass
class Dataset:
    """What is read of a data set, while it is read.

    Args:
        path: Its folder.
        segments: All of them, by their ids.
        splits: Name of a side of a split, such as "train" -> ids of its segments.
        classes: The classes that it publishes.
        media: Recording -> its file below the folder of recordings, or several that will do, the best one first; only
            of those whose file has another name.
        files: Name -> content of what is kept as it is.
        problems: What could not be read and is left out.
        notes: What else there is to say.
    """

    path: Path
    segments: dict[str, Segment] = field(default_factory=dict)
    splits: dict[str, dict[str, None]] = field(default_factory=dict)
    classes: dict[Target, Vocabulary] = field(default_factory=dict)
    media: dict[str, tuple[str, ...]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[AnnotationError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, segment: Segment, *, split: str = "") -> None:
        """Keep a segment, in a side of a split where one is named; a `ValueError` where its id is there already."""
        if self.segments.setdefault(segment.narration_id, segment) != segment:
            raise ValueError(f"{segment.narration_id} is the id of another segment, too, with other labels or times")
        if split:
            members = self.splits.setdefault(split, {})
            if segment.narration_id in members:
                raise ValueError(f"{segment.narration_id} is there twice")
            members[segment.narration_id] = None

    def leave_out_beyond(self, lengths: Mapping[str, float]) -> None:
        """Take out the segments that stop after the end of their recording, where it is known; each is a problem."""
        for one in tuple(self.segments.values()):
            length = lengths.get(one.video_id, math.inf)
            if one.stop_seconds > length + _SLACK_SECONDS:
                reason = f"{one.narration_id} stops at {one.stop_seconds:.2f} s, and {one.video_id} lasts "
                self.problems.append(AnnotationError(f"{reason}{length:.2f} s", path=self.path))
                for members in (self.segments, *self.splits.values()):
                    members.pop(one.narration_id, None)

    def row(self, path: Path, place: str) -> AbstractContextManager[None]:
        """Read a row: a `ValueError`, or a value of another kind than expected, is a problem of this row alone."""

        def report(reason: str) -> None:
            self.problems.append(AnnotationError(reason, path=path, place=place))

        return reading_row(report, "this data set")

    def name_classes(self, target: Target, names: Iterable[str], *, path: Path | None = None) -> None:
        """Take names as the classes of a target; an `AnnotationError` about a file of which they cannot be."""
        try:
            self.classes[target] = Vocabulary(target, tuple(names))
        except ValueError as error:
            raise AnnotationError(str(error), path=path or self.path) from None

    def name_verbs(self) -> None:
        """Take the verbs of the segments as classes, if there are any."""
        if names := sorted({segment.verb for segment in self.segments.values() if segment.verb}):
            self.name_classes("verb", names)

    def labels(self, verb: int, noun: int) -> dict[str, Any]:
        """The fields of a segment with these classes."""
        verbs, nouns = self.classes["verb"].names, self.classes["noun"].names
        return {"verb": verbs[verb], "verb_class": verb, "noun": nouns[noun], "noun_class": noun}

    @property
    def video_ids(self) -> list[str]:
        """Its recordings, sorted."""
        return sorted({segment.video_id for segment in self.segments.values()})

    def texts(self) -> dict[str, bytes]:
        """The files that all commands take, by name: labelled segments, each side of a split, classes, tail classes."""
        labelled = [one for one in self.segments.values() if any(getattr(one, field) is not None for field in _LABELS)]
        texts = {SEGMENTS_NAME: segments_text(labelled or self.segments.values())}
        for split, members in self.splits.items():
            if members:
                texts[f"{split}.csv"] = segments_text(self.segments[member] for member in members)
        for target, vocabulary in self.classes.items():
            texts[f"{target}_classes.csv"] = classes_text(vocabulary)
            if vocabulary.tail:
                texts[f"tail_{target}s.csv"] = csv_text([(target,), *((number,) for number in sorted(vocabulary.tail))])
        return {name: text.encode() for name, text in texts.items()} | self.files


def segments_text(segments: Iterable[Segment]) -> str:
    """A segments CSV; columns that would be empty are left out."""
    segments = tuple(segments)
    columns = [name for name in _OPTIONAL if any(getattr(one, name) not in (None, (), "") for one in segments)]
    rows = (
        (one.narration_id, one.participant_id, one.video_id, f"{one.start_seconds:.6f}", f"{one.stop_seconds:.6f}")
        + tuple(str(list(v)) if isinstance(v := getattr(one, name), tuple) else v for name in columns)
        for one in segments
    )
    return csv_text([("narration_id", "participant_id", "video_id", "start_seconds", "stop_seconds", *columns), *rows])


def classes_text(vocabulary: Vocabulary) -> str:
    """A class file, with other words and categories of the classes where there are any."""
    columns: dict[str, Iterable[Any]] = {"id": range(vocabulary.size), "key": vocabulary.names}
    if vocabulary.instances:
        columns["instances"] = [str(list(words)) for words in vocabulary.instances]
    if vocabulary.categories:
        columns["category"] = vocabulary.categories
    return csv_text([tuple(columns), *zip(*columns.values(), strict=True)])


def write_labels(dataset: Dataset, out: Path, *, overwrite: bool, flag: str = "--out") -> list[Path]:
    """Write what `Dataset.texts` gives; an `AnnotationError`, and nothing, where other files may not be replaced."""
    texts = dataset.texts()
    for name, text in texts.items():
        if not overwrite and (out / name).exists() and (out / name).read_bytes() != text:
            reason = f"other labels than these are here; give another {flag}, or --overwrite"
            raise AnnotationError(reason, path=out / name)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(out / name, text)
    return [out / name for name in texts]


def locate(folder: Path, name: str) -> Path:
    """The one file or folder of this name here or up to three levels below; an `AnnotationError` for none, or two."""
    found = locate_any(folder, name)
    if found is None:
        raise AnnotationError(f"no {name} here or up to {_DEPTH} folders below", path=folder)
    return found


def locate_any(folder: Path, name: str) -> Path | None:
    """As `locate`, but None where there is none."""
    refuse_missing(folder)
    for depth in range(_DEPTH + 1):
        if found := sorted(folder.glob("*/" * depth + name)):
            if len(found) > 1:
                raise AnnotationError(f"{found[0]} and {found[1]} are both here; name the folder of one", path=folder)
            return found[0]
    return None


def read_json_labels(path: Path, *, most_bytes: int = MOST_JSON_BYTES) -> Any:
    """The value of a JSON file; an `AnnotationError` where it cannot be read."""
    try:
        return parse_json(read_bounded(path, most_bytes=most_bytes).decode("utf-8-sig"))
    except OSError as error:
        raise AnnotationError(f"cannot be read: {error.strerror}", path=path) from None
    except ValueError as error:
        raise AnnotationError(f"not readable as JSON ({error})", path=path) from None
