"""The tables and the page of `egoact compare` of models that find actions in recordings; reads what the stage wrote."""

from pathlib import Path
from typing import Any

from egoact.report.page import DASH, choose_gap, format_number, format_range, print_table, write_page, written_by

TITLES = {"frame_accuracy": "frames", "edit": "edit", "f1_10": "F1@10", "f1_25": "F1@25", "f1_50": "F1@50"}


def write_model_timelines(path: Path, comparison: dict[str, Any]) -> None:
    """Print the tables, and write the page beside `comparison.json`."""
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
        "segmenter": model["segmenter"] or DASH,
        "size": DASH if size is None else f"{size:,}",
        "cells": [_cell(model[target][measure]) for measure in TITLES],
    }


def _cell(part: dict[str, Any]) -> dict[str, str]:
    cell = {"value": format_number(part["value"]), "range": format_range(part), "difference": "", "p": ""}
    if (against := part.get("against")) is not None:
        difference = f"{against['difference']:+.1f} {format_range(against, sign='+')}".strip()
        cell |= {"difference": difference, "p": f"{against['p_holm']:.3f}"}
    return cell


def _print_section(section: dict[str, Any], reference: str) -> None:
    gap, titles = choose_gap(), TITLES.values()
    rows = [
        [row["name"], *(gap.join((cell["value"], cell["range"])).strip() for cell in row["cells"])]
        for row in section["rows"]
    ]
    print_table({section["target"]: "text"} | dict.fromkeys(titles, "number"), rows, is_tight=True)
    for row in section["rows"]:
        cells = row["cells"]
        if any(cell["difference"] for cell in cells):
            told = [f"{title} {cell['difference']} (p {cell['p']})" for title, cell in zip(titles, cells, strict=True)]
            print(f"{row['name']} against {reference}: {', '.join(told)}")
