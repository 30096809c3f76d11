"""Pictures of the demo: numbers in, matplotlib figures out."""

from typing import TYPE_CHECKING

import pandas as pd

from egoact.report.evaluation_figures import finish_epochs
from egoact.report.page import ACCENT, new_figure, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREYS = ("#3f464d", "#8a929a", "#5f676f", "#a5adb6")
_DASHES = (":", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
_PANELS = {
    "train_loss": "Training loss",
    "validation_verb_top1": "Verbs in the unseen kitchen, top-1 %",
    "validation_noun_top1": "Nouns in the unseen kitchen, top-1 %",
}


def draw_curves_of_heads(histories: dict[str, pd.DataFrame], *, shown: str) -> "Figure":
    """Loss and accuracy of several heads over the epochs; the one to look at in colour, the others in greys."""
    figure = new_figure(11.4, 3.2)
    axes = figure.subplots(1, len(_PANELS))
    others = [name for name in histories if name != shown]
    for axis, (column, title) in zip(axes, _PANELS.items(), strict=True):
        for name, history in histories.items():
            if column not in history:
                continue
            place = 0 if name == shown else others.index(name) % len(_GREYS)
            colour, style, width = (ACCENT, "-", 2.4) if name == shown else (_GREYS[place], _DASHES[place], 1.5)
            axis.plot(history["epoch"] + 1, history[column], color=colour, linestyle=style, linewidth=width, label=name)
        set_title(axis, title)
        axis.set_ylim(0, None if column == "train_loss" else 101)
        finish_epochs(axis, max(len(history) for history in histories.values()))
    axes[0].legend(loc="upper right")
    return figure
