"""The items of the page of `egoact reproduce`, in the report's order."""

from collections.abc import Callable
from functools import partial

from egoact.report.reproduce_files import Reproduction
from egoact.report.reproduce_item import Item
from egoact.report.reproduce_labels import show_categories, show_classes
from egoact.report.reproduce_layers import show_base, show_kernels, show_pooling, show_reach, show_recurrent
from egoact.report.reproduce_recordings import show_flow, show_frames, show_storage
from egoact.report.reproduce_results import compare_categories, compare_classes, show_confusions, show_curves

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
