"""Pictures of class distributions, durations, co-occurrence and participants: tables in, matplotlib figures out."""

from typing import Any

import numpy as np
import pandas as pd

from egoact.report.figures import BLUE, GREY, ORANGE, VERMILION, Figure, new_figure, separate_cells, set_title, shorten

_CLASSES_PER_ROW = 80
_MOST_ROWS = 6
_HEAD_PERCENT = 80.0


def draw_classes(classes: pd.DataFrame, *, plural: str) -> Figure:
    """Every class that occurs as a bar, the most frequent first, on a log scale; rows of equal length.

    The tail is what the head classes, with 80 % of the segments, leave; or the listed tail where there is a list.
    """
    seen = classes[classes["num_segments"] > 0]
    num_rows = min(_MOST_ROWS, -(-len(seen) // _CLASSES_PER_ROW))
    width = min(_CLASSES_PER_ROW, -(-len(seen) // num_rows))
    figure = new_figure(max(7.0, 1.6 + 0.135 * width), 0.9 + 2.7 * num_rows)
    axes = figure.subplots(num_rows, 1, squeeze=False, sharey=True)[:, 0]
    colours = np.where(is_tail(seen), ORANGE, BLUE)
    for first, axis in zip(range(0, len(seen), width), axes, strict=False):
        part = seen[first : first + width]
        ranks = np.arange(first, first + len(part))
        axis.bar(ranks, part["num_segments"] - 0.5, bottom=0.5, color=colours[ranks], width=0.8)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(_format_count)
        axis.set_ylim(0.7, seen["num_segments"].max() * 1.6)
        axis.set_ylabel("segments")
        axis.set_xticks(ranks, list(map(shorten, part["name"])), rotation=90, fontsize=7)
        axis.set_xlim(first - 0.8, first + width - 0.2)
        axis.grid(axis="x", visible=False)
    hidden = len(seen) - num_rows * width
    more = f"; {hidden} rarer ones are in the table" if hidden > 0 else ""
    set_title(axes[0], f"{len(seen)} of {len(classes)} {plural} occur{more}")
    _add_legend(axes[0], "in_tail_list" in classes, plural)
    return figure


def draw_categories(categories: pd.DataFrame, *, title: str) -> Figure:
    """Categories as horizontal bars on a log scale, with their counts and shares."""
    rows = categories[::-1]
    counts = rows["num_segments"].to_numpy()
    figure = new_figure(8.0, 1.1 + 0.3 * len(rows))
    axis = figure.subplots()
    axis.barh(range(len(rows)), np.maximum(counts, 0.5), color=BLUE, height=0.72, left=0)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(_format_count)
    axis.set_xlim(0.7, max(10, counts.max() * 4))
    axis.set_ylim(-0.6, len(rows) - 0.4)
    axis.set_yticks(range(len(rows)), rows["name"])
    for position, (count, percent) in enumerate(zip(counts, rows["percent"], strict=True)):
        axis.text(max(count, 0.7) * 1.08, position, f"{count:,}  ({percent:.1f} %)", va="center", color=GREY)
    axis.set_xlabel("segments")
    axis.grid(axis="y", visible=False)
    set_title(axis, title)
    return figure


def draw_durations(durations: pd.DataFrame, *, median_seconds: float) -> Figure:
    """How long segments last, on a log time scale."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    figure = new_figure(8.0, 3.4)
    axis = figure.subplots()
    starts, stops = durations["start_seconds"], durations["stop_seconds"]
    axis.bar(starts, durations["num_segments"], width=stops - starts, align="edge", color=BLUE, edgecolor="white")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:g} s")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.axvline(median_seconds, color=VERMILION, linewidth=2)
    axis.annotate(
        f"median {median_seconds:.2f} s",
        (median_seconds, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(6, -12),
        textcoords="offset points",
        color=VERMILION,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
    axis.set_xlabel("duration of a segment")
    axis.set_ylabel("segments")
    set_title(axis, "How long actions last")
    return figure


def draw_pairs(pairs: pd.DataFrame) -> Figure:
    """How often the most frequent verbs and nouns occur together; white where they never do."""
    import matplotlib
    from matplotlib.colors import LogNorm

    verbs, nouns = _most_frequent(pairs, "verb", 25), _most_frequent(pairs, "noun", 40)
    table = pairs.pivot_table(index="verb", columns="noun", values="num_segments", aggfunc="sum", sort=False)
    counts = table.reindex(index=verbs, columns=nouns).to_numpy(dtype=float)
    figure = new_figure(max(5.0, 2.8 + 0.24 * len(nouns)), max(4.0, 1.9 + 0.24 * len(verbs)))
    axis = figure.subplots()
    colours = matplotlib.colormaps["cividis_r"].with_extremes(bad="white")
    norm = LogNorm(vmin=1, vmax=max(2.0, float(np.nanmax(counts))))
    image = axis.imshow(np.ma.masked_invalid(counts), cmap=colours, norm=norm, aspect="equal")
    axis.set_xticks(range(len(nouns)), list(map(shorten, nouns)), rotation=90)
    axis.set_yticks(range(len(verbs)), list(map(shorten, verbs)))
    separate_cells(axis, counts.shape, color="#e4e4e4", linewidth=0.5)
    figure.colorbar(image, ax=axis, label="segments", shrink=0.7, format="{x:g}", pad=0.02, use_gridspec=False)
    set_title(axis, f"The {len(verbs)} most frequent verbs with the {len(nouns)} most frequent nouns")
    return figure


def draw_participants(participants: pd.DataFrame) -> Figure:
    """Segments and labelled minutes of each participant."""
    from matplotlib.ticker import MaxNLocator

    names = participants["participant_id"].astype(str)
    figure = new_figure(max(7.0, 1.6 + 0.24 * len(names)), 4.2)
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.bar(range(len(names)), participants["num_segments"], color=BLUE, width=0.75)
    bottom.bar(range(len(names)), participants["labelled_seconds"] / 60, color=ORANGE, width=0.75)
    top.set_ylabel("segments")
    bottom.set_ylabel("labelled minutes")
    bottom.set_xticks(range(len(names)), names, rotation=90 if len(names) > 12 else 0)
    bottom.set_xlim(-0.8, max(len(names), 10) - 0.2)
    for axis in (top, bottom):
        axis.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=axis is top))
        axis.grid(axis="x", visible=False)
    set_title(top, "Who recorded how much")
    return figure


def is_tail(classes: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Which classes, sorted by frequency, are drawn as tail."""
    if "in_tail_list" in classes:
        return classes["in_tail_list"].to_numpy(dtype=bool)
    before = classes["cumulative_percent"] - classes["percent"]
    return (before >= _HEAD_PERCENT - 1e-9).to_numpy()


def _add_legend(axis: Any, listed: bool, plural: str) -> None:
    from matplotlib.patches import Patch

    head = f"other {plural}" if listed else f"with {_HEAD_PERCENT:.0f} % of the segments"
    tail = "listed as tail" if listed else "the tail: all others"
    axis.legend(handles=[Patch(color=BLUE, label=head), Patch(color=ORANGE, label=tail)], loc="upper right")


def _most_frequent(pairs: pd.DataFrame, column: str, most: int) -> list[str]:
    counts = pairs.groupby(column, sort=False)["num_segments"].sum()
    return [str(name) for name in counts.sort_values(ascending=False, kind="stable").index[:most]]


def _format_count(count: float, _: Any) -> str:
    return f"{count:,.0f}" if count >= 1 else ""
