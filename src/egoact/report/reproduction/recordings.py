"""Figures 14, 15, 18 and 19 of `egoact reproduce`: frames, their motion, and ways to keep them."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from egoact.core.epic.flow import flow_magnitude
from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.report.flow import METHOD_TITLES, draw_pair, read_pair_flow
from egoact.report.reproduction.figures import draw_pictures, draw_storage
from egoact.report.reproduction.files import Reproduction, read_picture
from egoact.report.reproduction.item import Item, ItemTable


def show_frames(result: Reproduction) -> Item:
    """Figures 14 and 15."""
    step = result.steps["figures_14_15"]
    pictures = [read_picture(result.out / step["folder"] / name) for name in step["pictures"]]
    return Item(
        "figures_14_15",
        "Figures 14 and 15: EPIC-KITCHENS and ImageNet",
        "the two data sets look different, so that only basic features (edges, corners) were thought to carry over, "
        "not those of high level.",
        f"frames of {result.data_name} stand for Figure 14; Figure 15 is not shown, because no picture of ImageNet is "
        "part of this program and nothing is downloaded; how far its features carry, Table 2 measures.",
        ("figures_14_15",),
        [(partial(draw_pictures, pictures), f"Frames of {result.data_name}.")],
        needs_recordings=True,
    )


def show_flow(result: Reproduction) -> Item:
    """Figure 18."""
    step = result.steps["figure_18"]
    folder = result.out / step["folder"]
    flows = {method: read_pair_flow(folder / method) for method in METHOD_TITLES}
    first = read_picture(folder / "first.png")
    medians = ", ".join(f"{METHOD_TITLES[name]} {np.median(flow_magnitude(f)):.2f}" for name, f in flows.items())
    return Item(
        "figure_18",
        "Figure 18: an optical flow field",
        "two frames, the flow between them as u and v, and its magnitude, the root of u² + v².",
        f"by three methods, whose median motion is {medians} pixels; the magnitude is measured from no motion, where "
        "the report's code measured it from the corner of the 8-bit scale, so that what stood still seemed to move.",
        ("figure_18",),
        [
            (
                partial(draw_pair, first, flows),
                f"{step['video_id']}, frames {step['frames'][0]} and {step['frames'][1]}.",
            )
        ],
        needs_recordings=True,
    )


def show_storage(result: Reproduction) -> Item:
    """Figure 19."""
    path = result.out / result.steps["figure_19"]["folder"] / "storage.json"
    table = _read_storage(path)
    most = table[table["clips"] == table["clips"].max()].set_index("format")
    disk, load = most["MB on disk"], most["s to load"]
    rows = [
        [str(name), f"{row['MB on disk']:,.2f}", f"{row['MB in memory']:,.2f}", f"{1000 * row['s to load']:,.1f}"]
        for name, row in most.iterrows()
    ]
    num_clips = int(table["clips"].max())
    return Item(
        "figure_19",
        "Figure 19: uint8 and float32",
        "size grows linearly with the number of samples; uint8 loads at least twice as fast as float32; compressed "
        "files seem to take nothing beside the others, but much longer to load.",
        f"float32 takes {_ratio(disk, 'float32', 'uint8')} times the disk of uint8 and "
        f"{_ratio(load, 'float32', 'uint8')} times its time to load; compressed, uint8 is "
        f"{_ratio(disk, 'uint8', 'uint8 compressed')} times smaller and "
        f"{_ratio(load, 'uint8 compressed', 'uint8')} times slower; neither is needed here, because features are "
        f"{_ratio(disk, 'uint8', 'features')} times smaller than the uint8 frames they are made of.",
        ("figure_19",),
        [
            (
                partial(draw_storage, table),
                f"Clips of {result.data_name}, read from the page cache; in memory, compressed or not is the same.",
            )
        ],
        [ItemTable([f"{num_clips} clips", "MB on disk", "MB in memory", "ms to load"], rows)],
        needs_recordings=True,
    )


def _read_storage(path: Any) -> pd.DataFrame:
    """What `egoact bench storage` measured: a row for each format and number of clips."""
    found = read_json(path)
    try:
        table = found["tables"][0]
        return pd.DataFrame(table["rows"], columns=table["columns"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ArtifactError(f"not what egoact bench storage writes ({error!r}); delete it", path=path) from None


def _ratio(values: pd.Series, large: str, small: str) -> str:
    """How many times one is the other, as far as it matters."""
    ratio = values[large] / max(values[small], 1e-9)
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"
