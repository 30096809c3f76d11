"""What things cost and what they buy, as points, with the Pareto front named: rows of a table in, a figure out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from egoact.report.figures import BLUE, GREY, ORANGE, VERMILION, new_figure, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, VERMILION, "#009E73", ORANGE, "#CC79A7", "#56B4E9", "#F0E442", GREY)
_MARKS = "osD^vP*X"


def draw_scatter(scatter: Mapping[str, Any], table: Mapping[str, Any]) -> "Figure":
    """A part for each cost, on a log scale; the front is filled, joined and named, all else is hollow.

    Args:
        scatter: Fields of `egoact.benchmarking.results.Scatter`.
        table: The table that it is of.
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


def _join_front(axis: "Axes", rows: list[dict[str, Any]], x: str, scatter: Mapping[str, Any]) -> None:
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


def _add_legend(axis: "Axes", colours: Mapping[str, Any], marks: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    def mark(label: str, colour: str = GREY, shape: str = "o", fill: Literal["full", "none"] = "full") -> Line2D:
        return Line2D([], [], color=colour, marker=shape, fillstyle=fill, linestyle="none", label=shorten(label))

    lines = [mark(name, colour) for name, colour in colours.items()]
    lines += [mark(name, shape=shape) for name, shape in marks.items()]
    lines.append(mark("beaten by another", fill="none"))
    axis.legend(handles=lines, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
