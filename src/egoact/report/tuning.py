"""The page of `egoact tune`: what was tried, what mattered, and the command to go on with. Reads files only."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from egoact.core.errors import ArtifactError
from egoact.core.evaluation_files import read_json
from egoact.report.page import HasOut, fill_template, inline_picture, plain_name, render_png, write_page
from egoact.report.tuning_figures import draw_importances, draw_slices, draw_trials

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
