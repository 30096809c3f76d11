"""Figures 5 to 9 of the report: what layers look for, what they cost, and how far they see."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from egoact.report.explain import draw_grids, read_filters, read_grids
from egoact.report.figures import BLUE, GREY, ORANGE, VERMILION, Figure, new_figure, read_picture, set_title
from egoact.report.reproduction.files import Found, Reproduction, Table


def show_kernels(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 5."""
    folder = result.out / step["folder"]
    described = read_filters(folder)
    backbone = described["backbone"]
    kernels = pd.DataFrame(described["kernels"])
    ratios = kernels["response"] / kernels["best_frame_response"].clip(lower=1e-9)
    num_beaten = int((kernels["response"] > kernels["best_frame_response"]).sum())
    medians = kernels.groupby("block")[["response", "best_frame_response"]].median()
    rows = [[f"block {block}", f"{own:.2f}", f"{real:.2f}"] for block, (own, real) in medians.T.items()]
    note = (
        "Kernels of the packaged backbone, EfficientNet-Lite0, which needs no download; --backbone mobilenet_v2 looks "
        "into the report's."
    )
    grids = read_grids(folder, described, kind="kernel.png")
    return Found(
        f"{num_beaten} of {len(kernels)} painted pictures move their kernel more than any of {described['num_frames']} "
        f"frames of {result.data_name} ({np.median(ratios):.1f} times as much in the median); how complex they are is "
        "for the eye to judge.",
        [(partial(draw_grids, grids), f"What kernels of each block of {backbone} look for.")],
        [Table(["median response", "painted", "best frame"], rows)],
        note="" if backbone == "mobilenet_v2" else note,
    )


def show_base(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 6."""
    frames, maps, pooled = (" x ".join(map(str, step[part])) for part in ("frames", "maps", "pooled"))
    trained = "temporal subsystem and classifiers, trained (ConvNet1D)"
    rows = [
        ["20 frames", frames, ""],
        [f"{step['backbone']}, frozen", maps, f"{step['num_frozen_parameters']:,}"],
        ["global average pooling", pooled, "0"],
        [trained, "97 verbs and 300 nouns", f"{step['num_trained_parameters']:,}"],
    ]
    return Found(
        f"the same base, but its frozen part runs once and its {pooled} numbers a clip are kept, where the report's "
        "code ran it again in every epoch.",
        tables=[Table(["part", "what comes out", "parameters"], rows)],
    )


def show_pooling(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 7."""
    frame = read_picture(result.out / step["folder"] / "frame.jpg")
    draw = partial(draw_pooling, frame, step["map"], mean=step["mean"], channel=step["channel"])
    return Found(
        f"over all {np.prod(step['maps'][:2]):,} maps of a clip what the backbone gives and the mean differ by at most "
        f"{step['largest_error']:.0e}; the layer of that name in the report's code took the maximum.",
        [(draw, f"The strongest map of a frame of {result.data_name}, and what pooling makes of it.")],
    )


def draw_pooling(frame: np.ndarray, map_values: list[list[float]], *, mean: float, channel: int) -> Figure:
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
    for axis, title in {left: "a frame", middle: f"its map {channel}", right: "the mean"}.items():
        axis.axis("off")
        set_title(axis, title)
    return figure


def show_recurrent(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 8."""
    table = pd.DataFrame(step["rows"])
    counts = table.groupby(["outputs", "layer"])["num_parameters"].first()
    times = table.pivot_table(index=["outputs", "layer"], columns="sequence_length", values="milliseconds", sort=False)
    cells = [
        [f"{layer}, {outputs}", f"{counts[outputs, layer]:,}", *(f"{value:.1f}" for value in values)]
        for (outputs, layer), values in zip(times.index, times.to_numpy(), strict=True)
    ]
    slower = times[20][50, "ConvLSTM"] / times[20][50, "LSTM"]
    caption = "Time to answer on one sample, on a log scale; sequences of 1280 x 8 x 8, kernels 4 x 4, stride 4."
    return Found(
        f"the same sizes, {counts[50, 'LSTM']:,} and {counts[50, 'ConvLSTM']:,} parameters; for 20 frames ConvLSTM "
        f"takes {slower:.0f} times as long on one core of this CPU.",
        [(partial(draw_recurrent, table), caption)],
        [Table(["layer, outputs; ms for T =", "parameters", *map(str, times.columns)], cells)],
    )


def draw_recurrent(table: pd.DataFrame) -> Figure:
    """Figure 8: a panel for each number of outputs; time over sequence length, parameters in the legend."""
    outputs = sorted(table["outputs"].unique())
    figure = new_figure(3.1 * len(outputs), 3.0)
    axes = figure.subplots(1, len(outputs), sharey=True, squeeze=False)[0]
    for axis, count in zip(axes, outputs, strict=True):
        for layer, colour, marker in (("LSTM", BLUE, "o"), ("ConvLSTM", VERMILION, "s")):
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


def show_reach(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 9."""
    levels, num_frames = step["deep"], step["num_frames"]
    return Found(
        f"drawn from the layers of ConvNet1D, by their gradients: {len(levels)} levels until one output sees "
        f"{levels[-1]['reach']} of {num_frames} frames; the report's drawing is a sketch.",
        [(partial(draw_reach, num_frames, levels), "Grey: frames. Orange: what the first output takes.")],
    )


def draw_reach(num_frames: int, levels: list[dict[str, int]]) -> Figure:
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
        axis.scatter(places, np.full(length, height), s=18, color=GREY if height == 0 else BLUE, zorder=3)
        axis.text(num_frames + 0.4, height, f"sees {reach}", va="center", fontsize=7, color=GREY)
        if height:
            below = levels[height - 1][0]
            kernel = below - length + 1
            first = (num_frames - below) / 2
            for place in range(kernel):
                axis.plot([first + place, places[0]], [height - 1, height], color=ORANGE, linewidth=1.1)
    axis.set_xlim(-1, num_frames + 3.5)
    axis.axis("off")
