"""Names of verb and noun classes, and labels as numbers; knows nothing about scores or videos."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.class_files import read_class_file, read_tail_classes
from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.epic.facts import VERB_CATEGORIES
from egoact.core.errors import AnnotationError

Target = Literal["verb", "noun"]
TARGETS: tuple[Target, ...] = ("verb", "noun")
UNLABELLED = -1

_MOST_CLASSES = 100_000


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
        if not self.names or len(set(self.names)) != self.size:
            raise ValueError(f"{self.size} names, {len(set(self.names))} of them distinct; each class needs its own")
        for field in ("categories", "instances"):
            if getattr(self, field) and len(getattr(self, field)) != self.size:
                raise ValueError(f"{len(getattr(self, field))} {field} for {self.size} classes")
        if outside := sorted(class_id for class_id in self.tail if not 0 <= class_id < self.size):
            raise ValueError(f"tail class {outside[0]} is outside 0 to {self.size - 1}")
        if self.classes is not None and set(self.classes.categories) != set(self.names):
            raise ValueError("the categories of the grouped classes are not the names of this vocabulary")

    @property
    def size(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def encode(self, table: SegmentTable, *, allow_unlabelled: bool = True) -> npt.NDArray[np.int64]:
        """The class id of every segment, -1 where it has no label of this target.

        Goes by the column `verb_class` (`noun_class`) where the row has it, else by the word in `verb` (`noun`):
        a class name, then one of its instances. A vocabulary of categories gives ids of categories.

        Args:
            table: The segments.
            allow_unlabelled: False refuses a segment without a label.

        Returns:
            int64, shape (N,).

        Raises:
            AnnotationError: A class or word outside the vocabulary, a class and a word that contradict each
                other (a CSV and class names of different editions), or a missing label; with file, row, column.
        """
        if self.classes is not None:
            to_category = np.append(self._category_ids(self.classes), UNLABELLED)
            return to_category[self.classes.encode(table, allow_unlabelled=allow_unlabelled)]
        known = self._known_words()
        labels = np.empty(len(table), dtype=np.int64)
        for position in range(len(table)):
            label = self._encode_one(table, position, known)
            if label == UNLABELLED and not allow_unlabelled:
                raise self._error(table, position, f"no {self.target}; every segment needs a label here")
            labels[position] = label
        return labels

    def _encode_one(self, table: SegmentTable, position: int, known: Mapping[str, tuple[int, ...]]) -> int:
        word, class_id = _label(table.segments[position], self.target)
        candidates = known.get(word, ()) if word is not None else ()
        if class_id is not None:
            if class_id >= self.size:
                reason = f"{class_id} is outside the vocabulary: {self.target} classes are 0 to {self.size - 1}"
                raise self._error(table, position, reason, suffix="_class")
            if candidates and class_id not in candidates:
                reason = (
                    f"{class_id} is '{self.names[class_id]}', but column {self.target} says '{word}', class "
                    f"{candidates[0]}; are the CSV and the class names of different editions?"
                )
                raise self._error(table, position, reason, suffix="_class")
            return class_id
        if word is None:
            return UNLABELLED
        if not candidates:
            raise self._error(
                table, position, f"'{word}' is not a word for any of the {self.size} {self.target} classes"
            )
        if len(candidates) > 1 and word != self.names[candidates[0]]:
            listed = ", ".join(map(str, candidates))
            reason = f"'{word}' may mean the classes {listed}; say which in a column {self.target}_class"
            raise self._error(table, position, reason)
        return candidates[0]

    def _error(self, table: SegmentTable, position: int, reason: str, *, suffix: str = "") -> AnnotationError:
        place = f"{table.place(position)}, column {self.target}{suffix}"
        return AnnotationError(reason, path=table.path, place=place)

    def _known_words(self) -> dict[str, tuple[int, ...]]:
        """Word -> the classes it may mean; the class of that very name comes first."""
        known: dict[str, tuple[int, ...]] = {name: (class_id,) for class_id, name in enumerate(self.names)}
        for class_id, words in enumerate(self.instances):
            for word in words:
                if class_id not in known.get(word, ()):
                    known[word] = (*known.get(word, ()), class_id)
        return known

    def _category_ids(self, classes: "Vocabulary") -> npt.NDArray[np.int64]:
        index = {name: position for position, name in enumerate(self.names)}
        return np.array([index[category] for category in classes.categories], dtype=np.int64)

    def class_name(self, word: str) -> str:
        """The name of the class that a word stands for; the word itself where it stands for none, or for several."""
        candidates = self._known_words().get(word, ())
        return self.names[candidates[0]] if len(candidates) == 1 else word

    def to_categories(self) -> "tuple[Vocabulary, npt.NDArray[np.int64]]":
        """The categories as a vocabulary of their own, and the category id of every class, int64 (size,).

        Verb categories of EPIC-KITCHENS come in their usual order, others in the order of their first class.

        Raises:
            ValueError: This vocabulary has no categories.
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
        """The inverse of `to_dict`.

        Raises:
            ValueError: A missing or unknown key, or values that no vocabulary has.
        """
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


