"""The page of `egoact reproduce`: one file that opens anywhere. Reads files only."""

import datetime
import os
import platform
import shlex
from typing import Any

from egoact import __version__
from egoact.report.page import HasOut, fill_template, write_page
from egoact.report.reproduce_files import Reproduction, read_reproduction
from egoact.report.reproduce_items import Item, list_items, render

PAGE_NAME = "index.html"


def write_report(settings: HasOut) -> None:
    """Write `index.html`, and print where it is; nothing where single steps were asked for.

    Raises:
        ArtifactError: A file of the reproduction is missing or damaged.
    """
    if getattr(settings, "only", ()):
        return
    result = read_reproduction(settings.out)
    counts = _count_segments(result)
    page = fill_template(
        "reproduce",
        date=datetime.date.today().isoformat(),
        is_kitchen=result.is_kitchen,
        data_name=result.data_name,
        num_train=counts[0],
        num_validation=counts[1],
        cards=_list_cards(result),
        items=[_show(result, item) for item in list_items(result)],
        version=__version__,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        total=_format_seconds(sum(result.seconds.values())),
    )
    write_page(settings.out / PAGE_NAME, page)
    print(f"done; open {(settings.out / PAGE_NAME).resolve()}")


def _count_segments(result: Reproduction) -> tuple[int, int]:
    heads = result.steps["table_1"]["heads"]
    evaluated = len(next(iter(heads.values()))["labels"])
    return int(result.steps["features"]["num_segments"]) - evaluated, evaluated


def _list_cards(result: Reproduction) -> list[dict[str, Any]]:
    lstm = result.steps["table_1"]["heads"]["lstm"]
    best = result.steps["table_2"]["heads"]["difference"]["metrics"]
    said = {"lstm": 266_963, "convlstm": 446_909, "convnet1d": 85_137}
    equal = sum(result.steps["table_1"]["report_parameters"][head] == count for head, count in said.items())
    right, wrong = (lstm[variant]["num_predicted_classes"] for variant in ("normalised", "unnormalised"))
    return [
        {"value": f"{equal} of 3", "name": "parameter counts equal the report's"},
        {
            "value": f"{right} → {wrong}",
            "name": "categories that the LSTM answers, with and without normalisation",
        },
        {
            "value": f"{best['verb']['top1']:.0f} %",
            "name": f"verbs right with today's default head, {result.data_name}",
        },
    ]


def _show(result: Reproduction, item: Item) -> dict[str, Any]:
    note = item.note
    if item.is_trained and result.is_kitchen:
        note = "On the built-in kitchen, not on EPIC-KITCHENS: give --annotations and --media for that."
    alone = ["egoact", "reproduce", "--out", str(result.out), *_flags(result.settings)]
    steps = " ".join(item.steps)
    return {
        "id": item.id,
        "title": item.title,
        "says": item.says,
        "difference": item.difference,
        "note": note,
        "tables": item.tables,
        "pictures": render(item),
        "side_by_side": item.side_by_side,
        "commands": [f"{shlex.join(alone)} --only {steps}", *(c for step in item.steps for c in result.commands[step])],
        "seconds": _format_seconds(sum(result.seconds[step] for step in item.steps)),
    }


def _flags(settings: dict[str, Any]) -> list[str]:
    flags = []
    for name, value in settings.items():
        if value is True:
            flags.append(f"--{name}")
        elif value not in (None, False, 0):
            flags += [f"--{name}", str(value)]
    return flags


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
