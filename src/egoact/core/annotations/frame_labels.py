"""Labels of single frames, as data sets of temporal action segmentation have them; text in, words out.

    groundTruth/VIDEO.txt    a word for every frame, one a line
    mapping.txt              "3 pour": number and word of every class
    splits/NAME.bundle       the VIDEO.txt of one side of a split, one a line

Source: the data sets that were published with MS-TCN, arXiv:1903.01945 (GTEA, 50Salads, Breakfast).
"""

import re
import sys
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path

from egoact.core.annotations.parsing import parse_video_id, show
from egoact.core.annotations.reading import read_content
from egoact.core.errors import AnnotationError

BACKGROUND = ("background",)
"""Words of which the published evaluation says that nothing happens."""

_MOST_BYTES = 64 << 20
_CLASS = re.compile(r"(?P<number>\d{1,8}) (?P<name>.+)", re.ASCII)


def read_mapping(path: Path) -> tuple[str, ...]:
    """The classes of a `mapping.txt`, whose numbers are 0, 1, 2, ... once each, in their order."""
    return read_numbered(path, _CLASS, what="a number and the name of a class, such as '3 pour'", first=0)


def read_numbered(path: Path, line: re.Pattern[str], *, what: str, first: int) -> tuple[str, ...]:
    """The classes of a list, by their numbers, which are `first`, `first` + 1, ... once each; or an `AnnotationError`.

    A line has the groups `number` and `name`; `what` says what it is.
    """
    lines = read_lines(path)
    numbers = range(first, first + len(lines))
    names: dict[int, str] = {}
    for place, text in enumerate(lines, 1):
        parts = line.fullmatch(text)
        if parts is None:
            raise AnnotationError(f"{show(text)} is not {what}", path=path, place=f"line {place}")
        number, name = int(parts["number"]), parts["name"].strip()
        if number not in numbers or number in names or name in names.values():
            reason = f"{show(text)}: numbers are {first} to {numbers[-1]}, and each number and name is there once"
            raise AnnotationError(reason, path=path, place=f"line {place}")
        names[number] = name
    if not names:
        raise AnnotationError("there is no class in it", path=path)
    return tuple(names[number] for number in numbers)


def read_frame_labels(path: Path, *, known: Collection[str] | None = None) -> tuple[str, ...]:
    """The word of every frame of a recording; an `AnnotationError` where there is none, or one that is not `known`."""
    labels = read_lines(path)
    if not labels:
        raise AnnotationError("there is no label in it", path=path)
    for name in dict.fromkeys(labels):
        if not name or (known is not None and name not in known):
            what = f"{show(name)} is not in mapping.txt" if name else "the line is empty; each frame needs a label"
            raise AnnotationError(what, path=path, place=f"line {labels.index(name) + 1}")
    return tuple(map(sys.intern, labels))  # hours of frames share a few words


def read_bundle(path: Path) -> tuple[str, ...]:
    """The recordings of one side of a split; an `AnnotationError` where one is there twice."""
    found: dict[str, int] = {}
    for place, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        video_id = parse_video_id(line.removesuffix(".txt").removesuffix(".npy"))
        if found.setdefault(video_id, place) != place:
            raise AnnotationError(f"{video_id} is there twice", path=path, place=f"line {place}")
    return tuple(found)


def find_stretches(
    labels: Sequence[str], *, rate: float, background: Collection[str] = BACKGROUND
) -> list[tuple[float, float, str]]:
    """Neighbouring frames of one word: where they begin and end in seconds, and the word; without background.

    >>> find_stretches(["take", "take", "background", "put"], rate=2)
    [(0.0, 1.0, 'take'), (1.5, 2.0, 'put')]
    """
    stretches, first = [], 0
    for name, frames in groupby(labels):
        stop = first + sum(1 for _ in frames)
        if name not in background:
            stretches.append((first / rate, stop / rate, name))
        first = stop
    return stretches


def files_of_recordings(folder: Path, suffix: str) -> dict[str, Path]:
    """The files of a folder by the recordings that they are of; an `AnnotationError` where two are of one."""
    named: dict[str, Path] = {}
    for path in list_files(folder, suffix):
        video = parse_video_id(path.name.removesuffix(suffix))
        if video in named:
            raise AnnotationError(f"{path.name} and {named[video].name} are of one recording", path=folder)
        named[video] = path
    return named


def list_files(folder: Path, suffix: str) -> tuple[Path, ...]:
    """Sorted; without what macOS leaves beside files."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(p for p in folder.iterdir() if p.suffix == suffix and p.is_file() and p.name[0] != "."))


def read_lines(path: Path) -> list[str]:
    """Lines without blanks around them, and without empty ones at the end; an `AnnotationError` for what is no list."""
    raw = read_content(path, most_bytes=_MOST_BYTES)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(f"not a text in UTF-8 ({error.reason})", path=path) from None
    if len(raw) > _MOST_BYTES:
        raise AnnotationError(f"larger than {_MOST_BYTES >> 20} MiB, so not a list of labels", path=path)
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines
