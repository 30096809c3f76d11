"""EGTEA Gaze+: clips of 106 actions, and three splits of them.

    verb_idx.txt, noun_idx.txt     Inspect/Read 1
    train_split1.txt               OP01-R01-PastaSalad-87815-90765-F002100-F002186 27 3 12 8
                                   recording, start and stop in ms, frames; then action, verb and nouns from 1 on

Source: the action annotations of the data set (Li, Liu and Rehg, ECCV 2018, arXiv:2006.00626). The frames are those of
cropped clips, which reach a little beyond their actions; here the milliseconds count.
"""

import re
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset, locate
from egoact.core.annotations.frame_labels import read_lines
from egoact.core.annotations.labels import TARGETS, Target, Vocabulary
from egoact.core.annotations.parsing import normalise_video_id, parse_whole, show
from egoact.core.annotations.segments import Segment
from egoact.core.errors import AnnotationError

_CLIP = re.compile(r"(?P<video>(?P<person>[^-\s]+)-.+?)-(?P<start>\d+)-(?P<stop>\d+)-F\d+-F\d+", re.ASCII)


def read_egtea(folder: Path) -> Dataset:
    """The clips of all splits that are there.

    Raises:
        AnnotationError: No split, or lists of classes that cannot be used.
    """
    annotations = locate(folder, "verb_idx.txt").parent
    dataset = Dataset(annotations)
    dataset.classes = {target: _read_classes(annotations / f"{target}_idx.txt", target) for target in TARGETS}
    for side in ("train", "test"):
        for number in (1, 2, 3):
            path = annotations / f"{side}_split{number}.txt"
            if not path.exists():
                dataset.notes.append(f"no {path.name}, so no {side}.split{number}.csv")
                continue
            for place, line in enumerate(read_lines(path), 1):
                with dataset.row(path, f"line {place}"):
                    if line:
                        dataset.add(_read_clip(line, dataset), split=f"{side}.split{number}")
    return dataset


def _read_clip(line: str, dataset: Dataset) -> Segment:
    clip, *cells = line.split()
    parts = _CLIP.fullmatch(normalise_video_id(clip).removesuffix(".mp4"))
    if parts is None or len(cells) < 3:
        raise ValueError(f"{show(line)} is not the name of a clip with numbers of an action, a verb and nouns")
    _, verb, *nouns = map(parse_whole, cells)
    for target, numbers in (("verb", [verb]), ("noun", nouns)):
        size = dataset.classes[target].size  # type: ignore[index]
        if wrong := [number for number in numbers if not 1 <= number <= size]:
            raise ValueError(f"{target} {wrong[0]} is none of {target}_idx.txt, which has 1 to {size}")
    return Segment(
        parts[0],
        parts["person"],
        parts["video"],
        int(parts["start"]) / 1000,
        int(parts["stop"]) / 1000,
        verb=dataset.classes["verb"].names[verb - 1],
        verb_class=verb - 1,
        noun=dataset.classes["noun"].names[nouns[0] - 1],
        noun_class=nouns[0] - 1,
        all_noun_classes=tuple(noun - 1 for noun in nouns),
    )


def _read_classes(path: Path, target: Target) -> Vocabulary:
    names: dict[int, str] = {}
    lines = read_lines(path)
    for place, line in enumerate(lines, 1):
        name, _, number = line.rpartition(" ")
        is_number = number.isascii() and number.isdigit() and len(number) < 9
        if not (name.strip() and is_number and 1 <= int(number) <= len(lines)) or int(number) in names:
            reason = f"{show(line)} is not a name and a number from 1 to {len(lines)}, each once"
            raise AnnotationError(reason, path=path, place=f"line {place}")
        names[int(number)] = name.strip()
    try:
        return Vocabulary(target, tuple(names[number] for number in sorted(names)))
    except ValueError as error:
        raise AnnotationError(str(error), path=path) from None
