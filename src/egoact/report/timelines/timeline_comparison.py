"""The tables and the page of `egoact compare --timelines`; reads what the stage wrote."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from egoact.report.page import (
    DASH,
    choose_gap,
    format_duration,
    format_number,
    format_range,
    print_table,
    read_scripts,
    write_page,
    written_by,
)

_MEASURES = {"mean_seconds": "s", "per_hour": "an hour"}
_CHANGES = {"slower": "mean_seconds", "faster": "mean_seconds", "rarer": "per_hour", "more frequent": "per_hour"}
_HANDS = {
    "share_of_time": ("share of time in interaction, %", 100, 1),
    "mean_duration_seconds": ("mean duration, s", 1, 1),
    "interactions_per_hour": ("interactions an hour", 1, 1),
    "num_interactions": ("interactions", 1, 0),
    "hand_use_ratio": ("hand-use ratio", 1, 2),
    "steps_without_hands_share": ("pictures without a hand found, %", 100, 1),
}
_HAND_COLUMNS = {"hand": "text", "measure": "text", "A": "number", "B": "number", "difference": "number"}


def write_timeline_comparison(path: Path, compared: dict[str, Any]) -> None:
    """Print what changed and the table, and write the page beside `path`, which holds the comparison."""
    with written_by("compare --timelines", path):
        titles = [_title(name, side) for name, side in zip("AB", compared["sides"], strict=True)]
        changes, notes = list_changes(compared), _notes(compared)
        print("\n".join([*titles, "", *changes, *notes]))
        kinds = {kind: [_row(row) for row in compared[f"{kind}s"]] for kind in _kinds(compared)}
        everything = _row(compared["all"])
        for kind, rows in kinds.items():
            _print(kind, [*rows, everything] if kind == "action" else rows)
        hands = [_hand_row(row) for row in compared["hands"]]
        if hands:
            print_table(_HAND_COLUMNS, hands)
        sides = compared["sides"]
        footage = [[r["footage"] and quote(r["footage"]) for r in side["recordings"]] for side in sides]
        page = write_page(
            path.with_suffix(".html"),
            "timeline_comparison",
            titles=titles,
            changes=changes,
            notes=notes,
            compared=compared,
            kinds=kinds | {"": [everything]},
            hands=hands,
            data={
                "clips": _clips(compared),
                "footage": footage,
                "names": [[r["video_id"] for r in side["recordings"]] for side in sides],
            },
            has_footage=any(any(of_side) for of_side in footage),
            script=read_scripts("clips", "timeline_comparison"),
        )
    print(f"see {page}")


def list_changes(compared: dict[str, Any]) -> list[str]:
    """A line for each kind of change, with the actions, verbs and nouns that it is about."""
    lines = []
    rows = [
        (row["name"] if kind == "action" else f"the {kind} {row['name']}", row)
        for kind in _kinds(compared)
        for row in compared[f"{kind}s"]
    ]
    for change, measure in _CHANGES.items():
        said = []
        for name, row in [*rows, (compared["all"]["name"], compared["all"])]:
            if change in row["changes"]:
                first, second = (side[measure] for side in row["sides"])
                said.append(f"{name} ({first:.1f} to {second:.1f} {_MEASURES[measure]})")
        if said:
            lines.append(f"{change}: {', '.join(said)}")
    if not lines and compared["can_tell_changes"]:
        lines.append("no action became slower, faster, rarer or more frequent beyond chance")
    if any(row["changes"] for _, row in rows):
        confirmed = [f"{name} ({', '.join(row['confirmed'])})" for name, row in rows if row["confirmed"]]
        which = "no action, verb or noun" if not confirmed else ", ".join(confirmed)
        lines.append(f"beyond chance also when it counts how many were tested (Holm's correction): {which}")
    return lines


def _notes(compared: dict[str, Any]) -> list[str]:
    """What the intervals are of, and what they cannot tell."""
    numbers = [side["num_recordings"] for side in compared["sides"]]
    notes = []
    if not compared["can_tell_changes"]:
        notes.append(
            f"{numbers[0]} and {numbers[1]} recordings are too few to tell a change from chance (4 and 4 are enough): "
            "the differences are shown, and none is called a change"
        )
    elif numbers == [1, 1]:
        notes.append(
            "one recording on each side: intervals are of occurrences within it, not of how much days differ, so a "
            "change may be one of that day"
        )
    for name, side in zip("AB", compared["sides"], strict=True):
        if unknown := side["num_unknown_durations"]:
            of_all = f"{unknown} of {side['num_recordings']} recordings of {name}"
            notes.append(f"the length of {of_all} is not known: taken to end with the last action")
    if compared["hands"] and any(r["corrected"] for side in compared["sides"] for r in side["recordings"]):
        notes.append("hands were measured before some of these timelines were corrected")
    return notes


def _kinds(compared: dict[str, Any]) -> list[str]:
    """Verbs and nouns are tables of their own where an action is both."""
    has_both = any(row["verb"] and row["noun"] for row in compared["actions"])
    return ["action", "verb", "noun"] if has_both else ["action"]


def _title(name: str, side: dict[str, Any]) -> str:
    count = side["num_recordings"]
    return f"{name}: {side['path']} ({count} recording{'s' * (count != 1)}, {format_duration(side['seconds'])})"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One action as text."""
    a, b = row["sides"]
    return {
        "name": row["name"],
        "counts": [str(side["count"]) for side in (a, b)],
        "shares": [f"{100 * side['share_of_time']:.1f}" for side in (a, b)],
        "changes": ", ".join(row["changes"]),
        "measures": [
            {
                "values": [format_number(side[measure]) for side in (a, b)],
                "difference": format_number(part.get("value"), sign="+"),
                "range": format_range(part, sign="+"),
                "p": f"p {_probability(part['p'])}, Holm {_probability(part['p_holm'])}" if "p" in part else "",
            }
            for measure in _MEASURES
            for part in [row["difference"].get(measure, {})]
        ],
    }


