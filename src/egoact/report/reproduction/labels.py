"""Figures 3 and 10 of `egoact reproduce`: how often classes and categories occur."""

from functools import partial
from typing import Any

import pandas as pd

from egoact.report.reproduction.files import Reproduction
from egoact.report.reproduction.item import Item, Picture
from egoact.report.stats_figures import draw_categories, draw_classes

_MOST_FREQUENT = 5


def show_classes(result: Reproduction) -> Item:
    """Figure 3."""
    step = result.steps["figure_03"]
    classes = pd.read_csv(result.out / step["folder"] / "verbs.csv", keep_default_na=False)
    seen = classes[classes["num_segments"] > 0]
    share = seen["percent"].head(_MOST_FREQUENT).sum()
    return Item(
        "figure_3",
        "Figure 3: instances of the verbs of EPIC-KITCHENS-55",
        "the classes are far from equally frequent, which biases models towards the frequent ones.",
        f"counted from the labels: the {_MOST_FREQUENT} most frequent of {len(seen)} verbs have {share:.0f} % of the "
        f"{seen['num_segments'].sum():,} segments.",
        ("figure_03",),
        [(partial(draw_classes, classes, plural="verbs"), f"Verbs of {_describe(step)}.")],
        note=_say_source(result, step),
    )


def show_categories(result: Reproduction) -> Item:
    """Figure 10."""
    step = result.steps["figure_10"]
    pictures: list[Picture] = []
    counted = []
    for target in ("verb", "noun"):
        path = result.out / step["folder"] / f"{target}_categories.csv"
        if path.exists():
            table = pd.read_csv(path, keep_default_na=False)
            title = f"{len(table)} categories of {target}s"
            pictures.append((partial(draw_categories, table, title=title), f"Segments of {_describe(step)}."))
            top = table.iloc[0]
            counted.append(f"the largest of {title}, {top['name']}, has {top['percent']:.0f} % of the segments")
    return Item(
        "figure_10",
        "Figure 10: categories of EPIC-KITCHENS-100",
        "97 verbs and 300 nouns make 13 and 21 categories; the imbalance is still there.",
        f"{'; '.join(counted) or 'no categories are known for these labels'}.",
        ("figure_10",),
        pictures,
        note=_say_source(result, step),
        side_by_side=True,
    )


def _describe(step: dict[str, Any]) -> str:
    return f"EPIC-KITCHENS, {step['segments']}" if step["is_real"] else str(step["segments"])


def _say_source(result: Reproduction, step: dict[str, Any]) -> str:
    if step["is_real"]:
        return ""
    files = " or ".join(step["looked_for"])
    return f"Labels of {result.data_name}, not of EPIC-KITCHENS: --annotations with {files} takes the real ones."
