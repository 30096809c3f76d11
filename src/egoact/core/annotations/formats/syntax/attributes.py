"""Named values beside an annotation, as many tools keep them: which field of ours each is, and ours as such values."""

from collections.abc import Mapping
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation
from egoact.core.annotations.formats.exchange import ReadOptions
from egoact.core.annotations.formats.words import one_line, parse_hand

SAID = ("verb", "noun", "description", "hand", "note", "annotator", "tier")
"""Fields that are written as named values."""

_FIELDS = {
    **{name: name for name in SAID},
    **dict.fromkeys(("object",), "noun"),
    **dict.fromkeys(("narration", "label", "action", "activity", "behavior", "behaviour"), "description"),
    **dict.fromkeys(("hands", "side"), "hand"),
    **dict.fromkeys(("notes", "comment", "comments", "remark"), "note"),
    **dict.fromkeys(("coder", "rater", "observer"), "annotator"),
    **dict.fromkeys(("track",), "tier"),
}


def fields_of(values: Mapping[str, Any], options: ReadOptions, *, label: str | None = None) -> dict[str, Any]:
    """The fields of an annotation that named values are.

    Values with other names go into the note, as "name=value".

    Args:
        values: Name -> value.
        options: Which names are those of verb and noun.
        label: What the tool says of the annotation beside the values. It is the verb of a noun, or else the
            description; None: there is no such label, and the first value with another name is the description.
    """
    found: dict[str, Any] = {}
    others: list[tuple[str, str]] = []
    for name, value in values.items():
        text = "" if value is None else one_line(str(value))
        field = _field(name, options)
        said = parse_hand(text) if field == "hand" else text
        if field and said and field not in found:
            found[field] = said
        elif text:
            others.append((name, text))
    if not ({"verb", "description"} & set(found)):
        if label:
            found["verb" if "noun" in found else "description"] = one_line(label)
        elif others and label is None:
            found["description"] = others.pop(0)[1]
    elif label:
        words = " ".join(found[name] for name in ("verb", "noun") if name in found)
        if label not in (found.get("verb"), found.get("description"), words):
            others.append(("label", label))
    notes = [found.get("note", ""), *(f"{name}={text}" for name, text in others)]
    if any(notes):
        found["note"] = " | ".join(filter(None, notes))
    return found


def _field(name: str, options: ReadOptions) -> str:
    if target := options.target_of(name):
        return target
    field = _FIELDS.get(name.strip().casefold(), "")
    return "" if field in options.tiers else field


def said_by(item: Annotation) -> dict[str, str]:
    """What is known of an annotation, as named values."""
    return {name: value for name in SAID if (value := getattr(item, name))}
