"""The page of `egoact tune`: what was tried, what mattered, and the command to go on with. Reads files only.

Pictures of a search: trials in, matplotlib figures out.
"""

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.report.page import (
    ACCENT,
    LINE_COLOUR,
    QUIET,
    HasOut,
    fill_template,
    inline_picture,
    new_figure,
    plain_name,
    render_png,
    set_title,
    shorten,
    write_page,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PAGE_NAME = "tune.html"
_MEASURES = {"top1": "top-1", "mean_class": "mean-class"}
_OWN_COLUMNS = ("trial", "state", "seconds")


def write_report(settings: HasOut) -> None:
    """Write `tune.html` and its pictures beside what `egoact tune` wrote.

    Raises:
        ArtifactError: A file that is missing or damaged.
    """
    plan, best, importances = (read_json(settings.out / f"{name}.json") for name in ("tune", "best", "importances"))
    try:
        trials = pd.read_csv(settings.out / "trials.csv", keep_default_na=True, dtype={"head_options": str})
        page = _fill_page(settings.out, plan, best, importances, trials)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"not what egoact tune writes ({error!r}); run it again", path=settings.out) from None
    write_page(settings.out / PAGE_NAME, page)
    print(f"see {settings.out / PAGE_NAME}")


def _fill_page(
    out: Path, plan: dict[str, Any], best: dict[str, Any], importances: dict[str, float], trials: pd.DataFrame
) -> str:
    objective = best["objective"]
    flags = [name for name in map(str, trials) if name not in _OWN_COLUMNS and not _is_result(name, objective)]
    values = trials.rename(columns={objective: "value"})
    draws = {"trials": partial(draw_trials, values, title=_title(objective))}
    if importances:
        draws["importances"] = partial(draw_importances, importances)
    varied = [name for name in flags if values[name].nunique(dropna=False) > 1 and name != "head_options"]
    if varied:
        draws["slices"] = partial(draw_slices, values, varied, title=_title(objective))
    images = {name: render_png(draw) for name, draw in draws.items()}
    for name, image in images.items():
        (out / f"{name}.png").write_bytes(image)
    counts = trials["state"].value_counts()
    return fill_template(
        "tuning",
        plan=plan,
        best=best,
        title=_title(objective),
        images={name: inline_picture(image) for name, image in images.items()},
        counts={state: int(counts.get(state, 0)) for state in ("complete", "pruned", "diverged")},
        folds=[
            {"videos": ", ".join(videos), "value": f"{value:.1f}"}
            for videos, value in zip(plan["folds"], best["folds"], strict=True)
        ],
        columns=["trial", "state", _title(objective), *(plain_name(name) for name in flags)],
        rows=[_row(trial, flags, best) for trial in _ordered(values)],
    )


def _is_result(column: str, objective: str) -> bool:
    return column == objective or column.startswith("fold_")


def _ordered(values: pd.DataFrame) -> list[dict[str, Any]]:
    """Complete trials first, the best first."""
    order = {"complete": 0, "pruned": 1, "diverged": 2}
    ranked = values.assign(rank=values["state"].map(order)).sort_values(
        ["rank", "value", "trial"], ascending=[True, False, True]
    )
    return [{str(key): value for key, value in row.items()} for row in ranked.to_dict("records")]


def _row(trial: dict[str, Any], flags: list[str], best: dict[str, Any]) -> dict[str, Any]:
    shown = [str(trial["trial"]), trial["state"], "" if trial["state"] == "diverged" else f"{trial['value']:.1f}"]
    cells = [*shown, *("" if pd.isna(trial[name]) else f"{trial[name]}" for name in flags)]
    return {"cells": cells, "css": "main" if trial["trial"] == best["trial"] else ""}


def _title(objective: str) -> str:
    """For people: verb_mean_class is "verb mean-class"."""
    target, _, measure = objective.partition("_")
    return f"{target} {_MEASURES[measure]}"


_STATES = {"complete": ("o", ACCENT, "all folds"), "pruned": ("x", QUIET, "given up after some folds")}
_LOGARITHMIC = ("learning_rate", "weight_decay")
_COLUMNS = 3


def draw_trials(trials: pd.DataFrame, *, title: str) -> "Figure":
    """The objective of each trial in the order of the search, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9.2, 3.1)
    axis = figure.subplots()
    for state, (marker, colour, label) in _STATES.items():
        chosen = trials[trials["state"] == state]
        if len(chosen):
            axis.scatter(chosen["trial"], chosen["value"], marker=marker, color=colour, s=26, label=label, zorder=3)
    complete = trials["value"].where(trials["state"] == "complete")
    axis.step(trials["trial"], complete.cummax().ffill(), where="post", color=LINE_COLOUR, label="best so far")
    set_title(axis, f"{title.capitalize()} in cross-validation, %")
    axis.set_xlabel("trial")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower right")
    return figure


def draw_importances(importances: dict[str, float]) -> "Figure":
    """Bars, the most important hyperparameter on top."""
    figure = new_figure(7.0, 0.8 + 0.28 * len(importances))
    axis = figure.subplots()
    names = [plain_name(name) for name in importances]
    shares = [100 * share for share in importances.values()]
    bars = axis.barh(names, shares, color=ACCENT, height=0.62)
    axis.bar_label(bars, fmt="%.0f", padding=4, color=QUIET)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.08 * max(shares))
    axis.grid(visible=False, axis="y")
    set_title(axis, "Share of the differences between trials, %")
    return figure


def draw_slices(trials: pd.DataFrame, names: list[str], *, title: str) -> "Figure":
    """The objective over each hyperparameter that was varied, a panel each."""
    num_rows = math.ceil(len(names) / _COLUMNS)
    figure = new_figure(10.4, 0.3 + 2.3 * num_rows)
    axes = figure.subplots(num_rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        _draw_slice(axis, trials, name)
        set_title(axis, plain_name(name))
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for axis in axes[::_COLUMNS]:
        axis.set_ylabel(f"{title}, %")
    return figure


def _draw_slice(axis: "Axes", trials: pd.DataFrame, name: str) -> None:
    from matplotlib.ticker import NullFormatter

    is_text = not pd.api.types.is_numeric_dtype(trials[name])
    choices = list(dict.fromkeys(trials[name])) if is_text else []
    places = trials[name].map(choices.index) if is_text else trials[name]
    for state, (marker, colour, _) in _STATES.items():
        chosen = trials["state"] == state
        axis.scatter(places[chosen], trials["value"][chosen], marker=marker, color=colour, s=20, alpha=0.8, zorder=3)
    if is_text:
        labels = [shorten(plain_name(str(choice)), most=16) for choice in choices]
        axis.set_xticks(range(len(choices)), labels, rotation=35, ha="right", fontsize=7.5)
    elif name in _LOGARITHMIC:
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
