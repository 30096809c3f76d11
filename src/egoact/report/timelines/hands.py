"""What the page of a timeline says of each hand."""

from collections.abc import Mapping
from typing import Any

_ROWS = (
    ("Share of time in interaction", "share_of_time", lambda value: f"{100 * value:.1f} %"),
    ("Mean duration, s", "mean_duration_seconds", lambda value: f"{value:.1f}"),
    ("Interactions an hour", "interactions_per_hour", lambda value: f"{value:.1f}"),
    ("Interactions", "num_interactions", lambda value: f"{value:.0f}"),
)
_DASH = "–"


def describe_hands(hands: Mapping[str, Any], *, is_corrected: bool) -> dict[str, Any]:
    """Rows of a table (measure, left, right), and a text: the ratio, and how often no hand was found.

    Args:
        hands: In the form that `check_hands` documents.
        is_corrected: Whether the actions were corrected after the hands had been measured with them.
    """
    rows = []
    for title, key, form in _ROWS:
        values = [hands[side][key] for side in ("left", "right")]
        rows.append([title, *(_DASH if value is None else form(value) for value in values)])
    ratio, missed = hands["hand_use_ratio"], hands["steps_without_hands_share"]
    text = f"Hand-use ratio {_DASH if ratio is None else f'{ratio:.2f}'}"
    text += "." if missed is None else f"; no hand was found in {100 * missed:.1f} % of the pictures."
    text += " Measured before the actions were corrected." if is_corrected else ""
    return {"rows": rows, "text": text}
