"""Figures 3, 10, 14, 15, 18 and 19 of the report: labels, frames, their motion, and ways to keep them."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from egoact.core.epic.flow import flow_magnitude
from egoact.core.files import read_json, read_table
from egoact.report.figures import BLUE, VERMILION, Figure, draw_images, new_figure, read_picture, set_title
from egoact.report.flow import draw_flows, read_pair
from egoact.report.page import written_by
from egoact.report.reproduction.files import Found, Reproduction, Table
from egoact.report.stats_figures import draw_categories, draw_classes

_MOST_FREQUENT = 5
_STORED_LINES = {
    "float32": (VERMILION, "-"),
    "float32 compressed": (VERMILION, "--"),
    "uint8": (BLUE, "-"),
    "uint8 compressed": (BLUE, "--"),
}


def show_classes(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 3."""
    classes = read_table(result.out / step["folder"] / "verbs.csv")
    seen = classes[classes["num_segments"] > 0]
    share = seen["percent"].head(_MOST_FREQUENT).sum()
    return Found(
        f"counted from the labels: the {_MOST_FREQUENT} most frequent of {len(seen)} verbs have {share:.0f} % of the "
        f"{seen['num_segments'].sum():,} segments.",
        [(partial(draw_classes, classes, plural="verbs"), f"Verbs of {_describe(step)}.")],
        note=_say_source(result, step),
    )


def show_categories(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 10."""
    pictures, counted = [], []
    for target in ("verb", "noun"):
        path = result.out / step["folder"] / f"{target}_categories.csv"
        if path.exists():
            table = read_table(path)
            title = f"{len(table)} categories of {target}s"
            pictures.append((partial(draw_categories, table, title=title), f"Segments of {_describe(step)}."))
            top = table.iloc[0]
            counted.append(f"the largest of {title}, {top['name']}, has {top['percent']:.0f} % of the segments")
    difference = f"{'; '.join(counted) or 'no categories are known for these labels'}."
    return Found(difference, pictures, note=_say_source(result, step))


def _describe(step: dict[str, Any]) -> str:
    return f"EPIC-KITCHENS, {step['segments']}" if step["is_real"] else str(step["segments"])


def _say_source(result: Reproduction, step: dict[str, Any]) -> str:
    if step["is_real"]:
        return ""
    files = " or ".join(step["looked_for"])
    return f"Labels of {result.data_name}, not of EPIC-KITCHENS: --annotations with {files} takes the real ones."


def show_frames(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figures 14 and 15."""
    pictures = [read_picture(result.out / step["folder"] / name) for name in step["pictures"]]
    return Found(
        f"frames of {result.data_name} stand for Figure 14; Figure 15 is not shown, because no picture of ImageNet is "
        "part of this program and nothing is downloaded; how far its features carry, Table 2 measures.",
        [(partial(draw_images, pictures, num_columns=4, cell=(3, 2.3)), f"Frames of {result.data_name}.")],
    )


def show_flow(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 18."""
    folder = result.out / step["folder"]
    flows, first = read_pair(folder), read_picture(folder / "first.png")
    medians = ", ".join(f"{name} {np.median(flow_magnitude(flow)):.2f}" for name, flow in flows.items())
    caption = f"{step['video_id']}, frames {step['frames'][0]} and {step['frames'][1]}."
    return Found(
        f"by three methods, whose median motion is {medians} pixels; the magnitude is measured from no motion, where "
        "the report's code measured it from the corner of the 8-bit scale, so that what stood still seemed to move.",
        [(partial(draw_flows, flows, first=first), caption)],
    )


def show_storage(result: Reproduction, step: dict[str, Any]) -> Found:
    """Figure 19."""
    table = _read_storage(result.out / step["folder"] / "storage.json")
    num_clips = int(table["clips"].max())
    most = table[table["clips"] == num_clips].set_index("format")
    disk, load = most["MB on disk"], most["s to load"]
    rows = [
        [str(name), f"{row['MB on disk']:,.2f}", f"{row['MB in memory']:,.2f}", f"{1000 * row['s to load']:,.1f}"]
        for name, row in most.iterrows()
    ]
    caption = f"Clips of {result.data_name}, read from the page cache; in memory, compressed or not is the same."
    return Found(
        f"float32 takes {_ratio(disk, 'float32', 'uint8')} times the disk of uint8 and "
        f"{_ratio(load, 'float32', 'uint8')} times its time to load; compressed, uint8 is "
        f"{_ratio(disk, 'uint8', 'uint8 compressed')} times smaller and "
        f"{_ratio(load, 'uint8 compressed', 'uint8')} times slower; neither is needed here, because features are "
        f"{_ratio(disk, 'uint8', 'features')} times smaller than the uint8 frames they are made of.",
        [(partial(draw_storage, table), caption)],
        [Table([f"{num_clips} clips", "MB on disk", "MB in memory", "ms to load"], rows)],
    )


def draw_storage(table: pd.DataFrame) -> Figure:
    """Figure 19: MB on disk and in memory, and seconds to load, over the number of clips."""
    figure = new_figure(11.4, 3.5)
    panels = {"MB on disk": "On disk, MB", "MB in memory": "In memory, MB", "s to load": "To load, s"}
    for axis, (column, title) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for name, (colour, style) in _STORED_LINES.items():
            part = table[table["format"] == name]
            axis.plot(part["clips"], part[column], color=colour, linestyle=style, marker="o", label=name)
        axis.set_ylim(bottom=0)
        axis.set_xticks(sorted(table["clips"].unique()))
        axis.set_xlabel("clips")
        set_title(axis, title)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper right", ncols=len(_STORED_LINES))
    return figure


def _read_storage(path: Any) -> pd.DataFrame:
    """What `egoact bench storage` measured: a row for each format and number of clips."""
    found = read_json(path)
    with written_by("bench storage", path, advice="delete it"):
        table = found["tables"][0]
        return pd.DataFrame(table["rows"], columns=table["columns"])


def _ratio(values: pd.Series, large: str, small: str) -> str:
    """How many times one is the other, as far as it matters."""
    ratio = values[large] / max(values[small], 1e-9)
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
