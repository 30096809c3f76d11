"""What pages say of each hand: one table, of one recording or of several beside each other."""

from collections.abc import Mapping
from typing import Any

_ROWS = (
    ("Share of time in interaction", "share_of_time", lambda value: f"{100 * value:.1f} %"),
    ("Mean duration, s", "mean_duration_seconds", lambda value: f"{value:.1f}"),
    ("Interactions an hour", "interactions_per_hour", lambda value: f"{value:.1f}"),
    ("Interactions", "num_interactions", lambda value: f"{value:.0f}"),
)
_DASH = "–"


def describe_hands(hands: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Columns and rows for the template's `table`, and a text: the ratio, and how often no hand was found.

    Args:
        hands: Heading (empty where there is only one) -> measures, in the form that `check_hands` documents.
    """
    columns = {"Measure": ""}
    columns |= {f"{side.capitalize()} {heading}".strip(): "number" for heading in hands for side in ("left", "right")}
    rows = []
    for title, key, form in _ROWS:
        values = [measures[side][key] for measures in hands.values() for side in ("left", "right")]
        rows.append([title, *(_DASH if value is None else form(value) for value in values)])
    texts = []
    for heading, measures in hands.items():
        ratio, missed = measures["hand_use_ratio"], measures["steps_without_hands_share"]
        said = f"Hand-use ratio {_DASH if ratio is None else f'{ratio:.2f}'}"
        said += "" if missed is None else f"; no hand was found in {100 * missed:.1f} % of the pictures"
        texts.append(f"{heading}: {said}." if heading else f"{said}.")
    return {"columns": columns, "rows": rows, "text": " ".join(texts)}
