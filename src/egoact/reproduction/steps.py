"""The steps of `egoact reproduce`, in order, and what each of them needs."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from egoact.reproduction.figures import (
    CATEGORY_FILES,
    CLASS_FILES,
    choose_pictures,
    compute_flow,
    count_labels,
    paint_filters,
    store_clips,
    trace_clip,
)
from egoact.reproduction.layers import measure_reach, measure_recurrent
from egoact.reproduction.tables import (
    compare_heads,
    compare_on_classes,
    extract_features,
    extract_unnormalised,
    measure_both_ways,
    train_on_categories,
    train_on_classes,
)
from egoact.reproduction.work import Reproduction


class Step(NamedTuple):
    """Something to find out, and the steps that come before it."""

    do: Callable[[Reproduction], dict[str, Any]]
    needs: tuple[str, ...] = ()


STEPS: dict[str, Step] = {
    "figure_03": Step(partial(count_labels, name="figure_03", files=CLASS_FILES)),
    "figure_05": Step(paint_filters),
    "figures_06_07": Step(trace_clip),
    "figure_08": Step(lambda _: {"rows": measure_recurrent()}),
    "figure_09": Step(lambda _: measure_reach()),
    "figure_10": Step(partial(count_labels, name="figure_10", files=CATEGORY_FILES)),
    "features": Step(extract_features),
    "mistake_features": Step(extract_unnormalised, ("features",)),
    "figure_11": Step(partial(train_on_categories, head="convlstm"), ("features",)),
    "figure_12": Step(partial(train_on_categories, head="lstm"), ("features",)),
    "figure_20": Step(partial(measure_both_ways, head="convlstm"), ("mistake_features", "figure_11")),
    "figure_21": Step(partial(measure_both_ways, head="lstm"), ("mistake_features", "figure_12")),
    "table_1": Step(compare_heads, ("figure_20", "figure_21")),
    "figure_13": Step(partial(train_on_classes, head="convnet1d"), ("features",)),
    "table_2": Step(compare_on_classes, ("figure_13",)),
    "figures_14_15": Step(choose_pictures),
    "figure_18": Step(compute_flow),
    "figure_19": Step(store_clips),
}


def wanted_steps(only: tuple[str, ...]) -> list[str]:
    """The steps that were asked for, or all, and what they need, in order."""
    wanted = set(only or STEPS)
    for name in reversed(STEPS):  # a step comes after all that it needs
        wanted |= set(STEPS[name].needs) if name in wanted else set()
    return [name for name in STEPS if name in wanted]
