"""Pictures of an evaluation: confusion matrices and learning curves; numbers in, matplotlib figures out."""

from typing import Any

import numpy as np
import pandas as pd

from egoact.report.evaluation.confusions import ShownMatrix
from egoact.report.figures import BLUE, GREY, ORANGE, VERMILION, Figure, new_figure, separate_cells, set_title, shorten

MOST_NUMBERED = 32
_ONE_COLOUR = ("#ffffff", "#cfe3f1", "#7db8dc", BLUE, "#003f63")
_CURVES = {
    "validation_verb_top1": ("verb", BLUE, "-"),
    "validation_noun_top1": ("noun", ORANGE, "--"),
    "validation_top1": ("all targets right", GREY, ":"),
}


def draw_confusion(matrix: ShownMatrix, *, target: str) -> Figure:
    """A confusion matrix in percent of its rows; with its numbers up to `MOST_NUMBERED` classes."""
    from matplotlib.colors import LinearSegmentedColormap

    num_classes = len(matrix.names)
    is_numbered = num_classes <= MOST_NUMBERED
    cell = 0.36 if is_numbered else 0.19
    figure = new_figure(max(4.2, 1.7 + cell * num_classes), max(3.6, 1.5 + cell * num_classes))
    axis = figure.subplots()
    colours = LinearSegmentedColormap.from_list("one", _ONE_COLOUR).with_extremes(bad="#f0f0f0")
    percent = matrix.percent
    image = axis.imshow(np.ma.masked_invalid(percent), cmap=colours, vmin=0, vmax=100, aspect="equal")
    totals = matrix.counts.sum(axis=1)
    names = [shorten(name, most=18) for name in matrix.names]
    size = 8.5 if is_numbered else 6.5
    axis.set_xticks(range(num_classes), names, rotation=90, fontsize=size)
    axis.set_yticks(range(num_classes), [f"{n}  {t:,}" for n, t in zip(names, totals, strict=True)], fontsize=size)
    axis.set_xlabel("the model's answer")
    axis.set_ylabel(f"true {target}, with its number of segments")
    separate_cells(axis, percent.shape, color="#e4e7ea", linewidth=0.6)
    axis.spines[:].set_visible(False)
    if is_numbered:
        _write_numbers(axis, percent)
    else:
        figure.colorbar(image, ax=axis, label="% of the true class", shrink=0.5, pad=0.02, use_gridspec=False)
    return figure


def draw_learning_curves(history: pd.DataFrame) -> Figure:
    """Loss and validation accuracy over the epochs; the accuracy only where there was validation."""
    scored = [column for column in _CURVES if column in history and history[column].notna().any()]
    if len(scored) == 2:  # of one target, which is all of them
        scored = [column for column in scored if column != "validation_top1"]
    figure = new_figure(9.2 if scored else 5.0, 3.1)
    axes = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    epochs = history["epoch"] + 1
    axes[0].plot(epochs, history["train_loss"], color=BLUE, label="training")
    if "validation_loss" in history:
        axes[0].plot(epochs, history["validation_loss"], color=VERMILION, linestyle="--", label="validation")
        axes[0].legend()
    set_title(axes[0], "Loss")
    axes[0].set_ylim(bottom=0)
    for column in scored:
        name, colour, style = _CURVES[column]
        axes[1].plot(epochs, history[column], color=colour, linestyle=style, label=name)
    if scored:
        axes[1].set_ylim(0, 101)
        axes[1].legend(loc="best")
        set_title(axes[1], "Validation top-1, %")
    for axis in axes:
        finish_epochs(axis, len(history))
    return figure


def finish_epochs(axis: Any, num_epochs: int) -> None:
    """An x axis that counts epochs; the points of a single epoch are made visible."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axis.margins(x=0.01)
    if num_epochs == 1:
        for line in axis.get_lines():
            line.set_marker("o")


def _write_numbers(axis: Any, percent: "np.ndarray") -> None:
    style = {"ha": "center", "va": "center", "fontsize": 8}
    for (row, column), value in np.ndenumerate(percent):
        if value >= 0.5:
            bold = "bold" if row == column else "normal"
            colour = "white" if value > 55 else "#1b1b1b"
            text = axis.text(column, row, f"{value:.0f}", color=colour, weight=bold, **style)
            text.set_in_layout(False)  # it lies within its cell
