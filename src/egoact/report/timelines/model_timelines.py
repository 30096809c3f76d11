"""The tables and the page of `egoact compare` of models that find actions in recordings; reads what the stage wrote."""

from pathlib import Path
from typing import Any

from egoact.report.page import open_console, print_table, write_page, written_by

_DASH = "–"
TITLES = {"frame_accuracy": "frames", "edit": "edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50"}


def write_model_timelines(path: Path, comparison: dict[str, Any]) -> None:
    """Print the tables, and write the page beside `comparison.json`.

    Raises:
        ArtifactError: The file is damaged.
    """
    with written_by("compare", path):
        models, reference = comparison["models"], comparison["reference"]
        for model in models:
            for note in model["notes"]:
                print(f"{model['name']}: {note}")
        sections = [
            {"target": target, "rows": [_row(model, target) for model in models]} for target in comparison["targets"]
        ]
        for section in sections:
            _print_section(section, reference)
        page = write_page(
            path.with_suffix(".html"), "model_timelines", comparison=comparison, sections=sections, titles=TITLES
        )
    print(f"see {page}")


def _row(model: dict[str, Any], target: str) -> dict[str, Any]:
    size = model["num_parameters"]
    return {
        "name": model["name"],
        "segmenter": model["segmenter"] or _DASH,
        "size": _DASH if size is None else f"{size:,}",
        "cells": [_cell(model[target][measure]) for measure in TITLES],
    }


def _cell(part: dict[str, Any]) -> dict[str, str]:
    cell = {"value": f"{part['value']:.1f}", "range": _range(part), "difference": "", "p": ""}
    if (against := part.get("against")) is not None:
        interval = _range(against, sign="+")
        cell |= {"difference": f"{against['difference']:+.1f} {interval}".strip(), "p": f"{against['p_holm']:.3f}"}
    return cell


def _range(part: dict[str, float], *, sign: str = "") -> str:
    return f"[{part['low']:{sign}.1f}, {part['high']:{sign}.1f}]" if "low" in part else ""


def _print_section(section: dict[str, Any], reference: str) -> None:
    gap = " " if open_console().width >= 120 else "\n"
    rows = [
        [row["name"], *(gap.join(filter(None, (cell["value"], cell["range"]))) for cell in row["cells"])]
        for row in section["rows"]
    ]
    print_table({section["target"]: "text"} | dict.fromkeys(TITLES.values(), "number"), rows, padding=(0, 1, 0, 0))
    others = [row for row in section["rows"] if any(cell["difference"] for cell in row["cells"])]
    for row in others:
        told = [
            f"{title} {cell['difference']} (p {cell['p']})"
            for title, cell in zip(TITLES.values(), row["cells"], strict=True)
        ]
        print(f"{row['name']} against {reference}: {', '.join(told)}")
