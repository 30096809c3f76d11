"""Figures 5 to 9 of `egoact reproduce`: what layers look for, what they cost, and how far they see."""

from functools import partial

import numpy as np
import pandas as pd

from egoact.report.explain_filters import draw_grids, read_filters, read_grids
from egoact.report.reproduction.figures import draw_pooling, draw_reach, draw_recurrent
from egoact.report.reproduction.files import Reproduction, read_picture
from egoact.report.reproduction.item import Item, ItemTable


def show_kernels(result: Reproduction) -> Item:
    """Figure 5."""
    folder = result.out / result.steps["figure_05"]["folder"]
    described = read_filters(folder)
    kernels = pd.DataFrame(described["kernels"])
    ratios = kernels["response"] / kernels["best_frame_response"].clip(lower=1e-9)
    num_beaten = int((kernels["response"] > kernels["best_frame_response"]).sum())
    medians = kernels.groupby("block")[["response", "best_frame_response"]].median()
    rows = [[f"block {block}", f"{own:.2f}", f"{real:.2f}"] for block, (own, real) in medians.T.items()]
    is_reports = described["backbone"] == "mobilenet_v2"
    return Item(
        "figure_5",
        "Figure 5: kernels of MobileNetV2",
        "block 1 has edge detectors and fine patterns, block 4 combinations of them, blocks 8 and 12 far more complex "
        "features.",
        f"{num_beaten} of {len(kernels)} painted pictures move their kernel more than any of {described['num_frames']} "
        f"frames of {result.data_name} ({np.median(ratios):.1f} times as much in the median); how complex they are is "
        "for the eye to judge.",
        ("figure_05",),
        [
            (
                lambda: draw_grids(read_grids(folder, described, kind="kernel")),
                f"What kernels of each block of {described['backbone']} look for.",
            )
        ],
        [ItemTable(["median response", "painted", "best frame"], rows)],
        note=""
        if is_reports
        else "Kernels of the packaged backbone, EfficientNet-Lite0, which needs no download; --backbone mobilenet_v2 "
        "looks into the report's.",
    )


def show_base(result: Reproduction) -> Item:
    """Figure 6."""
    base = result.steps["figures_06_07"]
    rows = [
        ["20 frames", _shape(base["frames"]), ""],
        [f"{base['backbone']}, frozen", _shape(base["maps"]), f"{base['num_frozen_parameters']:,}"],
        ["global average pooling", _shape(base["pooled"]), "0"],
        [
            "temporal subsystem and classifiers, trained (ConvNet1D)",
            "97 verbs and 300 nouns",
            f"{base['num_trained_parameters']:,}",
        ],
    ]
    return Item(
        "figure_6",
        "Figure 6: the common base",
        "20 evenly spaced frames through a frozen MobileNetV2, a temporal subsystem, and one fully connected layer "
        "each for verb and noun.",
        f"the same base, but its frozen part runs once and its {_shape(base['pooled'])} numbers a clip are kept, where "
        "the report's code ran it again in every epoch.",
        ("figures_06_07",),
        tables=[ItemTable(["part", "what comes out", "parameters"], rows)],
    )


def show_pooling(result: Reproduction) -> Item:
    """Figure 7."""
    base = result.steps["figures_06_07"]
    frame = read_picture(result.out / base["folder"] / "frame.jpg")
    return Item(
        "figure_7",
        "Figure 7: global average pooling",
        "a filter as large as the map takes the mean of it.",
        f"over all {np.prod(base['maps'][:2]):,} maps of a clip what the backbone gives and the mean differ by at most "
        f"{base['largest_error']:.0e}; the layer of that name in the report's code took the maximum.",
        ("figures_06_07",),
        [
            (
                partial(draw_pooling, frame, base["map"], mean=base["mean"], channel=base["channel"]),
                f"The strongest map of a frame of {result.data_name}, and what pooling makes of it.",
            )
        ],
    )


def show_recurrent(result: Reproduction) -> Item:
    """Figure 8."""
    rows = result.steps["figure_08"]["rows"]
    table = pd.DataFrame(rows)
    counts = table.groupby(["outputs", "layer"])["num_parameters"].first()
    times = table.pivot_table(index=["outputs", "layer"], columns="sequence_length", values="milliseconds", sort=False)
    cells = [
        [f"{layer}, {outputs}", f"{counts[outputs, layer]:,}", *(f"{value:.1f}" for value in values)]
        for (outputs, layer), values in zip(times.index, times.to_numpy(), strict=True)
    ]
    at_20 = {row["layer"]: row["milliseconds"] for row in rows if row["outputs"] == 50 and row["sequence_length"] == 20}
    slower = at_20["ConvLSTM"] / at_20["LSTM"]
    return Item(
        "figure_8",
        "Figure 8: LSTM against ConvLSTM",
        "with 50 outputs LSTM has 266K parameters and ConvLSTM 4.2M; the advantage of ConvLSTM is soon outweighed by "
        "time and size (measured on a Tesla K80).",
        f"the same sizes, {counts[50, 'LSTM']:,} and {counts[50, 'ConvLSTM']:,} parameters; for 20 frames ConvLSTM "
        f"takes {slower:.0f} times as long on one core of this CPU.",
        ("figure_08",),
        [
            (
                partial(draw_recurrent, rows),
                "Time to answer on one sample, on a log scale; sequences of 1280 x 8 x 8, kernels 4 x 4, stride 4.",
            )
        ],
        [ItemTable(["layer, outputs; ms for T =", "parameters", *map(str, times.columns)], cells)],
    )


def show_reach(result: Reproduction) -> Item:
    """Figure 9."""
    step = result.steps["figure_09"]
    last = step["deep"][-1]
    return Item(
        "figure_9",
        "Figure 9: temporal convolutions of different depth",
        "one convolution over the whole sequence, or a hierarchy of small ones.",
        f"drawn from the layers of ConvNet1D, by their gradients: {len(step['deep'])} levels until one output sees "
        f"{last['reach']} of {step['num_frames']} frames; the report's drawing is a sketch.",
        ("figure_09",),
        [(partial(draw_reach, step["num_frames"], step["deep"]), "Grey: frames. Orange: what the first output takes.")],
    )


def _shape(sizes: list[int]) -> str:
    return " x ".join(str(size) for size in sizes)
