"""The page of `egoact reproduce`: one file that opens anywhere. Reads files only.

The items of the page of `egoact reproduce`, in the report's order.
"""

import datetime
import os
import platform
from collections.abc import Callable
from functools import partial
from typing import Any

from egoact import __version__
from egoact.report.page import HasOut, fill_template, write_page
from egoact.report.reproduction.files import Reproduction, read_reproduction
from egoact.report.reproduction.item import HEAD_NAMES, Item
from egoact.report.reproduction.labels import show_categories, show_classes
from egoact.report.reproduction.layers import show_base, show_kernels, show_pooling, show_reach, show_recurrent
from egoact.report.reproduction.recordings import show_flow, show_frames, show_storage
from egoact.report.reproduction.results import compare_categories, compare_classes, show_confusions, show_curves

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
    best = result.steps["table_2"]["heads"]["difference"]["metrics"]
    said = {"lstm": 266_963, "convlstm": 446_909, "convnet1d": 85_137}
    equal = sum(result.steps["table_1"]["report_parameters"][head] == count for head, count in said.items())
    answered = {
        name: " → ".join(str(found[variant]["num_predicted_classes"]) for variant in ("normalised", "unnormalised"))
        for name, found in result.steps["table_1"]["heads"].items()
    }
    return [
        {"value": f"{equal} of 3", "name": "parameter counts equal the report's"},
        *(
            {
                "value": answered[name],
                "name": f"categories that {HEAD_NAMES[name]} answers, with and without normalisation",
            }
            for name in ("convlstm", "lstm")
        ),
        {
            "value": f"{best['verb']['top1']:.0f} %",
            "name": f"verbs right with today's default head, {result.data_name}",
        },
    ]


def _show(result: Reproduction, item: Item) -> dict[str, Any]:
    notes = [item.note] if item.note else []
    if item.needs_recordings and result.is_kitchen:
        notes.append("On the built-in kitchen, not on EPIC-KITCHENS: give --annotations and --media for that.")
    return {
        "id": item.id,
        "title": item.title,
        "says": item.says,
        "difference": item.difference,
        "notes": notes,
        "tables": item.tables,
        "pictures": item.render(),
        "side_by_side": item.side_by_side,
        "commands": [command for step in item.steps for command in result.commands[step]],
        "seconds": _format_seconds(sum(result.seconds[step] for step in item.steps)),
    }


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


ITEMS: tuple[Callable[[Reproduction], Item], ...] = (
    show_classes,
    show_kernels,
    show_base,
    show_pooling,
    show_recurrent,
    show_reach,
    show_categories,
    compare_categories,
    partial(
        show_curves,
        id="figure_11",
        title="Figure 11: training loss of ConvLSTM",
        says="the curve looks as if the model predicted well; its strange peaks come from training on one group of "
        "data after the other.",
    ),
    partial(
        show_curves,
        id="figure_12",
        title="Figure 12: training loss of LSTM",
        says="the same: the curve looks good, the confusion matrix does not.",
    ),
    compare_classes,
    partial(
        show_curves,
        id="figure_13",
        title="Figure 13: training loss of ConvNet1D on all classes",
        says="the model seems to learn the task for a restricted number of classes.",
    ),
    show_frames,
    show_flow,
    show_storage,
    partial(
        show_confusions,
        id="figure_20",
        title="Figure 20: confusion matrix of ConvLSTM",
        says="more or less one category is answered; the model is suspected to be stuck at what is ubiquitous.",
        head="convlstm",
    ),
    partial(
        show_confusions,
        id="figure_21",
        title="Figure 21: confusion matrix of LSTM",
        says="the same phenomenon: three categories are most of the answers.",
        head="lstm",
    ),
)


def list_items(result: Reproduction) -> list[Item]:
    """All items, filled with what was measured."""
    return [show(result) for show in ITEMS]
