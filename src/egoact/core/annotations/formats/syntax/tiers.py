"""Tiers: tracks that each hold one kind of word. Verbs and nouns of separate tiers are merged by overlap.

verb   |--[take~~~~~~~~~~~~]----[pour~~~]--|
noun   |--[cup~~~]--[plate~]----[milk~~~]--|   ->   take cup, take plate, pour milk
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from egoact.core.annotations.formats.annotation import Annotation, Hand
from egoact.core.annotations.formats.exchange import Reading, ReadOptions, count_of
from egoact.core.annotations.formats.words import parse_hand

Role = Literal["verb", "noun", "description", "note", "hand", "label"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("verb", "verbs"), "verb"),
    **dict.fromkeys(("noun", "nouns", "object", "objects"), "noun"),
    **dict.fromkeys(("description", "narration"), "description"),
    **dict.fromkeys(("note", "notes", "comment", "comments"), "note"),
    **dict.fromkeys(("hand", "hands"), "hand"),
}
_NAME = re.compile(rf"(?:(?P<tier>.+?)[ _-])??(?P<role>{'|'.join(_ROLES)})(?:@(?P<who>.*))?", re.IGNORECASE)
_BESIDE: tuple[Role, ...] = ("noun", "description", "note", "hand")
_ENOUGH = 0.5  # of the shorter of two, to belong together


@dataclass(frozen=True)
class Cell:
    """One stretch of a tier, or a point, and what it says; `extras` are fields of the annotation beside it."""

    tier: str
    start_seconds: float
    stop_seconds: float
    text: str
    place: str
    recording: str
    annotator: str = ""
    hand: Hand = ""
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TierName:
    """What the name of a tier says: "step verb@left" are verbs of the tier "step", of the left hand."""

    role: Role
    tier: str = ""
    who: str = ""

    @property
    def hand(self) -> Hand:
        """The hand that it names."""
        return next((hand for word in (self.who, *self.who.split()) if (hand := parse_hand(word))), "")


Group = dict[Role, list[tuple[Cell, TierName]]]


def parse_tier(name: str, options: ReadOptions) -> TierName | None:
    """What a tier holds; None where the options name the tiers of verbs and nouns, and it is another."""
    name = name.strip()
    if target := options.target_of(name):
        return TierName(target)
    if len(options.tiers) == 2:
        return None
    if (match := _NAME.fullmatch(name)) and (role := _ROLES[match["role"].casefold()]) not in options.tiers:
        tier, who = match["tier"] or "", match["who"] or ""
        if parse_hand(tier) and not who:
            tier, who = "", tier
        return TierName(role) if options.tiers else TierName(role, tier, who)
    plain, _, who = name.partition("@")
    return TierName("label", plain, who or name)


def add_cells(reading: Reading, cells: Sequence[Cell]) -> None:
    """Merge the cells of a file into annotations of the reading."""
    names = {cell.tier: parse_tier(cell.tier, reading.options) for cell in cells}
    known = {name.casefold() for name in names}
    for wanted in reading.options.tiers.values():
        if wanted.casefold() not in known and names:
            raise reading.source.error(f"no tier '{wanted}'; the tiers are: {', '.join(sorted(names))}")
    if left_out := sorted(tier for tier, name in names.items() if name is None):
        count = sum(names[cell.tier] is None for cell in cells)
        reading.remark(f"{count_of(count, 'annotation')} of other tiers left out: {', '.join(left_out)}")
    groups: dict[tuple[str, ...], Group] = {}
    for cell in cells:
        if (name := names[cell.tier]) is not None:
            key = (cell.recording, name.tier, name.who, cell.annotator) if name.role != "label" else (cell.tier,)
            groups.setdefault(key, {}).setdefault(name.role, []).append((cell, name))
    _join_annotators(groups)
    for group in groups.values():
        _add_group(reading, group)


def _join_annotators(groups: dict[tuple[str, ...], Group]) -> None:
    """Nouns and others of somebody who coded no verbs belong to the verbs of the one who did."""
    for key in [key for key, group in groups.items() if not ({"verb", "label"} & set(group))]:
        coders = [other for other, group in groups.items() if other[:-1] == key[:-1] and "verb" in group]
        if len(coders) == 1 and not set(groups[key]) & set(groups[coders[0]]):
            groups[coders[0]] |= groups.pop(key)


def _add_group(reading: Reading, group: Group) -> None:
    used: set[int] = set()
    others = {role: _Track([cell for cell, _ in group.get(role, [])]) for role in _BESIDE}
    for cell, name in (*group.get("label", []), *group.get("verb", [])):
        is_verb = name.role == "verb" or "noun" in cell.extras
        said: dict[str, Any] = {"verb" if is_verb else "description": cell.text}
        if name.role == "verb":
            for role in ("description", "note", "hand"):
                if matches := others[role].belonging_to(cell):
                    used.add(id(matches[0]))
                    said[role] = parse_hand(matches[0].text) if role == "hand" else matches[0].text
        nouns = others["noun"].belonging_to(cell) if name.role == "verb" else []
        used.update(id(noun) for noun in nouns)
        if len(nouns) < 2:
            _add(reading, cell, name, said | ({"noun": nouns[0].text} if nouns else {}))
        else:
            for noun in nouns:
                start, stop = max(cell.start_seconds, noun.start_seconds), min(cell.stop_seconds, noun.stop_seconds)
                part = replace(cell, start_seconds=start, stop_seconds=stop)
                _add(reading, part, name, said | {"noun": noun.text})
    alone: tuple[Role, ...] = ("noun", "description", "note")
    for role in alone:
        for cell, name in group.get(role, []):
            if id(cell) not in used:
                notes = [] if role == "note" else others["note"].belonging_to(cell)
                used.update(map(id, notes[:1]))
                words: dict[str, Any] = {"note": notes[0].text} if notes else {}
                _add(reading, cell, name, words | {role: cell.text})


def _add(reading: Reading, cell: Cell, name: TierName, said: dict[str, Any]) -> None:
    values = {"annotator": cell.annotator, "hand": cell.hand or name.hand, "tier": name.tier} | cell.extras
    reading.add(
        place=cell.place,
        recording=cell.recording,
        start_seconds=cell.start_seconds,
        stop_seconds=cell.stop_seconds,
        **(values | {key: value for key, value in said.items() if value}),
    )


class _Track:
    """Cells by time, so that those around a moment are found without looking at all."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        self._cells = sorted(cells, key=lambda cell: cell.start_seconds)
        self._starts = [cell.start_seconds for cell in self._cells]
        self._longest = max((cell.stop_seconds - cell.start_seconds for cell in self._cells), default=0.0)

    def belonging_to(self, cell: Cell) -> list[Cell]:
        """Those that share enough of the time of the shorter one; else the one that shares most, if any."""
        first = bisect_left(self._starts, cell.start_seconds - self._longest)
        last = bisect_right(self._starts, cell.stop_seconds)
        shares = [(_share(cell, other), other) for other in self._cells[first:last]]
        if enough := [other for share, other in shares if share >= _ENOUGH]:
            return enough
        best = max(shares, key=lambda pair: pair[0], default=None)
        return [best[1]] if best is not None and best[0] > 0 else []


def _share(cell: Cell, other: Cell) -> float:
    shorter = min(cell.stop_seconds - cell.start_seconds, other.stop_seconds - other.start_seconds)
    shared = min(cell.stop_seconds, other.stop_seconds) - max(cell.start_seconds, other.start_seconds)
    return shared / shorter if shorter > 0 else float(shared >= 0)


def split_layers(
    items: Iterable[Annotation], key: Callable[[Annotation], Hashable], *, least_seconds: float = 0.0
) -> list[list[Annotation]]:
    """Annotations by time, taken apart so that in no layer those of one key overlap; points last `least_seconds`."""
    layers: list[list[Annotation]] = []
    ends: list[dict[Hashable, float]] = []
    for item in items:
        this = key(item)
        number = next((n for n, end in enumerate(ends) if end.get(this, 0.0) <= item.start_seconds), len(ends))
        if number == len(ends):
            layers.append([])
            ends.append({})
        layers[number].append(item)
        ends[number][this] = max(item.stop_seconds, item.start_seconds + least_seconds)
    return layers