def _probability(value: float) -> str:
    return "< 0.001" if value < 0.0005 else f"{value:.3f}"


def _print(kind: str, rows: list[dict[str, Any]]) -> None:
    gap, columns = choose_gap(), {kind: "text"}
    columns |= dict.fromkeys(("count", "mean s", f"B - A{gap}s", "an hour", f"B - A{gap}an hour"), "number")
    lines = []
    for row in rows:
        cells = [" → ".join(row["counts"])]
        for part in row["measures"]:
            cells += [" → ".join(part["values"]), gap.join((part["difference"], part["range"])).strip()]
        lines.append([row["name"], *cells, row["changes"]])
    print_table(columns | {"change": "text"}, lines, is_tight=True)


def _hand_row(row: dict[str, Any]) -> list[str]:
    title, scale, digits = _HANDS[row["measure"]]
    cells = [DASH if value is None else f"{scale * value:.{digits}f}" for value in row["sides"]]
    difference = DASH
    if (part := row.get("difference")) is not None:
        difference = f"{scale * part['value']:+.{digits}f}"
        if "low" in part:
            difference += f" [{scale * part['low']:+.{digits}f}, {scale * part['high']:+.{digits}f}]"
    return [row["hand"] or "both", title, *cells, difference]


def _clips(compared: dict[str, Any]) -> dict[str, list[list[Any]]]:
    """Table -> row -> the clips of both sides, (recording, start, stop)."""
    tables = {kind: compared[f"{kind}s"] for kind in _kinds(compared)} | {"": [compared["all"]]}
    clips = {kind: [[side["clips"] for side in row["sides"]] for row in rows] for kind, rows in tables.items()}
    return clips | {"hand": [row["clips"] for row in compared["hands"]]}
