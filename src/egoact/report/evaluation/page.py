"""The page of `egoact evaluate`: reads what the stage wrote, draws it, writes PNG files and one `report.html`."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from egoact.core.files import read_json, write_table
from egoact.core.metrics.evaluation_files import (
    MEASURES,
    METRICS_NAME,
    TARGETS,
    TargetResult,
    TrainedRun,
    read_evaluation,
    read_run,
)
from egoact.report.evaluation.confusions import choose_shown, list_classes, list_confusions
from egoact.report.evaluation.figures import MOST_NUMBERED, draw_confusion, draw_learning_curves
from egoact.report.evaluation.timelines import write_timeline_report
from egoact.report.figures import save_picture
from egoact.report.page import Bar, format_number, plain_name, write_page

_BASELINES = {
    "majority": "most frequent answer",
    "prior": "random, by frequency",
    "majority_training": "most frequent in training",
    "prior_training": "random, as in training",
}
_PARTS = {  # key -> what it is called for a verb or noun, and for an action
    "unseen": ("{}, unseen participants", "action, unseen participants"),
    "tail": ("{} of the tail classes", "action with a tail verb or noun"),
    "head": ("{} of the head classes", "action with a head verb and noun"),
}
_MOST_NAMED = 40
_MOST_CONFUSIONS = 12
_MOST_OPEN_ROWS = 32


def write_report(settings: Any) -> None:
    """Write `report.html` and the pictures into `settings.out`, beside what `egoact evaluate` wrote there."""
    metrics = read_json(settings.out / METRICS_NAME)
    if metrics.get("task") == "detection":
        return  # a few numbers, which were printed
    if "frames_per_second" in metrics:  # timelines were measured
        page = write_timeline_report(settings.out)
    else:
        page = write_evaluation_report(settings.out, run=settings.run)
    print(f"see {page}")


def write_evaluation_report(out: Path, *, run: Path | None = None) -> Path:
    """Write the page of segments beside their evaluation, with curves and settings of the run; gives its path."""
    evaluation = read_evaluation(out)
    metrics = evaluation.metrics
    trained = TrainedRun(out, history=None, settings=None) if run is None else read_run(run)
    measured = [target for target in TARGETS if target in metrics]
    return write_page(
        out / "report.html",
        "evaluation",
        evaluation=evaluation,
        intervals={target: interval(metrics[target]["top1"], metrics["num_segments"]) for target in measured},
        comparisons=[_compare(metrics, target) for target in measured],
        parts=_list_parts(metrics),
        targets=[_show_target(out, target, result) for target, result in evaluation.targets.items()],
        curves=_show_curves(out, trained.history),
        settings=_list_settings(trained.settings or {}),
    )


def interval(percent: float, num_segments: int) -> tuple[float, float]:
    """Where the true percentage lies with 95 % confidence, if segments were independent.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    >>> low, high = interval(50.0, 100)
    >>> round(low, 1), round(high, 1)
    (40.4, 59.6)
    """
    share, z = min(percent / 100, 1.0), 1.959964
    centre = share + z * z / (2 * num_segments)
    spread = z * math.sqrt(share * (1 - share) / num_segments + z * z / (4 * num_segments**2))
    scale = 1 + z * z / num_segments
    return 100 * max(0.0, (centre - spread) / scale), 100 * min(1.0, (centre + spread) / scale)


def _compare(metrics: dict[str, Any], target: str) -> dict[str, Any]:
    """The model beside its baselines: rows of a table, and bars."""
    found = {"this model": metrics[target]}
    for key, part in metrics.get("baselines", {}).items():
        if target in part:
            found[_BASELINES.get(key, key)] = part[target]
    rows = [[name, *(format_number(part.get(measure)) for measure in MEASURES)] for name, part in found.items()]
    bars = [Bar(name, part["top1"], format_number(part["top1"])) for name, part in found.items()]
    return {"target": target, "rows": rows, "bars": [bars[0]._replace(css="main"), *bars[1:]]}


def _list_parts(metrics: dict[str, Any]) -> list[list[str]]:
    """What, segments, top-1 and mean-class accuracy of the unseen participants, the rare and the frequent classes."""
    rows = []
    for key, (of_class, of_action) in _PARTS.items():
        part = metrics.get(key, {})
        for target in TARGETS:
            if target in part:
                values = part | part[target]  # the number of unseen segments is that of all targets
                name = of_action if target == "action" else of_class.format(target)
                accuracies = (format_number(values.get(measure)) for measure in ("top1", "mean_class"))
                rows.append([name, f"{values['num_segments']:,}", *accuracies])
    return rows


def _show_target(out: Path, target: str, result: TargetResult) -> dict[str, Any]:
    counts, names = result.confusion, list(result.names)
    num_used = int(np.count_nonzero(counts.sum(axis=0) + counts.sum(axis=1)))
    shown = choose_shown(counts, names, most=MOST_NUMBERED if num_used <= MOST_NUMBERED else _MOST_NAMED)
    table = pd.DataFrame(counts, index=names, columns=names)
    write_table(out / f"confusion_{target}.csv", table, index_label=f"true {target}")
    classes = list_classes(counts, names)
    return {
        "target": target,
        "image": save_picture(out / f"confusion_{target}.png", partial(draw_confusion, shown, target=target)),
        "num_classes": len(names),
        "num_used": num_used,
        "num_hidden": shown.num_hidden,
        "classes": classes,
        "is_open": len(classes) <= _MOST_OPEN_ROWS,
        "confusions": list_confusions(counts, names, most=_MOST_CONFUSIONS),
    }


def _show_curves(out: Path, history: pd.DataFrame | None) -> str | None:
    if history is None or "train_loss" not in history:
        return None
    return save_picture(out / "learning_curves.png", partial(draw_learning_curves, history))


def _list_settings(settings: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Groups of names and values; what was left at None is not shown."""
    groups = {name: values for name, values in settings.items() if isinstance(values, dict)}
    single = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    return {
        plain_name(title): {plain_name(k): _show(v) for k, v in values.items() if v is not None and v != []}
        for title, values in (groups | ({"model": single} if single else {})).items()
    }


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)
