"""The page of `egoact reproduce`: one file that opens anywhere. Reads files only."""

import datetime
import os
import platform
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from egoact import __version__
from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import TARGETS
from egoact.report.figures import inline_picture, render_png
from egoact.report.page import write_page, written_by
from egoact.report.reproduction.data import show_categories, show_classes, show_flow, show_frames, show_storage
from egoact.report.reproduction.files import HEAD_NAMES, REPORT, Found, Reproduction, read_reproduction
from egoact.report.reproduction.layers import show_base, show_kernels, show_pooling, show_reach, show_recurrent
from egoact.report.reproduction.results import (
    VARIANTS,
    compare_categories,
    compare_classes,
    show_confusions,
    show_curves,
)
from egoact.reproduction.systems import SYSTEMS

# Item of the report -> what shows a reproduction, and of it the step that belongs to the item.
_SHOW: dict[str, Callable[[Reproduction, dict[str, Any]], Found]] = {
    "figure_3": show_classes,
    "figure_5": show_kernels,
    "figure_6": show_base,
    "figure_7": show_pooling,
    "figure_8": show_recurrent,
    "figure_9": show_reach,
    "figure_10": show_categories,
    "table_1": compare_categories,
    "figure_11": show_curves,
    "figure_12": show_curves,
    "table_2": compare_classes,
    "figure_13": show_curves,
    "figures_14_15": show_frames,
    "figure_18": show_flow,
    "figure_19": show_storage,
    "figure_20": show_confusions,
    "figure_21": show_confusions,
}


_SYSTEMS = "systems"
_SECTIONS = {
    "Section 2.2.1: two-stream architectures": ("tsn-rgb", "tsn-two-stream", "convlstm-two-stream", "lsta"),
    "Roads for investigation: optical flow in an attention mechanism": ("flow-attention",),
}


def write_report(settings: Any) -> None:
    """Write `index.html`, and print where it is; nothing where single steps were asked for."""
    if getattr(settings, "only", ()):
        return
    result = read_reproduction(settings.out)
    with written_by("reproduce", settings.out, advice="delete it"):
        items = [_show_item(result, name) for name in REPORT]
        num_validation = len(result.steps["table_1"].found["heads"]["lstm"]["labels"])
        page = write_page(
            settings.out / "index.html",
            "reproduce",
            date=datetime.date.today().isoformat(),
            is_kitchen=result.is_kitchen,
            data_name=result.data_name,
            num_train=int(result.steps["features"].found["num_segments"]) - num_validation,
            num_validation=num_validation,
            cards=_list_cards(result),
            items=items,
            sections=list_systems(settings.out),
            system_command=_system_command(result),
            version=__version__,
            machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            total=_format_seconds(sum(step.seconds for step in result.steps.values())),
        )
    print(f"done; open {page.resolve()}")


def _system_command(result: Reproduction) -> str:
    """What runs a system on the same recordings."""
    given: dict[str, Any] = {name: result.settings[name] for name in ("segments", "validation", "media")}
    if result.is_kitchen:
        made = result.out / "kitchen"
        given = {"segments": made / "train.csv", "validation": made / "validation.csv", "media": [made / "videos"]}
    chosen = {
        "segments": given["segments"] or "EPIC_100_train.csv",
        "validation": given["validation"] or "EPIC_100_validation.csv",
        "media": given["media"][0],
        "out": result.out / _SYSTEMS,
    }
    return "egoact systems NAME " + " ".join(f"--{flag} {shlex.quote(str(path))}" for flag, path in chosen.items())


def list_systems(out: Path) -> list[dict[str, Any]]:
    """For each section the systems that belong to it: (name, what it is, top-1 of its validation clips)."""
    return [
        {"title": title, "rows": [(name, SYSTEMS[name].title, _top1(out / _SYSTEMS / name)) for name in names]}
        for title, names in _SECTIONS.items()
    ]


def _top1(run: Path) -> str:
    path = run / "metrics.json"
    if not path.is_file():
        return "not run"
    values = read_json(path)
    with written_by("systems", path):
        return ", ".join(f"{name} {values[name]['top1']:.1f} %" for name in TARGETS if name in values)


def _list_cards(result: Reproduction) -> list[tuple[str, str]]:
    categories, classes = result.steps["table_1"].found, result.steps["table_2"].found
    sizes = categories["report_parameters"]
    equal = sum(f"{sizes[head]:,}" == said[-1] for head, said in REPORT["table_1"]["numbers"].items())
    cards = [(f"{equal} of 3", "parameter counts equal the report's")]
    for head in ("convlstm", "lstm"):
        found = categories["heads"][head]
        answered = " → ".join(str(found[variant]["num_predicted_classes"]) for variant in VARIANTS)
        cards.append((answered, f"categories that {HEAD_NAMES[head]} answers, with and without normalisation"))
    best = classes["heads"]["difference"]["metrics"]["verb"]["top1"]
    return [*cards, (f"{best:.0f} %", f"verbs right with today's default head, {result.data_name}")]


def _show_item(result: Reproduction, name: str) -> dict[str, Any]:
    said = REPORT[name]
    step = result.steps[said["step"]]
    with written_by("reproduce", result.out / "steps" / f"{said['step']}.json", advice="delete it"):
        found = _SHOW[name](result, step.found)
        pictures = [(inline_picture(render_png(draw)), caption) for draw, caption in found.pictures]
    notes = [found.note] if found.note else []
    if said.get("needs_recordings") and result.is_kitchen:
        notes.append("On the built-in kitchen, not on EPIC-KITCHENS: give --annotations and --media for that.")
    return (
        {"side_by_side": False}
        | said
        | {
            "id": name,
            "difference": found.difference,
            "notes": notes,
            "tables": found.tables,
            "pictures": pictures,
            "commands": step.commands,
            "seconds": _format_seconds(step.seconds),
        }
    )


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
