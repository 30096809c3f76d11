"""Assembly101: coarse actions of people who take toys apart and put them together, filmed from several views.

    actions.csv                                      action_id,verb_id,noun_id,action_cls,verb_cls,noun_cls
    coarse_splits/train_coarse_assembly.txt          assembly_SEQUENCE.txt  shared  a30  suv
    coarse_labels/assembly_SEQUENCE.txt              000006833  000007554  attach wheel    frames, 30 a second
    recordings/SEQUENCE/HMC_84355350_mono10bit.mp4   a view of a sequence

Sources: the repositories of its annotations and download scripts (Sener et al., CVPR 2022, arXiv:2203.14712).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egoact.core.annotations.datasets.dataset import Dataset, locate
from egoact.core.annotations.frame_labels import files_of_recordings, read_lines
from egoact.core.annotations.labels import TARGETS
from egoact.core.annotations.parsing import normalise_video_id, parse_whole, show
from egoact.core.annotations.segments import Segment
from egoact.core.annotations.spreadsheet import Spreadsheet, read_spreadsheet

RATE = 30
_STANDING = (10095, 10115, 10118, 10119, 10379, 10390, 10395, 10404)
VIEWS = {
    "e1": ("HMC_84346135_mono10bit", "HMC_21176875_mono10bit"),
    "e2": ("HMC_84347414_mono10bit", "HMC_21176623_mono10bit"),
    "e3": ("HMC_84355350_mono10bit", "HMC_21110305_mono10bit"),
    "e4": ("HMC_84358933_mono10bit", "HMC_21179183_mono10bit"),
    **{f"v{number}": (f"C{camera}_rgb",) for number, camera in enumerate(_STANDING, 1)},
}
"""Name of a view -> its camera, or those of two headsets; e are worn, v stand."""

_SIDES = {"train": "train", "val": "validation", "test": "test"}
_SEQUENCE = re.compile(r"(?:dis)?assembly_(?P<sequence>.+)")
_PERSON = re.compile(r"_(\d{4})-")


def read_assembly101(folder: Path, *, views: Sequence[str]) -> Dataset:
    """The coarse actions of all sequences that a split names, in each of the views; those of the test are withheld."""
    splits = locate(folder, "coarse_splits")
    dataset = Dataset(splits.parent)
    actions = _read_actions(read_spreadsheet(splits.parent / "actions.csv"), dataset)
    labels = files_of_recordings(splits.parent / "coarse_labels", ".txt")
    num_withheld = 0
    for given, side in _SIDES.items():
        for kind in ("assembly", "disassembly"):
            path = splits / f"{given}_coarse_{kind}.txt"
            if not path.exists():
                dataset.notes.append(f"no {path.name}, so {side}.csv is without it")
                continue
            for place, line in enumerate(read_lines(path), 1):
                with dataset.row(path, f"line {place}"):
                    name = normalise_video_id(line.partition("\t")[0].strip().removesuffix(".txt"))
                    if name in labels:
                        _read_sequence(labels[name], actions, dataset, side=side, views=views)
                    elif name and side != "test":
                        raise ValueError(f"there is no coarse_labels/{name}.txt")
                    num_withheld += bool(name) and name not in labels
    if num_withheld:
        dataset.notes.append(f"{num_withheld} sequences of the test have no labels")
    return dataset


def _read_sequence(
    path: Path, actions: Mapping[str, dict[str, Any]], dataset: Dataset, *, side: str, views: Sequence[str]
) -> None:
    name = normalise_video_id(path.stem)
    parts = _SEQUENCE.fullmatch(name)
    if parts is None:
        raise ValueError(f"{show(path.name)} is not assembly_SEQUENCE.txt or disassembly_SEQUENCE.txt")
    sequence = parts["sequence"]
    person = _PERSON.search(sequence)
    for place, line in enumerate(read_lines(path), 1):
        with dataset.row(path, f"line {place}"):
            start, stop, *words = line.split(maxsplit=2)
            if words and words[0] not in actions:
                raise ValueError(f"{show(words[0])} is none of the actions of actions.csv")
            action = actions[words[0]] if words else {}
            for view in views:
                recording = f"{sequence}_{view}"
                dataset.media.setdefault(recording, tuple(f"{sequence}/{camera}.mp4" for camera in VIEWS[view]))
                segment = Segment(
                    f"{name}_{view}_{place}",
                    person[1] if person else sequence,
                    recording,
                    parse_whole(start) / RATE,
                    parse_whole(stop) / RATE,
                    narration=words[0] if words else "",
                    **action,
                )
                dataset.add(segment, split=side)


def _read_actions(sheet: Spreadsheet, dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Name of an action -> labels of its segments; the classes go to the data set, in the order of their numbers."""
    columns = ("verb_id", "noun_id", "action_cls", "verb_cls", "noun_cls")
    if lost := [column for column in columns if column not in sheet]:
        raise sheet.missing(f"column {lost[0]}")
    for target in TARGETS:
        numbers, names = sheet.convert(f"{target}_id", parse_whole), sheet.columns[f"{target}_cls"]
        ordered = dict.fromkeys(name for _, name in sorted(zip(numbers, names, strict=True)))
        dataset.name_classes(target, ordered, path=sheet.path)
    verbs, nouns = (dataset.classes[target].names for target in TARGETS)
    rows = zip(*(sheet.columns[column] for column in columns[2:]), strict=True)
    return {name: dataset.labels(verbs.index(verb), nouns.index(noun)) for name, verb, noun in rows}
