"""The tables and the page of `egoact compare`; reads what the stage wrote.

Pictures of a comparison: numbers in, matplotlib figures out.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import TARGETS
from egoact.report.page import (
    ACCENT,
    QUIET,
    HasOut,
    fill_template,
    format_duration,
    inline_picture,
    new_figure,
    render_png,
    scale_bars,
    set_title,
    shorten,
    write_page,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PAGE_NAME = "comparison.html"
DASH = "–"
_MEASURES = ("top1", "top5", "mean_class")
_COSTS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "num_trainable_parameters": ("Trainable parameters", lambda value: f"{value:,}"),
    "training_seconds": ("Training", format_duration),
    "inference_milliseconds": ("One clip, from features to answer", lambda value: f"{value:.2f} ms"),
}


def write_report(settings: HasOut) -> None:
    """Print the tables, and write `comparison.html` and `comparison.png`.

    Raises:
        ArtifactError: `comparison.json` is missing or damaged.
    """
    comparison = read_json(settings.out / "comparison.json")
    try:
        sections = [section for target in TARGETS if (section := _section(comparison, target)) is not None]
        costs = [_list_costs(model) for model in comparison["models"]]
        print_tables(comparison, sections, costs)
        write_page(settings.out / PAGE_NAME, _fill_page(settings.out, comparison, sections, costs))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"not what egoact compare writes ({error!r}); run it again"
        raise ArtifactError(reason, path=settings.out / "comparison.json") from None
    print(f"see {settings.out / PAGE_NAME}")


def print_tables(comparison: dict[str, Any], sections: list[dict[str, Any]], costs: list[dict[str, str]]) -> None:
    """The same on a terminal: what the models cost, then a table a target."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file has no edge to break lines at
    gap = " " if console.width >= 120 else "\n"
    table = Table("model", box=box.SIMPLE_HEAD)
    for name in ("parameters", "training", "a clip"):
        table.add_column(name, justify="right")
    for cost in costs:
        table.add_row(Text(cost["name"]), *(cost[key] for key in _COSTS))
    console.print(table)
    for section in sections:
        table = Table(section["target"], box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.columns[0].overflow = "fold"
        for name in ("top-1 %", "top-5 %", "mean class %", f"against{gap}{comparison['reference']}", "p (Holm)"):
            table.add_column(Text(name), justify="right", no_wrap=True)
        for row in section["rows"]:
            cells = [(cell["value"], cell["range"]) for cell in row["cells"]]
            numbers = [gap.join(cell).strip() for cell in (*cells, (row["difference"], row["range"]))]
            table.add_row(Text(row["name"]), *map(Text, numbers), row["p_holm"])
        console.print(table)


def _section(comparison: dict[str, Any], target: str) -> dict[str, Any] | None:
    """One target of all models that know it."""
    models = [model for model in comparison["models"] if target in model]
    if not models:
        return None
    best = max(model[target]["top1"]["value"] for model in models)
    return {"target": target, "rows": [_row(model, target, best=best) for model in models]}


def _row(model: dict[str, Any], target: str, *, best: float) -> dict[str, Any]:
    part, against = model[target], model[target].get("against")
    row = {
        "name": model["name"],
        "cells": [{"value": f"{part[m]['value']:.1f}", "range": _range(part[m])} for m in _MEASURES],
        "css": "main" if part["top1"]["value"] == best else "",
    }
    if against is None:
        return row | {"difference": DASH, "range": "", "pairs": DASH, "p": DASH, "p_holm": DASH}
    return row | {
        "difference": f"{against['difference']:+.1f}",
        "range": _range(against, sign="+"),
        "pairs": f"{against['num_only_this']} : {against['num_only_reference']}",
        "p": _probability(against["p"]),
        "p_holm": _probability(against["p_holm"]),
    }


def _range(part: dict[str, float], *, sign: str = "") -> str:
    return f"[{part['low']:{sign}.1f}, {part['high']:{sign}.1f}]" if "low" in part else ""


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _list_costs(model: dict[str, Any]) -> dict[str, str]:
    shown = {key: DASH if model[key] is None else form(model[key]) for key, (_, form) in _COSTS.items()}
    return {"name": model["name"], "head": model["head"] or ""} | shown


def _list_bars(models: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """One cost of all models as bars; None where no run was found."""
    title, form = _COSTS[key]
    known = {model["name"]: model[key] for model in models if model[key] is not None}
    return {"title": title, "rows": scale_bars(known, form)} if known else None


def _fill_page(out: Path, comparison: dict[str, Any], sections: list[dict[str, Any]], costs: list[Any]) -> str:
    models = comparison["models"]
    image = render_png(partial(draw_intervals, models, reference=comparison["reference"]))
    (out / "comparison.png").write_bytes(image)
    return fill_template(
        "comparison",
        comparison=comparison,
        sections=sections,
        has_intervals=comparison["num_videos"] > 1,
        image=inline_picture(image),
        bars=[bars for key in _COSTS if (bars := _list_bars(models, key)) is not None],
        has_unknown=any(DASH in cost.values() for cost in costs),
    )


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
