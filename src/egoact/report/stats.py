"""The page of `egoact stats`: reads the tables from the disk, draws them, writes PNG files and one `stats.html`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from egoact.core.errors import ArtifactError
from egoact.report.page import HasOut, fill_template, inline_picture, plain_name, render_png, write_page
from egoact.report.stats_figures import (
    draw_categories,
    draw_classes,
    draw_durations,
    draw_pairs,
    draw_participants,
    is_tail,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TEXT = {column: str for column in ("name", "category", "verb", "noun", "participant_id")}
_MOST_TABLE_ROWS = 400


@dataclass(frozen=True)
class _Section:
    name: str
    title: str
    text: str
    table_title: str
    table: pd.DataFrame
    draw: Callable[[], "Figure"]


def write_report(settings: HasOut) -> None:
    """Draw the tables in `settings.out` and write `stats.html` and one PNG a picture beside them.

    Raises:
        ArtifactError: A table that `summary.json` lists, or that file, is missing or unreadable.
    """
    summary, tables = _read_tables(settings.out)
    sections = []
    for section in _plan_sections(summary, tables):
        image = render_png(section.draw)
        (settings.out / f"{section.name}.png").write_bytes(image)
        sections.append(_fill_section(section, image))
    page = fill_template("stats", summary=summary, cards=_list_cards(summary), sections=sections)
    write_page(settings.out / "stats.html", page)


def _read_tables(out: Path) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    path = out / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        tables = {}
        for name in summary["tables"]:
            path = out / f"{name}.csv"
            tables[name] = pd.read_csv(path, keep_default_na=False, na_values={"median_seconds": [""]}, dtype=_TEXT)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"not a table of 'egoact stats' ({error}); run it again", path=path) from None
    return summary, tables


def _plan_sections(summary: dict[str, Any], tables: dict[str, pd.DataFrame]) -> list[_Section]:
    sections = []
    for target in ("verb", "noun"):
        if f"{target}s" in tables:
            sections.append(_plan_classes(tables[f"{target}s"], target))
        if f"{target}_categories" in tables:
            sections.append(_plan_categories(tables[f"{target}_categories"], target))
    if len(tables.get("verb_noun_pairs", ())):
        sections.append(_plan_pairs(tables["verb_noun_pairs"]))
    return [*sections, _plan_durations(summary, tables["durations"]), _plan_participants(tables["participants"])]


def _plan_classes(table: pd.DataFrame, target: str) -> _Section:
    seen = table[table["num_segments"] > 0]
    first, tail = seen.iloc[0], is_tail(seen)
    rare = int((seen["num_segments"] < 10).sum())
    text = (
        f"The most frequent {target} is “{first['name']}” with {first['percent']:.1f} % of the labels: what a constant "
        f"answer scores. {int(tail.sum())} of the {len(seen)} {target}s that occur are the tail, with "
        f"{seen['percent'][tail].sum():.1f} % of the labels; {rare} occur fewer than ten times."
    )
    title = f"{target.capitalize()} classes"
    draw = partial(draw_classes, table, plural=f"{target}s")
    return _Section(f"{target}s", title, text, f"All {target} classes", table, draw)


def _plan_categories(table: pd.DataFrame, target: str) -> _Section:
    first = table.iloc[0]
    text = f"Grouped into {len(table)} categories; the largest, “{first['name']}”, has {first['percent']:.1f} %."
    draw = partial(draw_categories, table, title=f"Segments per {target} category")
    title = f"{target.capitalize()} categories"
    return _Section(f"{target}_categories", title, text, "The numbers", table, draw)


def _plan_pairs(table: pd.DataFrame) -> _Section:
    first = table.iloc[0]
    once = int((table["num_segments"] == 1).sum())
    text = (
        f"{len(table):,} different actions occur, {once:,} of them only once. The most frequent is "
        f"“{first['verb']} {first['noun']}” with {first['percent']:.1f} %."
    )
    shown = min(len(table), _MOST_TABLE_ROWS)
    title, table_title = "Verbs with nouns", f"The {shown} most frequent actions"
    return _Section("verb_noun_pairs", title, text, table_title, table, partial(draw_pairs, table))


def _plan_durations(summary: dict[str, Any], table: pd.DataFrame) -> _Section:
    median = summary["median_seconds"]
    text = (
        f"From {summary['shortest_seconds']:g} s to {summary['longest_seconds']:g} s; half of the segments are shorter "
        f"than {median:.2f} s."
    )
    draw = partial(draw_durations, table, median_seconds=median)
    return _Section("durations", "Durations", text, "The numbers", table, draw)


def _plan_participants(table: pd.DataFrame) -> _Section:
    most = table.iloc[int(table["num_segments"].argmax())]
    share = 100 * most["num_segments"] / table["num_segments"].sum()
    text = f"{most['participant_id']} has the most segments: {most['num_segments']:,}, {share:.1f} % of all."
    return _Section("participants", "Participants", text, "The numbers", table, partial(draw_participants, table))


def _fill_section(section: _Section, image: bytes) -> dict[str, Any]:
    table = section.table.head(_MOST_TABLE_ROWS)
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in table.columns}
    columns = [{"name": plain_name(name), "css": "number" if numeric[name] else "text"} for name in table.columns]
    rows = [[_format(value) for value in row] for row in table.itertuples(index=False)]
    return {
        "title": section.title,
        "text": section.text,
        "table_title": section.table_title,
        "image": inline_picture(image),
        "columns": columns,
        "rows": rows,
    }


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _list_cards(summary: dict[str, Any]) -> list[tuple[str, str]]:
    cards = [
        (f"{summary['num_segments']:,}", _plural(summary["num_segments"], "segment")),
        (f"{summary['num_videos']:,}", _plural(summary["num_videos"], "video")),
        (f"{summary['num_participants']:,}", _plural(summary["num_participants"], "participant")),
        (f"{summary['labelled_seconds'] / 60:,.1f}", "labelled minutes"),
    ]
    return cards + [(f"{count:,}", f"without {target}") for target, count in summary["unlabelled"].items() if count]
