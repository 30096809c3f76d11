"""From labels of other tools to verbs and nouns: a mapping of their words to ours, labels taken apart, class numbers.

A mapping is a CSV with the columns `label`, and `verb`, `noun` or both: "grab cup,take,cup". A label that is mapped to
nothing is left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from egoact.core.annotations.formats.annotation import Annotation
from egoact.core.annotations.formats.exchange import count_of
from egoact.core.annotations.formats.words import one_line
from egoact.core.annotations.labels import TARGETS, Target, read_class_file
from egoact.core.annotations.spreadsheet import read_spreadsheet

_MOST_NAMED = 8


class Meaning(NamedTuple):
    """What a word of theirs is to us."""

    verb: str
    noun: str


def read_mapping(path: str | Path) -> dict[str, Meaning]:
    """Label in lower case -> its verb and noun; an `AnnotationError` where one has two meanings."""
    sheet = read_spreadsheet(path)
    if "label" not in sheet or not ("verb" in sheet or "noun" in sheet):
        raise sheet.missing("columns label, and verb or noun")
    empty = ("",) * len(sheet)
    found: dict[str, Meaning] = {}
    meanings = map(Meaning, sheet.columns.get("verb", empty), sheet.columns.get("noun", empty))
    for position, (label, meaning) in enumerate(zip(sheet.columns["label"], meanings, strict=True)):
        if found.setdefault(one_line(label.casefold()), meaning) != meaning:
            raise sheet.error(f"'{label}' has two meanings", position=position, column="label")
    return found


def read_class_numbers(folder: str | Path) -> dict[Target, dict[str, int]]:
    """Verb or noun -> word -> number of its class, of a folder of class files; without words of several classes."""
    found: dict[Target, dict[str, int]] = {}
    present = [target for target in TARGETS if list(Path(folder).glob(f"*{target}_classes.csv"))]
    for target in present or TARGETS:
        classes = read_class_file(folder, target)
        known = classes.known_words().items()
        found[target] = {word: ids[0] for word, ids in known if len(ids) == 1 or word == classes.names[ids[0]]}
    return found


@dataclass
class LabelWords:
    """How labels become verbs and nouns.

    Args:
        mapping: Their words -> ours; empty: words stay.
        is_split: Whether a label of one text is a verb and a noun, "take cup"; else it is a verb as a whole.
        class_numbers: Numbers of the classes of words, as `read_class_numbers` gives them.
        remarks: What was done, after `apply`.
    """

    mapping: dict[str, Meaning] = field(default_factory=dict)
    is_split: bool = False
    class_numbers: dict[Target, dict[str, int]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def apply(self, items: Iterable[Annotation], *, separator: str = " ") -> list[Annotation]:
        """The annotations with words of ours; those of labels that are mapped to nothing are left out."""
        found, unknown, num_whole, num_dropped = [], dict[str, None](), 0, 0
        for item in items:
            mapped = self._map(item, unknown) if self.mapping else item
            if mapped is None:
                num_dropped += 1
                continue
            if not mapped.verb and not mapped.noun and mapped.description:
                if self.is_split:
                    verb, _, noun = mapped.description.strip().partition(separator)
                    mapped = replace(mapped, verb=verb.strip(), noun=noun.strip(), description="")
                else:
                    mapped = replace(mapped, verb=mapped.description, description="")
                    num_whole += " " in mapped.verb
            found.append(self._number(mapped, unknown))
        if num_dropped:
            self.remarks.append(f"{count_of(num_dropped, 'segment')} left out, whose labels the mapping leaves empty")
        if unknown:
            names = ", ".join(f"'{name}'" for name in list(unknown)[:_MOST_NAMED])
            more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
            self.remarks.append(f"words that --classes does not have stay as they are: {names}{more}")
        if num_whole:
            count = count_of(num_whole, "label")
            self.remarks.append(f"{count} of several words became verbs as a whole; --split makes them verb and noun")
        return found

    def _number(self, item: Annotation, unknown: dict[str, None]) -> Annotation:
        """The annotation with the numbers of its classes, where the words have some and it has none."""
        for target, numbers in self.class_numbers.items():
            word, field = getattr(item, target), f"{target}_class"
            if word and word not in numbers:
                unknown[word] = None
            elif getattr(item, field) is None:
                found: dict[str, Any] = {field: numbers.get(word)}
                item = replace(item, **found)
        return item

    def _map(self, item: Annotation, unknown: dict[str, None]) -> Annotation | None:
        """The annotation in our words: of its whole label, or else of its verb and its noun; None to leave it out."""
        is_label = not (item.verb or item.noun)
        if (whole := self.mapping.get(one_line(item.label.casefold()))) is not None:
            if not whole.verb and not whole.noun:
                return None
            said = replace(item, description="") if is_label else item
            return replace(said, verb=whole.verb, noun=whole.noun, verb_class=None, noun_class=None)
        if is_label and item.description:
            unknown[item.description] = None
        verb, noun = (self.mapping.get(one_line(word.casefold())) if word else None for word in (item.verb, item.noun))
        for word, meaning in ((item.verb, verb), (item.noun, noun)):
            if word and meaning is None:
                unknown[word] = None
        if verb is not None:
            if not verb.verb:
                return None
            item = replace(item, verb=verb.verb, noun=item.noun or verb.noun, verb_class=None)
        return item if noun is None else replace(item, noun=noun.noun, noun_class=None)
