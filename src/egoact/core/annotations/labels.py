"""Names of verb and noun classes, labels as numbers, and the files beside a segments CSV that list classes.

EPIC_100_verb_classes.csv   id, key, instances, category        (or verb_classes.csv)
EPIC_verb_classes.csv       verb_id, class_key, verbs           (EPIC-KITCHENS-55)
EPIC_100_tail_verbs.csv     verb                                (or tail_verbs.csv)
EPIC_100_unseen_participant_ids_validation.csv  participant_id  (or unseen_participant_ids*.csv)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.parsing import parse_texts, parse_whole
from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.annotations.spreadsheet import Spreadsheet, read_spreadsheet
from egoact.core.bounds import MOST_CLASSES, check_name, check_whole
from egoact.core.epic.facts import VERB_CATEGORIES
from egoact.core.errors import AnnotationError

Target = Literal["verb", "noun"]
TARGETS: tuple[Target, ...] = ("verb", "noun")
UNLABELLED = -1


@dataclass(frozen=True)
class Vocabulary:
    """The classes of one target; the index of a name is its class id.

    Args:
        target: What is named: "verb" or "noun".
        names: One distinct name per class.
        categories: The category of each class, or empty.
        tail: Class ids of the long tail.
        instances: Other words for each class, or empty.
        classes: For a vocabulary of categories: the classes that it groups, whose ids a CSV speaks of.

    Raises:
        ValueError: No or repeated names, lists of unequal length, a tail class that does not exist.
    """

    target: Target
    names: tuple[str, ...]
    categories: tuple[str, ...] = ()
    tail: frozenset[int] = frozenset()
    instances: tuple[tuple[str, ...], ...] = ()
    classes: "Vocabulary | None" = None

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target is {self.target!r}; allowed are {', '.join(TARGETS)}")
        if self.size > MOST_CLASSES:
            raise ValueError(f"{self.size:,} classes; there are at most {MOST_CLASSES:,}")
        for words in (self.names, self.categories, *self.instances):
            for word in words:
                check_name(f"a {self.target} class", word)
        if not self.names or len(set(self.names)) != self.size:
            raise ValueError(f"{self.size} names, {len(set(self.names))} of them distinct; each class needs its own")
        for field, values in (("categories", self.categories), ("instances", self.instances)):
            if values and len(values) != self.size:
                raise ValueError(f"{len(values)} {field} for {self.size} classes")
        for class_id in self.tail:
            check_whole("a tail class", class_id, least=0, most=self.size - 1)
        if self.classes is not None and set(self.classes.categories) != set(self.names):
            raise ValueError("the categories of the grouped classes are not the names of this vocabulary")

    @property
    def size(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def encode(self, table: SegmentTable, *, allow_unlabelled: bool = True) -> npt.NDArray[np.int64]:
        """The class id of every segment, int64, shape (N,); -1 where it has no label of this target.

        Goes by the column `verb_class` (`noun_class`) where the row has it, else by the word in `verb` (`noun`):
        a class name, then one of its instances. A vocabulary of categories gives ids of categories.

        Raises:
            AnnotationError: A class or word outside the vocabulary, a class and a word that contradict each other (a
                CSV and class names of different editions), or no label where one is needed; with file, row, column.
        """
        if self.classes is not None:
            to_category = np.append(self._category_ids(self.classes), UNLABELLED)
            return to_category[self.classes.encode(table, allow_unlabelled=allow_unlabelled)]
        known = self.known_words()
        labels = np.empty(len(table), dtype=np.int64)
        for position in range(len(table)):
            label = self._encode_one(table, position, known)
            if label == UNLABELLED and not allow_unlabelled:
                raise table.error(f"no {self.target}; every segment needs a label here", position, column=self.target)
            labels[position] = label
        return labels

    def _encode_one(self, table: SegmentTable, position: int, known: Mapping[str, tuple[int, ...]]) -> int:
        word, class_id = _label(table.segments[position], self.target)
        candidates = known.get(word, ()) if word is not None else ()
        if class_id is not None:
            column = f"{self.target}_class"
            if class_id >= self.size:
                reason = f"{class_id} is outside the vocabulary: {self.target} classes are 0 to {self.size - 1}"
                raise table.error(reason, position, column=column)
            if candidates and class_id not in candidates:
                reason = (
                    f"{class_id} is '{self.names[class_id]}', but column {self.target} says '{word}', class "
                    f"{candidates[0]}; are the CSV and the class names of different editions?"
                )
                raise table.error(reason, position, column=column)
            return class_id
        if word is None:
            return UNLABELLED
        if not candidates:
            reason = f"'{word}' is not a word for any of the {self.size} {self.target} classes"
            raise table.error(reason, position, column=self.target)
        if len(candidates) > 1 and word != self.names[candidates[0]]:
            listed = ", ".join(map(str, candidates))
            reason = f"'{word}' may mean the classes {listed}; say which in a column {self.target}_class"
            raise table.error(reason, position, column=self.target)
        return candidates[0]

    def known_words(self) -> dict[str, tuple[int, ...]]:
        """Word -> the classes it may mean; the class of that very name comes first."""
        known: dict[str, dict[int, None]] = {name: {class_id: None} for class_id, name in enumerate(self.names)}
        for class_id, words in enumerate(self.instances):
            for word in words:
                known.setdefault(word, {})[class_id] = None
        return {word: tuple(ids) for word, ids in known.items()}

    def _category_ids(self, classes: "Vocabulary") -> npt.NDArray[np.int64]:
        return np.array([self.names.index(category) for category in classes.categories], dtype=np.int64)

    def class_name(self, word: str) -> str:
        """The name of the class that a word stands for; the word itself where it stands for none, or for several."""
        candidates = self.known_words().get(word, ())
        return self.names[candidates[0]] if len(candidates) == 1 else word

    def to_categories(self) -> "tuple[Vocabulary, npt.NDArray[np.int64]]":
        """The categories as a vocabulary of their own, and the category id of every class, int64 (size,).

        Verb categories of EPIC-KITCHENS come in their usual order, others in the order of their first class. A
        `ValueError` where there are none.
        """
        if not self.categories:
            raise ValueError(f"these {self.target} classes have no categories; use class files with that column")
        found = tuple(dict.fromkeys(self.categories))
        if self.target == "verb" and set(found) <= set(VERB_CATEGORIES):
            found = tuple(name for name in VERB_CATEGORIES if name in found)
        categories = Vocabulary(self.target, found, classes=self)
        return categories, categories._category_ids(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can say it."""
        return {
            "target": self.target,
            "names": list(self.names),
            "categories": list(self.categories),
            "tail": sorted(self.tail),
            "instances": [list(words) for words in self.instances],
            "classes": None if self.classes is None else self.classes.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; a `ValueError` for other keys, or for values that no vocabulary has."""
        expected = ("target", "names", "categories", "tail", "instances", "classes")
        if set(values) != set(expected):
            raise ValueError(f"a vocabulary has the keys {', '.join(expected)}; found {', '.join(sorted(values))}")
        nested = values["classes"]
        return cls(
            target=values["target"],
            names=tuple(values["names"]),
            categories=tuple(values["categories"]),
            tail=frozenset(values["tail"]),
            instances=tuple(tuple(words) for words in values["instances"]),
            classes=None if nested is None else Vocabulary.from_dict(nested),
        )


def build_vocabulary(table: SegmentTable, target: Target) -> Vocabulary | None:
    """The classes that occur in a table; None where it has no label of this target.

    By class ids where there are any, which are an `AnnotationError` above 99,999: a class is called by its most
    frequent word, and an id that never occurs "verb 17". Otherwise the words, sorted.
    """
    labels = [_label(segment, target) for segment in table]
    words_of: dict[int, Counter[str]] = defaultdict(Counter)
    for position, (word, class_id) in enumerate(labels):
        if class_id is not None and class_id >= MOST_CLASSES:
            reason = f"class {class_id} is too large; count classes from 0"
            raise table.error(reason, position, column=f"{target}_class")
        if class_id is not None:
            words_of[class_id].update([] if word is None else [word])
    if not words_of:
        words = sorted({word for word, _ in labels if word is not None})
        return Vocabulary(target, tuple(words)) if words else None
    names: dict[str, None] = {}
    instances = [sorted(words_of[class_id]) for class_id in range(max(words_of) + 1)]
    for class_id, words in enumerate(instances):
        # Equal counts: the alphabet decides, so that the order of rows does not.
        name = max(words, key=words_of[class_id].__getitem__, default=f"{target} {class_id}")
        while name in names:
            name = f"{name} ({class_id})"
        names[name] = None
    return Vocabulary(target, tuple(names), instances=tuple(map(tuple, instances)))


def known_vocabularies(table: SegmentTable, classes_dir: Path | None) -> dict[Target, Vocabulary]:
    """Classes of the targets that have labels: those of class files, or without a folder of the labels themselves."""
    built = {target: build_vocabulary(table, target) for target in TARGETS}
    return {
        target: vocabulary if classes_dir is None else read_vocabulary(classes_dir, target)
        for target, vocabulary in built.items()
        if vocabulary is not None
    }


def _label(segment: Segment, target: Target) -> tuple[str | None, int | None]:
    return getattr(segment, target), getattr(segment, f"{target}_class")


def read_vocabulary(classes_dir: str | Path, target: Target) -> Vocabulary:
    """The classes of a class file, with the tail list beside it where there is one; or an `AnnotationError`.

    Reads `EPIC_100_verb_classes.csv`, `EPIC_verb_classes.csv` or `verb_classes.csv` (nouns alike).
    """
    vocabulary = read_class_file(classes_dir, target)
    tail = read_tail_classes(classes_dir, target) or frozenset()
    if outside := sorted(class_id for class_id in tail if class_id >= vocabulary.size):
        reason = f"tail {target} {outside[0]} does not exist: classes are 0 to {vocabulary.size - 1}"
        raise AnnotationError(reason, path=classes_dir)
    return replace(vocabulary, tail=tail)


def read_class_file(folder: str | Path, target: Target) -> Vocabulary:
    """The one class file of `target` in a folder; refuses ids other than 0, 1, 2, ... once each."""
    names = (f"EPIC_100_{target}_classes.csv", f"EPIC_{target}_classes.csv", f"{target}_classes.csv")
    path = _find_one(Path(folder), names)
    if path is None:
        raise AnnotationError(f"no {target} classes here; expected one of {', '.join(names)}", path=folder)
    return read_classes(path, target)


def read_classes(path: Path, target: Target) -> Vocabulary:
    """The classes of one class file, whatever it is called."""
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
    return Vocabulary(
        target,
        names=tuple(keys[position] for position in order),
        categories=tuple(categories[position] for position in order) if categories else (),
        instances=tuple(instances[position] for position in order) if instances else (),
    )


def read_tail_classes(folder: str | Path, target: Target) -> frozenset[int] | None:
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
    """
    refuse_missing(Path(folder))
    present = set(participants)
    lists: dict[str, frozenset[str]] = {}
    for path in sorted(Path(folder).glob("*unseen_participant*.csv")):
        sheet = read_spreadsheet(path)
        lists[path.name] = frozenset(sheet.columns[_first_column(sheet, ("participant_id",))])
    if not lists:
        return None
    most = max(len(ids & present) for ids in lists.values())
    best = {name: ids for name, ids in lists.items() if len(ids & present) == most}
    if most > 0 and len(set(best.values())) > 1:
        raise AnnotationError(f"{' and '.join(best)} fit these segments equally well; keep one", path=folder)
    return frozenset[str]().union(*best.values())


def _find_one(folder: Path, names: Iterable[str]) -> Path | None:
    refuse_missing(folder)
    found = [folder / name for name in names if (folder / name).exists()]
    if len(found) > 1:
        listed = " and ".join(path.name for path in found)
        raise AnnotationError(f"both {listed} are here, and their class ids may differ; keep one", path=folder)
    return found[0] if found else None


def refuse_missing(folder: Path) -> None:
    """An `AnnotationError` where this is no folder."""
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
