"""The page of `egoact demo`: what it is, what the camera saw, which head answers best and why. Reads files only."""

from functools import partial
from typing import Any

import pandas as pd

from egoact.core.annotations.segments import read_segments
from egoact.report.demo.files import DemoResult, read_demo
from egoact.report.demo.order import explain_order
from egoact.report.demo.scenes import choose_scenes, first_mistake, show_scenes, wrong_answers
from egoact.report.evaluation.figures import finish_epochs
from egoact.report.evaluation.page import write_evaluation_report
from egoact.report.figures import BLUE, Figure, inline_picture, new_figure, render_png, set_title
from egoact.report.page import Bar, format_duration, write_page
from egoact.report.timelines.timeline import write_timeline_page

_STEPS = {
    "film": "filming the kitchens",
    "extract": "features of all recordings",
    "evaluate": "evaluating all heads",
    "timeline": "finding the actions of a recording",
}
_GREYS = ("#3f464d", "#8a929a", "#5f676f", "#a5adb6")
_DASHES = (":", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
_PANELS = {
    "train_loss": "Training loss",
    "validation_verb_top1": "Verbs in the unseen kitchen, top-1 %",
    "validation_noun_top1": "Nouns in the unseen kitchen, top-1 %",
}


def write_report(settings: Any) -> None:
    """Write `index.html` and every head's own `report.html`, and print where the page is."""
    result = read_demo(settings.out)
    for head in result.heads:
        write_evaluation_report(head.evaluation.path, run=head.run.path)
    write_timeline_page(result.out / "timeline")
    training, table = (read_segments(result.out / "kitchen" / f"{part}.csv") for part in ("train", "validation"))
    scenes = choose_scenes(table, reverse=result.reverse)
    compared = [head for head in (result.blind, result.shown) if head is not None]
    matrices = {head.name: (head.evaluation.path / "confusion_verb.png").read_bytes() for head in compared}
    mistake = first_mistake(scenes, wrong_answers(result.shown))
    page = write_page(
        result.out / "index.html",
        "demo",
        demo=result,
        metrics=result.shown.evaluation.metrics,
        scenes=show_scenes(result, table, scenes if mistake is None else [*scenes, mistake]),
        has_extra_mistake=mistake is not None,
        heads=sorted(result.heads, key=lambda head: -head.evaluation.metrics["verb"]["top1"]),
        order=None if result.blind is None else explain_order(result, table, scenes),
        matrices={name: inline_picture(content) for name, content in matrices.items()},
        curves=_show_curves(result),
        times=_list_times(result.seconds),
        total=format_duration(sum(result.seconds.values())),
        num_segments=len(table),
        num_training=len(training),
        num_kitchens=len({segment.participant_id for segment in training}),
    )
    print(f"done; open {page.resolve()}")


def _show_curves(result: DemoResult) -> str | None:
    histories = {head.name: head.run.history for head in result.heads if head.run.history is not None}
    if not histories:
        return None
    return inline_picture(render_png(partial(draw_curves_of_heads, histories, shown=result.shown.name)))


def _list_times(seconds: dict[str, float]) -> list[Bar]:
    """Bars of the steps, evaluations taken together."""
    merged: dict[str, float] = {}
    for name, value in seconds.items():
        step, _, head = name.partition(" ")
        shown = f"training {head}" if step == "train" else _STEPS.get(step, name)
        merged[shown] = merged.get(shown, 0.0) + value
    return [Bar(name, value, format_duration(value), "step") for name, value in merged.items()]


def draw_curves_of_heads(histories: dict[str, pd.DataFrame], *, shown: str) -> Figure:
    """Loss and accuracy of several heads over the epochs; the one to look at in colour, the others in greys."""
    figure = new_figure(11.4, 3.2)
    axes = figure.subplots(1, len(_PANELS))
    others = [name for name in histories if name != shown]
    for axis, (column, title) in zip(axes, _PANELS.items(), strict=True):
        for name, history in histories.items():
            if column not in history:
                continue
            place = 0 if name == shown else others.index(name) % len(_GREYS)
            colour, style, width = (BLUE, "-", 2.4) if name == shown else (_GREYS[place], _DASHES[place], 1.5)
            axis.plot(history["epoch"] + 1, history[column], color=colour, linestyle=style, linewidth=width, label=name)
        set_title(axis, title)
        axis.set_ylim(0, None if column == "train_loss" else 101)
        finish_epochs(axis, max(len(history) for history in histories.values()))
    axes[0].legend(loc="upper right")
    return figure
