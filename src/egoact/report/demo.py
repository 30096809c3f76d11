"""The page of `egoact demo`: what it is, what the camera saw, which head answers best and why. Reads files only."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from egoact.core.segments import Segment, SegmentTable, read_segments
from egoact.report.demo_figures import draw_curves_of_heads
from egoact.report.demo_files import DemoResult, HeadResult, read_demo, verb_names
from egoact.report.evaluation import bar, format_percent, write_evaluation_report
from egoact.report.film_strip import encode_strip, open_videos, read_strip
from egoact.report.page import HasOut, fill_template, inline_picture, render_png, write_page
from egoact.report.reversal import choose_of_two, compare_backwards

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
    table = read_segments(result.out / "kitchen" / "validation.csv")
    scenes = choose_scenes(table, _wrong_answers(result.shown), reverse=result.reverse)
    page = fill_template(
        "demo",
        demo=result,
        cards=_list_cards(result),
        scenes=_show_scenes(result, table, scenes),
        rows=_list_heads(result),
        order=None if result.blind is None else _explain_order(result, table, scenes),
        matrices=[_show_matrix(head) for head in (result.blind, result.shown) if head is not None],
        curves=_show_curves(result),
        times=_list_times(result.seconds),
        total=_format_seconds(sum(result.seconds.values())),
        num_segments=len(table),
    )
    write_page(result.out / PAGE_NAME, page)
    print(f"done; open {(result.out / PAGE_NAME).resolve()}")


def choose_scenes(table: SegmentTable, wrong: np.ndarray, *, reverse: Mapping[str, str]) -> list[int]:
    """Which segments to show: two reversed pairs on one noun each, other verbs, and the first mistake if there is one.

    Except for that mistake they are the first of their kind, whatever the answers.

    Args:
        table: N segments.
        wrong: (N,) where the head to look at is wrong.
        reverse: Verb -> the verb that it is backwards.
    """
    chosen: list[int] = []
    for first, second in (("open", "close"), ("take", "put")):
        chosen += _first_pair(table, first, second)
    seen = {table[i].verb for i in chosen}
    for i, segment in enumerate(table):
        if len(chosen) < _NUM_SCENES and segment.verb not in {*seen, *reverse}:
            seen.add(segment.verb)
            chosen.append(i)
    mistakes = [i for i in np.flatnonzero(wrong).tolist() if i not in chosen]
    return chosen + mistakes[:1]


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
            "image": _encode(read_strip(videos, table[i])),
            "answers": [_answer(head, i) for head in heads],
        }
        for i in scenes
    ]


def _encode(frames: np.ndarray) -> str:
    return inline_picture(encode_strip(frames), kind="jpeg")


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


def _explain_order(result: DemoResult, table: SegmentTable, scenes: list[int]) -> dict[str, Any]:
    """The same frames in another order: pairs of verbs, and clips played backwards."""
    assert result.blind is not None
    heads = (result.blind, result.shown)
    names = verb_names(result.shown).tolist()
    pairs = [(names.index(a), names.index(b)) for a, b in result.reversed_pairs if a in names and b in names]
    rows = []
    for pair in pairs:
        counts = []
        for head in heads:
            verb = head.evaluation.targets["verb"]
            counts.append(choose_of_two(verb.scores, verb.labels, pair=pair))
        num_segments = counts[0][0]
        if num_segments:
            shares = [100 * right / num_segments for _, right in counts]
            rows.append({"name": " / ".join(names[i] for i in pair), "num_segments": num_segments, "shares": shares})
    backwards = []
    for head in heads:
        verb = head.evaluation.targets["verb"]
        found = compare_backwards(verb.predictions, head.backwards, verb.labels, pairs=pairs)
        share = 100 * found.num_reversed / max(1, found.num_segments)
        backwards.append({"name": head.name, "found": found, "bar": bar(head.name, share, _css(result, head))})
    return {"pairs": rows, "backwards": backwards, "heads": heads, **_show_both_ways(result, table, scenes)}


def _show_both_ways(result: DemoResult, table: SegmentTable, scenes: list[int]) -> dict[str, Any]:
    """The first scene whose verb has a reverse, as it is and backwards."""
    usable = [i for i in scenes if table[i].verb in result.reverse]
    if not usable:
        return {"strips": []}
    segment: Segment = table[usable[0]]
    frames = read_strip(open_videos(result.out / "kitchen"), segment)
    return {
        "strips": [
            {"title": f"{segment.verb} {segment.noun}", "way": "as filmed", "image": _encode(frames)},
            {
                "title": f"{result.reverse[str(segment.verb)]} {segment.noun}",
                "way": "the same frames backwards",
                "image": _encode(frames[::-1]),
            },
        ]
    }


def _css(result: DemoResult, head: HeadResult) -> str:
    return "main" if head is result.shown else ""


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
    longest = max([*merged.values(), 1e-9])
    return [
        {"name": name, "share": 100 * value / longest, "text": _format_seconds(value), "css": "main"}
        for name, value in merged.items()
    ]


def _format_seconds(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"
