"""The tables and the page of `egoact compare`; reads what the stage wrote."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import TARGETS
from egoact.report.figures import BLUE, GREY, Figure, new_figure, save_picture, set_title, shorten
from egoact.report.page import (
    DASH,
    Bar,
    choose_gap,
    format_duration,
    format_number,
    format_range,
    print_table,
    write_page,
    written_by,
)
from egoact.report.timelines.timeline_comparison import write_timeline_comparison

_MEASURES = ("top1", "top5", "mean_class")
_FINDER_MEASURES = {"frame_accuracy": "frames", "edit": "edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50"}
_COSTS: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "num_trainable_parameters": ("parameters", "Trainable parameters", lambda value: f"{value:,}"),
    "training_seconds": ("epochs", "All epochs of training", format_duration),
    "inference_milliseconds": ("a clip", "One clip, from features to answer", lambda value: f"{value:.2f} ms"),
}


def write_report(settings: Any) -> None:
    """Print the tables, and write `comparison.html` and `comparison.png`."""
    path = settings.out / "comparison.json"
    comparison = read_json(path)
    if "timelines" in comparison:
        write_timeline_comparison(path, comparison["timelines"])
        return
    if "finders" in comparison:
        _write_finders(path, comparison["finders"])
        return
    with written_by("compare", path):
        models, reference = comparison["models"], comparison["reference"]
        sections = [section for target in TARGETS if (section := _section(models, target))["rows"]]
        _print_notes(models)
        _print_costs(models)
        for section in sections:
            _print_section(section, reference)
        page = write_page(
            path.with_suffix(".html"),
            "comparison",
            comparison=comparison,
            sections=sections,
            has_intervals=comparison["num_videos"] > 1,
            image=save_picture(path.with_suffix(".png"), partial(draw_intervals, models, reference=reference)),
            bars=[bars for key in _COSTS if (bars := _list_bars(models, key))["rows"]],
            has_unknown=any(model[key] is None for model in models for key in _COSTS),
        )
    print(f"see {page}")


def _print_notes(models: list[dict[str, Any]]) -> None:
    for model in models:
        for note in model["notes"]:
            print(f"{model['name']}: {note}")


def _print_costs(models: list[dict[str, Any]]) -> None:
    rows = []
    for model in models:
        costs = (DASH if model[key] is None else form(model[key]) for key, (_, _, form) in _COSTS.items())
        rows.append([model["name"], *costs])
    print_table({"model": "text"} | {name: "number" for name, _, _ in _COSTS.values()}, rows)


def _print_section(section: dict[str, Any], reference: str) -> None:
    gap = choose_gap()
    numbers = ("top-1 %", "top-5 %", "mean class %", f"against{gap}{reference}", "p (Holm)")
    rows = []
    for row in section["rows"]:
        cells = [gap.join((cell["value"], cell["range"])).strip() for cell in (*row["cells"], row["difference"])]
        rows.append([row["name"], *cells, row["p_holm"]])
    print_table({section["target"]: "text"} | dict.fromkeys(numbers, "number"), rows, is_tight=True)


def _section(models: list[dict[str, Any]], target: str) -> dict[str, Any]:
    """One target of all models that know it."""
    knowing = [model for model in models if target in model]
    best = max((model[target]["top1"]["value"] for model in knowing), default=None)
    return {"target": target, "rows": [_row(model["name"], model[target], best=best) for model in knowing]}


def _row(name: str, part: dict[str, Any], *, best: float | None) -> dict[str, Any]:
    row = {
        "name": name,
        "cells": [{"value": format_number(part[m]["value"]), "range": format_range(part[m])} for m in _MEASURES],
        "css": "main" if part["top1"]["value"] == best else "",
    }
    against = part.get("against")
    if against is None:
        return row | {"difference": {"value": DASH, "range": ""}} | dict.fromkeys(("pairs", "p", "p_holm"), DASH)
    return row | {
        "difference": {
            "value": format_number(against["difference"], sign="+"),
            "range": format_range(against, sign="+"),
        },
        "pairs": f"{against['num_only_this']} : {against['num_only_reference']}",
        "p": _probability(against["p"]),
        "p_holm": _probability(against["p_holm"]),
    }


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _list_bars(models: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """One cost of all models as bars, where their runs were found."""
    _, title, form = _COSTS[key]
    known = {model["name"]: model[key] for model in models if model[key] is not None}
    return {"title": title, "rows": [Bar(name, cost, form(cost)) for name, cost in known.items()]}


def draw_intervals(models: list[dict[str, Any]], *, reference: str) -> Figure:
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


def _draw_interval(axis: Any, row: int, top1: dict[str, float], *, is_reference: bool) -> None:
    colour = BLUE if is_reference else GREY
    if "low" in top1:
        axis.plot([top1["low"], top1["high"]], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
    axis.plot([top1["value"]], [row], "o", color=colour, markersize=6)
    if is_reference:
        axis.axvline(top1["value"], color=BLUE, linestyle=":", linewidth=1, zorder=0)


def _write_finders(path: Path, comparison: dict[str, Any]) -> None:
    """The same of models that find actions in recordings."""
    with written_by("compare", path):
        models, reference = comparison["models"], comparison["reference"]
        _print_notes(models)
        sections = [
            {"target": target, "rows": [_finder_row(model, target) for model in models]}
            for target in comparison["targets"]
        ]
        for section in sections:
            _print_finders(section, reference)
        page = write_page(
            path.with_suffix(".html"),
            "model_timelines",
            comparison=comparison,
            sections=sections,
            titles=_FINDER_MEASURES,
        )
    print(f"see {page}")


def _finder_row(model: dict[str, Any], target: str) -> dict[str, Any]:
    size = model["num_parameters"]
    return {
        "name": model["name"],
        "segmenter": model["segmenter"] or DASH,
        "size": DASH if size is None else f"{size:,}",
        "cells": [_finder_cell(model[target][measure]) for measure in _FINDER_MEASURES],
    }


def _finder_cell(part: dict[str, Any]) -> dict[str, str]:
    cell = {"value": format_number(part["value"]), "range": format_range(part), "difference": "", "p": ""}
    if (against := part.get("against")) is not None:
        difference = f"{against['difference']:+.1f} {format_range(against, sign='+')}".strip()
        cell |= {"difference": difference, "p": f"{against['p_holm']:.3f}"}
    return cell


def _print_finders(section: dict[str, Any], reference: str) -> None:
    gap, titles = choose_gap(), _FINDER_MEASURES.values()
    rows = [
        [row["name"], *(gap.join((cell["value"], cell["range"])).strip() for cell in row["cells"])]
        for row in section["rows"]
    ]
    print_table({section["target"]: "text"} | dict.fromkeys(titles, "number"), rows, is_tight=True)
    for row in section["rows"]:
        cells = row["cells"]
        if any(cell["difference"] for cell in cells):
            told = [f"{title} {cell['difference']} (p {cell['p']})" for title, cell in zip(titles, cells, strict=True)]
            print(f"{row['name']} against {reference}: {', '.join(told)}")
