"""What lies in a folder of annotations beside the segments: class files, tail lists, unseen participants.

EPIC_100_verb_classes.csv   id, key, instances, category        (or verb_classes.csv)
EPIC_verb_classes.csv       verb_id, class_key, verbs           (EPIC-KITCHENS-55)
EPIC_100_tail_verbs.csv     verb                                (or tail_verbs.csv)
EPIC_100_unseen_participant_ids_validation.csv  participant_id  (or unseen_participant_ids*.csv)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from egoact.core.annotations.parsing import parse_texts, parse_whole
from egoact.core.annotations.spreadsheet import Spreadsheet, read_spreadsheet
from egoact.core.errors import AnnotationError


@dataclass(frozen=True)
class ClassFile:
    """The columns of a class file in the order of the ids 0, 1, 2, ...; columns that are absent are empty."""

    names: tuple[str, ...]
    categories: tuple[str, ...]
    instances: tuple[tuple[str, ...], ...]


def read_class_file(folder: str | Path, target: str) -> ClassFile:
    """The one class file of `target` ("verb" or "noun") in a folder; refuses ids other than 0, 1, 2, ... once each."""
    names = (f"EPIC_100_{target}_classes.csv", f"EPIC_{target}_classes.csv", f"{target}_classes.csv")
    path = _find_one(Path(folder), names)
    if path is None:
        raise AnnotationError(f"no {target} classes here; expected one of {', '.join(names)}", path=folder)
    sheet = read_spreadsheet(path)
    order = _order_of_ids(sheet, _first_column(sheet, ("id", f"{target}_id")))
    name_column = _first_column(sheet, ("key", "class_key"))
    keys = sheet.columns[name_column]
    seen: set[str] = set()
    for position, name in enumerate(keys):
        if not name or name in seen:
            reason = f"the name '{name}' occurs twice" if name else "the name is empty"
            raise sheet.error(reason, position=position, column=name_column)
        seen.add(name)
    instance_column = next((name for name in ("instances", f"{target}s") if name in sheet), None)
    instances = sheet.convert(instance_column, parse_texts) if instance_column else []
    categories = sheet.columns.get("category", ())
    if "" in categories:
        raise sheet.error("the category is empty", position=categories.index(""), column="category")
    return ClassFile(
        names=tuple(keys[position] for position in order),
        categories=tuple(categories[position] for position in order) if categories else (),
        instances=tuple(instances[position] for position in order) if instances else (),
    )


def read_tail_classes(folder: str | Path, target: str) -> frozenset[int] | None:
    """Class ids of the long tail of `target`; None where the folder has no such list."""
    path = _find_one(Path(folder), (f"EPIC_100_tail_{target}s.csv", f"tail_{target}s.csv"))
    if path is None:
        return None
    sheet = read_spreadsheet(path)
    return frozenset(sheet.convert(_first_column(sheet, (target, f"{target}_class", "id")), parse_whole))


def read_unseen_participants(folder: str | Path, *, participants: Iterable[str]) -> frozenset[str] | None:
    """The list of unseen participants that is meant for a set of segments; None where the folder has no list.

    A folder holds one list for validation and one for test. The list that shares most ids with `participants`
    is meant; where none shares any, all listed ids are returned, so that a message can name them.

    Raises:
        AnnotationError: An unreadable list, or two that fit equally well.
    """
    _refuse_missing(Path(folder))
    present = set(participants)
    lists: dict[Path, frozenset[str]] = {}
    for path in sorted(Path(folder).glob("*unseen_participant*.csv")):
        sheet = read_spreadsheet(path)
        lists[path] = frozenset(sheet.columns[_first_column(sheet, ("participant_id",))])
    if not lists:
        return None
    shared = {path: len(ids & present) for path, ids in lists.items()}
    most = max(shared.values())
    best = [path for path, count in shared.items() if count == most]
    if most == 0:
        return frozenset[str]().union(*lists.values())
    if len({lists[path] for path in best}) > 1:
        names = " and ".join(path.name for path in best)
        raise AnnotationError(f"{names} fit these segments equally well; keep one", path=folder)
    return lists[best[0]]


def _find_one(folder: Path, names: Iterable[str]) -> Path | None:
    _refuse_missing(folder)
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        listed = " and ".join(path.name for path in found)
        raise AnnotationError(f"both {listed} are here, and their class ids may differ; keep one", path=folder)
    return found[0] if found else None


def _refuse_missing(folder: Path) -> None:
    if not folder.is_dir():
        reason = "a folder of annotations is expected" if folder.exists() else "no such folder"
        raise AnnotationError(reason, path=folder)


def _first_column(sheet: Spreadsheet, names: tuple[str, ...]) -> str:
    for name in names:
        if name in sheet:
            return name
    raise sheet.missing(f"column {' or '.join(names)}")


def _order_of_ids(sheet: Spreadsheet, column: str) -> list[int]:
    """Positions of the ids 0, 1, 2, ... in the file."""
    position_of: dict[int, int] = {}
    for position, class_id in enumerate(sheet.convert(column, parse_whole)):
        if class_id >= len(sheet) or class_id in position_of:
            reason = f"id {class_id}; the ids of {len(sheet)} classes are 0 to {len(sheet) - 1}, each once"
            raise sheet.error(reason, position=position, column=column)
        position_of[class_id] = position
    return [position_of[class_id] for class_id in range(len(sheet))]
