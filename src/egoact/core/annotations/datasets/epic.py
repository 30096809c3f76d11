"""EPIC-KITCHENS-55 and -100: their CSVs are segments CSVs already; they are checked and joined with their classes.

EPIC_100_train.csv, _validation.csv, _test_timestamps.csv    EPIC_100_verb_classes.csv, EPIC_100_tail_verbs.csv, ...
EPIC_train_action_labels.csv, EPIC_test_s1_timestamps.csv    EPIC_verb_classes.csv, EPIC_noun_classes.csv

Sources: the repositories of annotations of both (Damen et al., arXiv:1804.02748 and arXiv:2006.13256).
"""

from collections.abc import Mapping
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset, locate
from egoact.core.annotations.labels import TARGETS, read_vocabulary
from egoact.core.annotations.segments import read_segments

EPIC_55 = {
    "train": "EPIC_train_action_labels.csv",
    "test_seen": "EPIC_test_s1_timestamps.csv",
    "test_unseen": "EPIC_test_s2_timestamps.csv",
}
EPIC_100 = {
    "train": "EPIC_100_train.csv",
    "validation": "EPIC_100_validation.csv",
    "test": "EPIC_100_test_timestamps.csv",
}


def read_epic(folder: Path, files: Mapping[str, str]) -> Dataset:
    """The segments of all files that are there; the training labels must be, and every class must be one."""
    dataset = Dataset(folder)
    annotations = locate(folder, files["train"]).parent
    dataset.classes = {target: read_vocabulary(annotations, target) for target in TARGETS}
    for split, name in files.items():
        path = annotations / name
        if not path.exists():
            dataset.notes.append(f"no {name}, so no {split}.csv")
            continue
        table = read_segments(path)
        for vocabulary in dataset.classes.values():
            vocabulary.encode(table)
        for position, segment in enumerate(table):
            with dataset.row(path, table.place(position)):
                dataset.add(segment, split=split)
    for path in sorted(annotations.glob("EPIC_100_unseen_participant_ids_*.csv")):
        dataset.files[path.name.removeprefix("EPIC_100_")] = path.read_bytes()
    return dataset
