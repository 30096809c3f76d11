"""One item of the page of `egoact reproduce`: a figure or table of the report, and what was measured here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from egoact.report.page import inline_picture, render_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = tuple[Callable[[], "Figure"], str]
HEAD_NAMES = {"lstm": "LSTM", "convlstm": "ConvLSTM", "convnet1d": "ConvNet1D", "difference": "difference"}


@dataclass(frozen=True)
class ItemTable:
    """A table; the first column is text, the others are numbers.

    Args:
        columns: Names.
        rows: Cells as they are shown.
        css: "right" or "wrong" for the two sides of the switch.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    css: str = ""


@dataclass(frozen=True)
class Item:
    """A figure or table.

    Args:
        id: For links.
        title: As in the report.
        says: What the report says.
        difference: One sentence.
        steps: Names of the steps that measured it.
        pictures: (drawing, caption).
        tables: Below each other.
        needs_recordings: Whether it would look otherwise on recordings of EPIC-KITCHENS.
        note: What the reader must know, such as another data set.
        side_by_side: Whether the pictures are compared.
    """

    id: str
    title: str
    says: str
    difference: str
    steps: tuple[str, ...]
    pictures: Sequence[Picture] = ()
    tables: Sequence[ItemTable] = field(default=())
    needs_recordings: bool = False
    note: str = ""
    side_by_side: bool = False

    def render(self) -> list[dict[str, Any]]:
        """The pictures, to be put into the page."""
        return [{"source": inline_picture(render_png(draw)), "caption": caption} for draw, caption in self.pictures]