def read_vocabulary(classes_dir: str | Path, target: Target) -> Vocabulary:
    """The classes of a class file, with the tail list beside it where there is one.

    Reads `EPIC_100_verb_classes.csv`, `EPIC_verb_classes.csv` or `verb_classes.csv` (nouns alike).

    Raises:
        AnnotationError: No such file or several, wrong columns or ids, a tail class that does not exist.
    """
    file = read_class_file(classes_dir, target)
    tail = read_tail_classes(classes_dir, target) or frozenset()
    if outside := sorted(class_id for class_id in tail if class_id >= len(file.names)):
        reason = f"tail {target} {outside[0]} does not exist: classes are 0 to {len(file.names) - 1}"
        raise AnnotationError(reason, path=classes_dir)
    return Vocabulary(target, file.names, file.categories, tail, file.instances)


def build_vocabulary(table: SegmentTable, target: Target) -> Vocabulary | None:
    """The classes that occur in a table; None where it has no label of this target.

    By class ids where there are any: a class is called by its most frequent word, and an id that never occurs
    "verb 17". Otherwise the words, sorted.

    Raises:
        AnnotationError: A class id above 99,999: ids should be counted from 0.
    """
    labels = [_label(segment, target) for segment in table]
    words_of: dict[int, Counter[str]] = {}
    for position, (word, class_id) in enumerate(labels):
        if class_id is None:
            continue
        if class_id >= _MOST_CLASSES:
            place = f"{table.place(position)}, column {target}_class"
            raise AnnotationError(f"class {class_id} is too large; count classes from 0", path=table.path, place=place)
        words_of.setdefault(class_id, Counter()).update([] if word is None else [word])
    if words_of:
        num_classes = max(words_of) + 1
        instances = tuple(tuple(sorted(words_of.get(class_id, ()))) for class_id in range(num_classes))
        return Vocabulary(target, _name_classes(words_of, target), instances=instances)
    words = sorted({word for word, _ in labels if word is not None})
    return Vocabulary(target, tuple(words)) if words else None


def _name_classes(words_of: Mapping[int, Counter[str]], target: Target) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for class_id in range(max(words_of) + 1):
        # Equal counts: the alphabet decides, so that the order of rows does not.
        words = sorted(words_of.get(class_id, Counter()).items(), key=lambda item: (-item[1], item[0]))
        name = words[0][0] if words else f"{target} {class_id}"
        while name in names:
            name = f"{name} ({class_id})"
        names[name] = None
    return tuple(names)


def _label(segment: Segment, target: Target) -> tuple[str | None, int | None]:
    if target == "verb":
        return segment.verb, segment.verb_class
    return segment.noun, segment.noun_class
