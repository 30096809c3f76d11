"""HD-EPIC: narrated actions in nine kitchens, with the classes of EPIC-KITCHENS-100.

    narrations-and-action-segments/HD_EPIC_Narrations.csv     the published HD_EPIC_Narrations.pkl, saved as CSV
        unique_narration_id, participant_id, video_id, narration, start_timestamp, end_timestamp, main_action_classes
    narrations-and-action-segments/HD_EPIC_verb_classes.csv   id, key, instances, category

Source: the repository of its annotations (Perrett et al., CVPR 2025, arXiv:2502.04144). The narrations are published as
a pickle alone, and nothing is unpickled here.
"""

import ast
import re
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset, locate, locate_any
from egoact.core.annotations.labels import TARGETS, read_classes
from egoact.core.annotations.parsing import parse_timestamp, parse_video_id, show
from egoact.core.annotations.segments import Segment
from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.errors import AnnotationError

_NUMPY = re.compile(r"np\.int\d+\((\d+)\)", re.ASCII)  # as numpy 2 writes numbers in lists
_NAME = "HD_EPIC_Narrations.csv"
_COLUMNS = (
    *("unique_narration_id", "participant_id", "video_id", "narration", "start_timestamp", "end_timestamp"),
    "main_action_classes",
)


def read_hd_epic(folder: Path) -> Dataset:
    """The narrated actions, each with its first main action; other nouns of it come after."""
    path = locate_any(folder, _NAME)
    if path is None:
        pickle = locate(folder, _NAME.replace(".csv", ".pkl"))
        reason = "a pickle can run any program when it is read, so it is not"
        raise AnnotationError(f"{reason}; save it as {_NAME} (see docs/data-sets.md)", path=pickle)
    dataset = Dataset(path.parent)
    for target in TARGETS:
        dataset.classes[target] = read_classes(path.with_name(f"HD_EPIC_{target}_classes.csv"), target)
    sheet = read_spreadsheet(path)
    if lost := [column for column in _COLUMNS if column not in sheet]:
        raise sheet.missing(f"column {lost[0]}")
    num_without = 0
    for position, cells in enumerate(zip(*(sheet.columns[column] for column in _COLUMNS), strict=True)):
        with dataset.row(path, f"row {sheet.rows[position]}"):
            identity, participant, video, narration, start, stop, actions = cells
            pairs = _read_pairs(actions, dataset)
            num_without += not pairs
            segment = Segment(
                identity,
                participant,
                parse_video_id(video),
                parse_timestamp(start),
                parse_timestamp(stop),
                **(dataset.labels(*pairs[0]) if pairs else {}),
                all_noun_classes=tuple(dict.fromkeys(noun for _, noun in pairs)),
                narration=" ".join(narration.split()),
            )
            dataset.add(segment)
    if num_without:
        dataset.notes.append(f"{num_without:,} narrations have no main action, and are not in segments.csv")
    dataset.notes.append("no splits are published: it is meant for testing what was trained on other data")
    return dataset


def _read_pairs(text: str, dataset: Dataset) -> list[tuple[int, int]]:
    """The numbers of verbs and nouns: "[(3, 3), (34, 3)]"."""
    try:
        plain = _NUMPY.sub(r"\1", text or "[]")
        pairs = [(int(verb), int(noun)) for verb, noun in ast.literal_eval(plain)]
    except (ValueError, OverflowError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"main_action_classes {show(text)} is not a list of pairs such as [(3, 3)]") from None
    for pair in pairs:
        for target, number in zip(TARGETS, pair, strict=True):
            if not 0 <= number < dataset.classes[target].size:
                raise ValueError(f"{target} {number} is none of the {dataset.classes[target].size} classes")
    return pairs
