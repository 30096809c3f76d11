"""The page of `egoact stats`: reads the tables from the disk, draws them, writes PNG files and one `stats.html`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from egoact.core.files import read_json, read_table
from egoact.report.figures import Figure, save_picture
from egoact.report.page import plain_name, write_page, written_by
from egoact.report.stats_figures import (
    draw_categories,
    draw_classes,
    draw_durations,
    draw_pairs,
    draw_participants,
    is_tail,
)
from egoact.report.timelines.timeline import write_statistics_pages

_TEXT = dict.fromkeys(("name", "category", "verb", "noun", "participant_id"), str)
_MOST_TABLE_ROWS = 400


class _Section(NamedTuple):
    name: str
    title: str
    text: str
    table: pd.DataFrame
    draw: Callable[[], Figure]
    table_title: str = "The numbers"


def write_report(settings: Any) -> None:
    """Draw the tables in `settings.out` into `stats.html`, and a PNG a picture beside it; of timelines write pages."""
    if settings.timeline is not None:
        write_statistics_pages(settings.out)
        return
    out = settings.out
    summary = read_json(out / "summary.json")
    with written_by("stats", out):
        tables = {name: _read_table(out / f"{name}.csv") for name in summary["tables"]}
        sections = [_fill_section(out, section) for section in _plan_sections(summary, tables)]
        write_page(out / "stats.html", "stats", summary=summary, sections=sections)


def _read_table(path: Path) -> pd.DataFrame:
    with written_by("stats", path):
        return read_table(path, na_values={"median_seconds": [""]}, dtype=_TEXT)


def _plan_sections(summary: dict[str, Any], tables: dict[str, pd.DataFrame]) -> Iterator[_Section]:
    for target in ("verb", "noun"):
        if f"{target}s" in tables:
            yield _plan_classes(tables[f"{target}s"], target)
        if f"{target}_categories" in tables:
            yield _plan_categories(tables[f"{target}_categories"], target)
    if len(tables.get("verb_noun_pairs", ())):
        yield _plan_pairs(tables["verb_noun_pairs"])
    yield _plan_durations(summary, tables["durations"])
    yield _plan_participants(tables["participants"])


def _plan_classes(table: pd.DataFrame, target: str) -> _Section:
    seen = table[table["num_segments"] > 0]
    first, tail = seen.iloc[0], is_tail(seen)
    rare = int((seen["num_segments"] < 10).sum())
    text = (
        f"The most frequent {target} is “{first['name']}” with {first['percent']:.1f} % of the labels: what a constant "
        f"answer scores. {int(tail.sum())} of the {len(seen)} {target}s that occur are the tail, with "
        f"{seen['percent'][tail].sum():.1f} % of the labels; {rare} occur fewer than ten times."
    )
    draw = partial(draw_classes, table, plural=f"{target}s")
    return _Section(f"{target}s", f"{target.capitalize()} classes", text, table, draw, f"All {target} classes")


def _plan_categories(table: pd.DataFrame, target: str) -> _Section:
    first = table.iloc[0]
    text = f"Grouped into {len(table)} categories; the largest, “{first['name']}”, has {first['percent']:.1f} %."
    draw = partial(draw_categories, table, title=f"Segments per {target} category")
    return _Section(f"{target}_categories", f"{target.capitalize()} categories", text, table, draw)


def _plan_pairs(table: pd.DataFrame) -> _Section:
    first = table.iloc[0]
    once = int((table["num_segments"] == 1).sum())
    text = (
        f"{len(table):,} different actions occur, {once:,} of them only once. The most frequent is "
        f"“{first['verb']} {first['noun']}” with {first['percent']:.1f} %."
    )
    table_title = f"The {min(len(table), _MOST_TABLE_ROWS)} most frequent actions"
    return _Section("verb_noun_pairs", "Verbs with nouns", text, table, partial(draw_pairs, table), table_title)


def _plan_durations(summary: dict[str, Any], table: pd.DataFrame) -> _Section:
    median = summary["median_seconds"]
    text = (
        f"From {summary['shortest_seconds']:g} s to {summary['longest_seconds']:g} s; half of the segments are shorter "
        f"than {median:.2f} s."
    )
    return _Section("durations", "Durations", text, table, partial(draw_durations, table, median_seconds=median))


def _plan_participants(table: pd.DataFrame) -> _Section:
    most = table.iloc[int(table["num_segments"].argmax())]
    share = 100 * most["num_segments"] / table["num_segments"].sum()
    text = f"{most['participant_id']} has the most segments: {most['num_segments']:,}, {share:.1f} % of all."
    return _Section("participants", "Participants", text, table, partial(draw_participants, table))


def _fill_section(out: Path, section: _Section) -> dict[str, Any]:
    table = section.table.head(_MOST_TABLE_ROWS)
    is_number = pd.api.types.is_numeric_dtype
    return section._asdict() | {
        "image": save_picture(out / f"{section.name}.png", section.draw),
        "columns": {plain_name(name): "number" if is_number(table[name]) else "text" for name in table.columns},
        "rows": [[_format(value) for value in row] for row in table.itertuples(index=False)],
    }


def _format(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
