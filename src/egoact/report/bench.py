"""The tables and the page of `egoact bench`; reads what the stage wrote."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from egoact.core.files import read_json
from egoact.report.figures import BLUE, GREY, ORANGE, VERMILION, Figure, new_figure, save_picture, shorten
from egoact.report.page import Bar, print_table, show, write_page, written_by

_COLOURS = (BLUE, VERMILION, "#009E73", ORANGE, "#CC79A7", "#56B4E9", "#F0E442", GREY)
_MARKS = "osD^vP*X"


def write_report(settings: Any) -> None:
    """Print the tables of `WHAT.json` in `settings.out`, where `settings.what` is WHAT, and write `WHAT.html`."""
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


def draw_scatter(scatter: Mapping[str, Any], table: Mapping[str, Any]) -> Figure:
    """A part for each cost of a table, on a log scale; the front is filled, joined and named, all else is hollow.

    `scatter` has the fields of `egoact.benchmarking.results.Scatter`.
    """
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    colours = _assign([row[scatter["group"]] for row in rows], _COLOURS)
    marks = _assign([row[scatter["mark"]] for row in rows], _MARKS)
    figure = new_figure(5.2 * len(scatter["xs"]), 4.6)
    axes = figure.subplots(1, len(scatter["xs"]), sharey=True, squeeze=False)[0]
    for axis, x in zip(axes, scatter["xs"], strict=True):
        for row in rows:
            colour = colours[row[scatter["group"]]]
            axis.scatter(
                row[x],
                row[scatter["y"]],
                s=46,
                marker=marks[row[scatter["mark"]]],
                edgecolors=colour,
                facecolors=colour if row[scatter["best"]] else "none",
                zorder=3,
            )
        _join_front(axis, rows, x, scatter)
        axis.set_xlabel(x)
    axes[0].set_ylabel(scatter["y"])
    _add_legend(axes[-1], colours, marks)
    return figure


def _assign(values: list[str], choices: Any) -> dict[str, Any]:
    return {value: choices[i % len(choices)] for i, value in enumerate(dict.fromkeys(values))}


def _join_front(axis: Any, rows: list[dict[str, Any]], x: str, scatter: Mapping[str, Any]) -> None:
    """The steps of the best that each cost buys, with names where a step goes up."""
    from matplotlib.ticker import LogLocator, NullFormatter

    y = scatter["y"]
    steps: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: (row[x], -row[y])):
        if not steps or row[y] > steps[-1][y]:
            steps.append(row)
    most = max(row[x] for row in rows)
    axis.step([*(row[x] for row in steps), most], [*(row[y] for row in steps), steps[-1][y]], where="post", color=GREY)
    for row in steps:
        name = shorten(" ".join(str(row[column]) for column in scatter["name"]), most=34)
        axis.annotate(name, (row[x], row[y]), xytext=(4, 6), textcoords="offset points", fontsize=7)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def _add_legend(axis: Any, colours: Mapping[str, Any], marks: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    def mark(label: str, colour: str = GREY, shape: str = "o", fill: Literal["full", "none"] = "full") -> Line2D:
        return Line2D([], [], color=colour, marker=shape, fillstyle=fill, linestyle="none", label=shorten(label))

    lines = [mark(name, colour) for name, colour in colours.items()]
    lines += [mark(name, shape=shape) for name, shape in marks.items()]
    lines.append(mark("beaten by another", fill="none"))
    axis.legend(handles=lines, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
