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
from egoact.core.annotations.frame_labels import read_lines, read_numbered
from egoact.core.annotations.labels import TARGETS
from egoact.core.annotations.parsing import normalise_video_id, parse_whole, show
from egoact.core.annotations.segments import Segment

_CLASS = re.compile(r"(?P<name>.+) (?P<number>\d{1,8})", re.ASCII)
_CLIP = re.compile(r"(?P<video>(?P<person>[^-\s]+)-.+?)-(?P<start>\d+)-(?P<stop>\d+)-F\d+-F\d+", re.ASCII)


def read_egtea(folder: Path) -> Dataset:
    """The clips of all splits that are there."""
    annotations = locate(folder, "verb_idx.txt").parent
    dataset = Dataset(annotations)
    for target in TARGETS:
        path = annotations / f"{target}_idx.txt"
        names = read_numbered(path, _CLASS, what="a name and a number, such as 'Cut 3'", first=1)
        dataset.name_classes(target, names, path=path)
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
    for target, numbers in zip(TARGETS, ([verb], nouns), strict=True):
        size = dataset.classes[target].size
        if wrong := [number for number in numbers if not 1 <= number <= size]:
            raise ValueError(f"{target} {wrong[0]} is none of {target}_idx.txt, which has 1 to {size}")
    return Segment(
        parts[0],
        parts["person"],
        parts["video"],
        int(parts["start"]) / 1000,
        int(parts["stop"]) / 1000,
        all_noun_classes=tuple(noun - 1 for noun in nouns),
        **dataset.labels(verb - 1, nouns[0] - 1),
    )
