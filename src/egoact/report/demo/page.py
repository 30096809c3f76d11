"""The page of `egoact demo`: what it is, what the camera saw, which head answers best and why. Reads files only.

Pictures of the demo: numbers in, matplotlib figures out.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.report.demo.files import DemoResult, HeadResult, read_demo
from egoact.report.demo.order import explain_order
from egoact.report.evaluation.figures import finish_epochs
from egoact.report.evaluation.page import format_percent, write_evaluation_report
from egoact.report.film_strip import inline_strip, open_videos, read_strip
from egoact.report.page import (
    ACCENT,
    HasOut,
    fill_template,
    format_duration,
    inline_picture,
    new_figure,
    render_png,
    scale_bars,
    set_title,
    write_page,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PAGE_NAME = "index.html"
HEAD_DESCRIPTIONS = {
    "average": "the mean of the frames: no sense of order",
    "max": "the strongest response of any frame: no sense of order",
    "lstm": "a small recurrent memory, frame after frame",
    "gru": "a gated recurrent memory, frame after frame",
    "convnet1d": "small convolutions along time",
    "difference": "the mean, the end minus the start, and how much moved",
    "tcn": "dilated convolutions along time",
    "relation": "compares ordered groups of frames",
    "attention": "frames with positions look at each other",
    "transformer": "two layers of attention over frames with positions",
}
_STEPS = {"film": "filming the kitchens", "extract": "features of all frames", "evaluate": "evaluating all heads"}
_NUM_SCENES = 6


def write_report(settings: HasOut) -> None:
    """Write `index.html` and every head's own `report.html`, and print where the page is.

    Raises:
        ArtifactError: A file of the demo is missing or damaged.
        MediaError: A video of the demo is missing or damaged.
    """
    result = read_demo(settings.out)
    for head in result.heads:
        write_evaluation_report(head.evaluation.path, run=head.run.path)
    training, table = (read_segments(result.out / "kitchen" / f"{part}.csv") for part in ("train", "validation"))
    scenes = choose_scenes(table, reverse=result.reverse)
    mistake = first_mistake(scenes, _wrong_answers(result.shown))
    page = fill_template(
        "demo",
        demo=result,
        cards=_list_cards(result),
        scenes=_show_scenes(result, table, scenes if mistake is None else [*scenes, mistake]),
        has_extra_mistake=mistake is not None,
        rows=_list_heads(result),
        order=None if result.blind is None else explain_order(result, table, scenes),
        matrices=[_show_matrix(head) for head in (result.blind, result.shown) if head is not None],
        curves=_show_curves(result),
        times=_list_times(result.seconds),
        total=format_duration(sum(result.seconds.values())),
        num_segments=len(table),
        num_training=len(training),
        num_kitchens=len({segment.participant_id for segment in training}),
    )
    write_page(result.out / PAGE_NAME, page)
    print(f"done; open {(result.out / PAGE_NAME).resolve()}")


def choose_scenes(table: SegmentTable, *, reverse: Mapping[str, str]) -> list[int]:
    """Which segments to show: two reversed pairs, on one noun each, then other verbs; always the first of their kind.

    Args:
        table: N segments.
        reverse: Verb -> the verb that it is backwards.
    """
    chosen: list[int] = []
    for first, second in (("open", "close"), ("take", "put")):
        chosen += _first_pair(table, first, second)
    seen = {*reverse, *(table[i].verb for i in chosen)}
    for i, segment in enumerate(table):
        if len(chosen) < _NUM_SCENES and segment.verb not in seen:
            seen.add(segment.verb)
            chosen.append(i)
    return chosen


def first_mistake(scenes: list[int], wrong: np.ndarray) -> int | None:
    """The first segment with a wrong answer; None if there is none, or one is among the scenes already."""
    mistakes = np.flatnonzero(wrong)
    return int(mistakes[0]) if len(mistakes) and not wrong[scenes].any() else None


def _first_pair(table: SegmentTable, first: str, second: str) -> list[int]:
    """The first two segments of one video that do and undo something with the same noun."""
    for i, segment in enumerate(table):
        if segment.verb == first:
            for j in range(i + 1, len(table)):
                later = table[j]
                if (later.verb, later.noun, later.video_id) == (second, segment.noun, segment.video_id):
                    return [i, j]
    return []


def _wrong_answers(head: HeadResult) -> np.ndarray:
    targets = head.evaluation.targets.values()
    return np.any([target.predictions != target.labels for target in targets], axis=0)


def _answer(head: HeadResult, position: int) -> dict[str, Any]:
    verb, noun = (head.evaluation.targets[target] for target in ("verb", "noun"))
    right = [int(part.predictions[position]) == int(part.labels[position]) for part in (verb, noun)]
    text = f"{verb.names[verb.predictions[position]]} {noun.names[noun.predictions[position]]}"
    return {"head": head.name, "text": text, "is_right": all(right)}


def _show_scenes(result: DemoResult, table: SegmentTable, scenes: list[int]) -> list[dict[str, Any]]:
    videos = open_videos(result.out / "kitchen")
    heads = [head for head in (result.shown, result.blind) if head is not None]
    return [
        {
            "truth": f"{table[i].verb} {table[i].noun}",
            "place": f"{table[i].video_id}, {table[i].start_seconds:.1f} to {table[i].stop_seconds:.1f} s",
            "image": inline_strip(read_strip(videos, table[i])),
            "answers": [_answer(head, i) for head in heads],
            "is_mistake": not _answer(result.shown, i)["is_right"],
        }
        for i in scenes
    ]


def _list_cards(result: DemoResult) -> list[dict[str, str]]:
    metrics = result.shown.evaluation.metrics
    cards = []
    for target in ("verb", "noun", "action"):
        constant = metrics["baselines"]["majority"][target]["top1"]
        cards.append(
            {
                "value": f"{format_percent(metrics[target]['top1'])} %",
                "name": "verb and noun right" if target == "action" else f"{target}s right",
                "beside": f"always the same answer: {constant:.1f} %",
            }
        )
    return cards


def _list_heads(result: DemoResult) -> list[dict[str, Any]]:
    """Rows of the table: heads, the best verbs first, then the baselines."""
    rows = []
    for head in sorted(result.heads, key=lambda head: -head.evaluation.metrics["verb"]["top1"]):
        parameters = head.num_parameters
        seconds = result.seconds.get(f"train {head.name}")
        rows.append(
            {
                "name": head.name,
                "about": HEAD_DESCRIPTIONS.get(head.name, ""),
                "link": f"evaluations/{head.name}/report.html",
                "css": "main" if head is result.shown else "",
                "values": [head.evaluation.metrics[target]["top1"] for target in ("verb", "noun", "action")],
                "parameters": "" if parameters is None else f"{parameters:,}",
                "seconds": "" if seconds is None else f"{seconds:.0f} s",
            }
        )
    for key, name in (("majority", "most frequent answer"), ("prior", "random, by frequency")):
        part = result.shown.evaluation.metrics["baselines"][key]
        values = [part[target]["top1"] for target in ("verb", "noun", "action")]
        blank = {"link": "", "parameters": "", "seconds": ""}
        rows.append({"name": name, "about": "never looks", "css": "faint", "values": values, **blank})
    return rows


def _show_matrix(head: HeadResult) -> dict[str, Any]:
    picture = (head.evaluation.path / "confusion_verb.png").read_bytes()
    return {"name": head.name, "image": inline_picture(picture), "link": f"evaluations/{head.name}/report.html"}


def _show_curves(result: DemoResult) -> str | None:
    histories = {head.name: head.run.history for head in result.heads if head.run.history is not None}
    if not histories:
        return None
    return inline_picture(render_png(partial(draw_curves_of_heads, histories, shown=result.shown.name)))


def _list_times(seconds: dict[str, float]) -> list[dict[str, Any]]:
    """Bars of the steps, evaluations taken together."""
    merged: dict[str, float] = {}
    for name, value in seconds.items():
        step, _, head = name.partition(" ")
        shown = f"training {head}" if step == "train" else _STEPS.get(step, name)
        merged[shown] = merged.get(shown, 0.0) + value
    return scale_bars(merged, format_duration, css="step")


_GREYS = ("#3f464d", "#8a929a", "#5f676f", "#a5adb6")
_DASHES = (":", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
_PANELS = {
    "train_loss": "Training loss",
    "validation_verb_top1": "Verbs in the unseen kitchen, top-1 %",
    "validation_noun_top1": "Nouns in the unseen kitchen, top-1 %",
}


def draw_curves_of_heads(histories: dict[str, pd.DataFrame], *, shown: str) -> "Figure":
    """Loss and accuracy of several heads over the epochs; the one to look at in colour, the others in greys."""
    figure = new_figure(11.4, 3.2)
    axes = figure.subplots(1, len(_PANELS))
    others = [name for name in histories if name != shown]
    for axis, (column, title) in zip(axes, _PANELS.items(), strict=True):
        for name, history in histories.items():
            if column not in history:
                continue
            place = 0 if name == shown else others.index(name) % len(_GREYS)
            colour, style, width = (ACCENT, "-", 2.4) if name == shown else (_GREYS[place], _DASHES[place], 1.5)
            axis.plot(history["epoch"] + 1, history[column], color=colour, linestyle=style, linewidth=width, label=name)
        set_title(axis, title)
        axis.set_ylim(0, None if column == "train_loss" else 101)
        finish_epochs(axis, max(len(history) for history in histories.values()))
    axes[0].legend(loc="upper right")
    return figure
