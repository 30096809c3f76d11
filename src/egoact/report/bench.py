"""The tables and the page of `egoact bench`; reads what the stage wrote."""

from pathlib import Path
from typing import Any, Protocol

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.report.page import fill_template, write_page


class BenchOut(Protocol):
    """What of the settings matters here."""

    @property
    def what(self) -> str:
        """The room."""

    @property
    def out(self) -> Path:
        """The folder that the stage wrote, and that the page goes to."""


def write_report(settings: BenchOut) -> None:
    """Print the tables, and write `WHAT.html`.

    Raises:
        ArtifactError: `WHAT.json` is missing or damaged.
    """
    path = settings.out / f"{settings.what}.json"
    found = read_json(path)
    try:
        _print(found)
        page = fill_template(
            "bench",
            found=found,
            figures=[_figure_row(figure) for figure in found["figures"]],
            tables=[_fill_table(table) for table in found["tables"] if table["rows"]],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"not what egoact bench writes ({error!r}); run it again", path=path) from None
    write_page(path.with_suffix(".html"), page)
    print(f"see {path.with_suffix('.html')}")


def _print(found: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file has no edge to break lines at
    console.print(Text(f"{found['title']}; {found['machine']}", style="bold"))
    for table in found["tables"]:
        if not table["rows"]:
            continue
        numeric = _numeric_columns(table)
        shown = Table(title=table["title"], title_justify="left", box=box.SIMPLE_HEAD)
        for column in table["columns"]:
            shown.add_column(Text(column), justify="right" if numeric[column] else "left")
        for row in table["rows"]:
            shown.add_row(*(Text(_format(cell)) for cell in row))
        console.print(shown)
    shown = Table("figure", title="Figures", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("measured", "to reach", ""):
        shown.add_column(column, justify="right")
    for figure in found["figures"]:
        row = _figure_row(figure)
        shown.add_row(Text(row["name"]), Text(row["value"]), Text(row["goal"]), Text(row["verdict"]))
    if found["figures"]:
        console.print(shown)


def _figure_row(figure: dict[str, Any]) -> dict[str, str]:
    sign = "≤" if figure["is_most"] else "≥"
    reached = figure["is_reached"]
    return {
        "name": figure["name"],
        "value": "not measured" if figure["value"] is None else f"{_format(float(figure['value']))} {figure['unit']}",
        "goal": "" if figure["goal"] is None else f"{sign} {figure['goal']:g} {figure['unit']}",
        "verdict": "" if reached is None else "reached" if reached else "missed",
        "css": "" if reached is None else "reached" if reached else "missed",
    }


def _fill_table(table: dict[str, Any]) -> dict[str, Any]:
    numeric = _numeric_columns(table)
    columns = [{"name": name, "css": "number" if numeric[name] else "text"} for name in table["columns"]]
    rows = [[_format(cell) for cell in row] for row in table["rows"]]
    return {"title": table["title"], "columns": columns, "rows": rows, "bars": _list_bars(table)}


def _list_bars(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The chosen column as bars, named by the columns of text (and the whole numbers) before it."""
    if table["bars"] is None:
        return []
    at = table["columns"].index(table["bars"])
    longest = max(row[at] for row in table["rows"]) or 1
    return [
        {
            "name": " ".join(str(cell) for cell in row[:at] if not isinstance(cell, float)),
            "share": 100 * row[at] / longest,
            "text": _format(row[at]),
            "css": "main" if row[at] == longest else "",
        }
        for row in table["rows"]
    ]


def _numeric_columns(table: dict[str, Any]) -> dict[str, bool]:
    return {
        name: all(row[i] is None or isinstance(row[i], int | float) for row in table["rows"])
        for i, name in enumerate(table["columns"])
    }


def _format(value: Any) -> str:
    """A cell for people.

    >>> _format(1234567), _format(0.1234), _format(37.26), _format(None)
    ('1,234,567', '0.123', '37.3', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        size = abs(value)
        return (
            f"{value:,.0f}"
            if size >= 1000
            else f"{value:.1f}"
            if size >= 10
            else f"{value:.4g}"
            if size >= 0.99
            else f"{value:.3g}"
        )
    return f"{value:,}" if isinstance(value, int) else str(value)
