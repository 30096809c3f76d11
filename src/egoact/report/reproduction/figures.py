"""Pictures of `egoact reproduce` that no other page has: numbers in, matplotlib figures out."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from egoact.report.page import ACCENT, LINE_COLOUR, QUIET, SECOND_COLOUR, new_figure, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STORED_LINES = {
    "float32": (LINE_COLOUR, "-"),
    "float32 compressed": (LINE_COLOUR, "--"),
    "uint8": (ACCENT, "-"),
    "uint8 compressed": (ACCENT, "--"),
}


def draw_recurrent(rows: list[dict[str, Any]]) -> "Figure":
    """Figure 8: a panel for each number of outputs; time over sequence length, parameters in the legend."""
    table = pd.DataFrame(rows)
    outputs = sorted(table["outputs"].unique())
    figure = new_figure(3.1 * len(outputs), 3.0)
    axes = figure.subplots(1, len(outputs), sharey=True, squeeze=False)[0]
    for axis, count in zip(axes, outputs, strict=True):
        for layer, colour, marker in (("LSTM", ACCENT, "o"), ("ConvLSTM", LINE_COLOUR, "s")):
            part = table[(table["layer"] == layer) & (table["outputs"] == count)]
            millions = part["num_parameters"].iloc[0] / 1e6
            label = f"{layer}, {millions:.2f} M"
            axis.plot(part["sequence_length"], part["milliseconds"], color=colour, marker=marker, label=label)
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_xlabel("sequence length")
        axis.legend(loc="upper left", fontsize=8)
        set_title(axis, f"{count} outputs")
    axes[0].set_ylabel("milliseconds a sample")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high * 6)  # room for the legends
    return figure


def draw_pooling(frame: np.ndarray, map_values: list[list[float]], *, mean: float, channel: int) -> "Figure":
    """Figure 7: a frame, one of its maps with its numbers, and their mean."""
    figure = new_figure(9.6, 3.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1, 0.45])
    values = np.array(map_values)
    left.imshow(frame)
    middle.imshow(values, cmap="cividis")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value < 0.6 * values.max() else "black"
        middle.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=7, color=colour)
    right.imshow([[mean]], cmap="cividis", vmin=values.min(), vmax=values.max())
    right.text(0, 0, f"{mean:.3f}", ha="center", va="center", color="white", fontsize=12)
    titles = ("a frame", f"its map {channel}", "the mean")
    for axis, title in zip((left, middle, right), titles, strict=True):
        axis.axis("off")
        set_title(axis, title)
    return figure


def draw_reach(num_frames: int, levels: list[dict[str, int]]) -> "Figure":
    """Figure 9: one convolution over all frames, and many small ones; dots are outputs, lines what one of them sees."""
    figure = new_figure(10.5, 3.8)
    flat, deep = figure.subplots(1, 2, width_ratios=[1, 1.6])
    _draw_levels(flat, [(num_frames, 1), (1, num_frames)])
    set_title(flat, "one level")
    _draw_levels(deep, [(num_frames, 1), *((level["length"], level["reach"]) for level in levels)])
    set_title(deep, f"{len(levels)} levels")
    return figure


def _draw_levels(axis: Any, levels: list[tuple[int, int]]) -> None:
    num_frames = levels[0][0]
    for height, (length, reach) in enumerate(levels):
        places = np.arange(length) + (num_frames - length) / 2
        axis.scatter(places, np.full(length, height), s=18, color=QUIET if height == 0 else ACCENT, zorder=3)
        axis.text(num_frames + 0.4, height, f"sees {reach}", va="center", fontsize=7, color=QUIET)
        if height:
            below = levels[height - 1][0]
            kernel = below - length + 1
            first = (num_frames - below) / 2
            for place in range(kernel):
                axis.plot([first + place, places[0]], [height - 1, height], color=SECOND_COLOUR, linewidth=1.1)
    axis.set_xlim(-1, num_frames + 3.5)
    axis.axis("off")


def draw_storage(table: pd.DataFrame) -> "Figure":
    """Figure 19: MB on disk and in memory, and seconds to load, over the number of clips."""
    figure = new_figure(11.4, 3.5)
    panels = {"MB on disk": "On disk, MB", "MB in memory": "In memory, MB", "s to load": "To load, s"}
    for axis, (column, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name, (colour, style) in _STORED_LINES.items():
            part = table[table["format"] == name]
            axis.plot(part["clips"], part[column], color=colour, linestyle=style, marker="o", label=name)
        axis.set_ylim(bottom=0)
        axis.set_xticks(sorted(table["clips"].unique()))
        axis.set_xlabel("clips")
        set_title(axis, title)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=len(_STORED_LINES))
    return figure


def draw_pictures(pictures: list[np.ndarray]) -> "Figure":
    """Pictures of one size in rows of four."""
    rows = -(-len(pictures) // 4)
    figure = new_figure(12, 2.3 * rows)
    for axis in (axes := figure.subplots(rows, 4, squeeze=False).ravel()):
        axis.axis("off")
    for axis, picture in zip(axes, pictures, strict=False):
        axis.imshow(picture)
    return figure
