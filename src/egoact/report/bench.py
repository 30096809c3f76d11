"""The tables and the page of `egoact bench`; reads what the stage wrote."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from egoact.core.files import read_json
from egoact.report.figures import save_picture
from egoact.report.page import Bar, print_table, show, write_page, written_by
from egoact.report.scatter import draw_scatter


def write_report(settings: Any) -> None:
    """Print the tables of `WHAT.json` in `settings.out`, where `settings.what` is WHAT, and write `WHAT.html`.

    Raises:
        ArtifactError: `WHAT.json` is missing or damaged.
    """
    path = settings.out / f"{settings.what}.json"
    found = read_json(path)
    with written_by("bench", path):
        picture = None
        if scatter := found.get("scatter"):
            table = next(each for each in found["tables"] if each["name"] == scatter["table"])
            picture = save_picture(path.with_suffix(".png"), partial(draw_scatter, scatter, table))
        figures = [_figure_row(figure) for figure in found["figures"]]
        tables = [_fill_table(table) for table in found["tables"] if table["rows"]]
        _print(f"{found['title']}; {found['machine']}", tables, figures)
        page = write_page(
            path.with_suffix(".html"), "bench", found=found, picture=picture, figures=figures, tables=tables
        )
    print(f"see {page}")


def _print(title: str, tables: list[dict[str, Any]], figures: list[dict[str, str]]) -> None:
    from rich.text import Text

    show(Text(title, style="bold"))
    for table in tables:
        print_table(table["columns"], table["rows"], title=table["title"])
    if figures:
        columns = {"figure": "text", "measured": "number", "to reach": "number", "": "number"}
        print_table(columns, [figure.values() for figure in figures], title="Figures")


def _figure_row(figure: Mapping[str, Any]) -> dict[str, str]:
    value, goal, unit = figure["value"], figure["goal"], figure["unit"]
    sign = "≤" if figure["is_most"] else "≥"
    return {
        "name": figure["name"],
        "value": "not measured" if value is None else f"{_format(float(value))} {unit}",
        "goal": "" if goal is None else f"{sign} {goal:g} {unit}",
        "verdict": {None: "", True: "reached", False: "missed"}[figure["is_reached"]],
    }


def _fill_table(table: Mapping[str, Any]) -> dict[str, Any]:
    rows = table["rows"]
    columns = {
        name: "number" if all(row[i] is None or isinstance(row[i], int | float) for row in rows) else "text"
        for i, name in enumerate(table["columns"])
    }
    cells = [[_format(cell) for cell in row] for row in rows]
    return {"title": table["title"], "columns": columns, "rows": cells, "bars": _list_bars(table)}


def _list_bars(table: Mapping[str, Any]) -> list[Bar]:
    """The chosen column as bars, named by the columns of text (and the whole numbers) before it."""
    if table["bars"] is None:
        return []
    at = table["columns"].index(table["bars"])
    longest = max(row[at] for row in table["rows"])
    bars = []
    for row in table["rows"]:
        name = " ".join(str(cell) for cell in row[:at] if not isinstance(cell, float))
        bars.append(Bar(name, row[at], _format(row[at]), "main" if row[at] == longest else ""))
    return bars


def _format(value: Any) -> str:
    """A cell for people.

    >>> _format(1234567), _format(0.1234), _format(37.26), _format(None)
    ('1,234,567', '0.123', '37.3', '')
    """
    if isinstance(value, float):
        size = abs(value)
        form = ",.0f" if size >= 1000 else ".1f" if size >= 10 else ".4g" if size >= 0.99 else ".3g"
        return f"{value:{form}}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
