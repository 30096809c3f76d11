"""The page of `egoact tune`: what was tried, what mattered, and the command to go on with. Reads files only."""

import math
from functools import partial
from typing import Any

import pandas as pd

from egoact.core.files import read_json
from egoact.report.figures import BLUE, GREY, VERMILION, Figure, new_figure, save_picture, set_title, shorten
from egoact.report.page import plain_name, write_page, written_by

_MEASURES = {
    "top1": "top-1",
    "mean_class": "mean-class",
    "mean": "mean of frames, edit and F1",
    "frame_accuracy": "frame accuracy",
    "edit": "edit score",
    "f1_10": "F1@10",
    "f1_25": "F1@25",
    "f1_50": "F1@50",
}
_OUTCOMES = ("complete", "pruned", "diverged")  # of a trial, the best first
_STATES = {"complete": ("o", BLUE, "all folds"), "pruned": ("x", GREY, "given up after some folds")}
_LOGARITHMIC = ("learning_rate", "weight_decay", "penalty")
_COLUMNS = 3


def write_report(settings: Any) -> None:
    """Write `tune.html` and its pictures beside what `egoact tune` or `egoact tune-timeline` wrote."""
    out = settings.out
    plan, best, importances = (read_json(out / f"{name}.json") for name in ("tune", "best", "importances"))
    with written_by("tune", out):
        trials = pd.read_csv(out / "trials.csv", dtype={"head_options": str}).rename(
            columns={best["objective"]: "value"}
        )
        target, _, measure = best["objective"].partition("_")
        title = f"{target} {_MEASURES[measure]}"
        own = ("trial", "state", "seconds", "value")
        flags = [name for name in map(str, trials) if name not in own and not name.startswith("fold_")]
        varied = [name for name in flags if trials[name].nunique(dropna=False) > 1 and name != "head_options"]
        draws = {"trials": partial(draw_trials, trials, title=title)}
        if importances:
            draws["importances"] = partial(draw_importances, importances)
        if varied:
            draws["slices"] = partial(draw_slices, trials, varied, title=title)
        ranked = trials.assign(rank=trials["state"].map(_OUTCOMES.index))
        ranked = ranked.sort_values(["rank", "value", "trial"], ascending=[True, False, True])
        page = write_page(
            out / "tune.html",
            "tuning",
            plan=plan,
            best=best,
            title=title,
            images={name: save_picture(out / f"{name}.png", draw) for name, draw in draws.items()},
            counts={state: int((trials["state"] == state).sum()) for state in _OUTCOMES},
            folds=list(zip(plan["folds"], best["folds"], strict=True)),
            columns=["trial", "state", title, *map(plain_name, flags)],
            rows=[_row(trial, flags) for trial in ranked.to_dict("records")],
        )
    print(f"see {page}")


def _row(trial: dict[Any, Any], flags: list[str]) -> list[str]:
    value = "" if trial["state"] == "diverged" else f"{trial['value']:.1f}"
    return [str(trial["trial"]), trial["state"], value, *("" if pd.isna(trial[f]) else str(trial[f]) for f in flags)]


def draw_trials(trials: pd.DataFrame, *, title: str) -> Figure:
    """The objective of each trial in the order of the search, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9.2, 3.1)
    axis = figure.subplots()
    for state, (marker, colour, label) in _STATES.items():
        chosen = trials[trials["state"] == state]
        if len(chosen):
            axis.scatter(chosen["trial"], chosen["value"], marker=marker, color=colour, s=26, label=label, zorder=3)
    complete = trials["value"].where(trials["state"] == "complete")
    axis.step(trials["trial"], complete.cummax().ffill(), where="post", color=VERMILION, label="best so far")
    set_title(axis, f"{title.capitalize()} in cross-validation, %")
    axis.set_xlabel("trial")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower right")
    return figure


def draw_importances(importances: dict[str, float]) -> Figure:
    """Bars, the most important hyperparameter on top."""
    figure = new_figure(7.0, 0.8 + 0.28 * len(importances))
    axis = figure.subplots()
    names = [plain_name(name) for name in importances]
    shares = [100 * share for share in importances.values()]
    bars = axis.barh(names, shares, color=BLUE, height=0.62)
    axis.bar_label(bars, fmt="%.0f", padding=4, color=GREY)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.08 * max(shares))
    axis.grid(visible=False, axis="y")
    set_title(axis, "Share of the differences between trials, %")
    return figure


def draw_slices(trials: pd.DataFrame, names: list[str], *, title: str) -> Figure:
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


def _draw_slice(axis: Any, trials: pd.DataFrame, name: str) -> None:
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
