"""Pictures of a comparison: numbers in, matplotlib figures out."""

from typing import TYPE_CHECKING, Any

from egoact.core.evaluation_files import TARGETS
from egoact.report.page import ACCENT, QUIET, new_figure, set_title, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_intervals(models: list[dict[str, Any]], *, reference: str) -> "Figure":
    """Top-1 of every model with its interval, a panel a target; the dotted line is the reference's."""
    targets = [target for target in TARGETS if any(target in model for model in models)]
    figure = new_figure(max(5.0, 1.4 + 3.3 * len(targets)), 0.9 + 0.34 * len(models))
    axes = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
    for axis, target in zip(axes, targets, strict=True):
        for row, model in enumerate(models):
            if target in model:
                _draw_interval(axis, row, model[target]["top1"], is_reference=model["name"] == reference)
        set_title(axis, f"{target.capitalize()} top-1, %")
        axis.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(models)), [shorten(model["name"], most=32) for model in models])
    axes[0].set_ylim(len(models) - 0.4, -0.6)
    return figure


def _draw_interval(axis: "Axes", row: int, top1: dict[str, float], *, is_reference: bool) -> None:
    colour = ACCENT if is_reference else QUIET
    if "low" in top1:
        axis.plot([top1["low"], top1["high"]], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
    axis.plot([top1["value"]], [row], "o", color=colour, markersize=6)
    if is_reference:
        axis.axvline(top1["value"], color=ACCENT, linestyle=":", linewidth=1, zorder=0)
