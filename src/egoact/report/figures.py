"""What all pictures share: palette, matplotlib style, a way into the page; knows no picture's content.

Colours are those of Okabe and Ito, told apart by colour-blind people as well. The same name of a class has the same
colour on every page, whatever else is there.
"""

import base64
import colorsys
import hashlib
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
else:  # matplotlib takes long to import, and not every page has pictures
    Figure = Any

BLUE = "#0072B2"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
GREY = "#666666"

_KNOWN = {  # the verbs of most kitchens
    "take": "#0072B2",
    "put": "#E69F00",
    "open": "#009E73",
    "close": "#D55E00",
    "wash": "#56B4E9",
    "cut": "#CC79A7",
    "pour": "#F0E442",
}
_LIGHTNESS = (0.38, 0.55, 0.72)

_DOTS_PER_INCH = 120
_HAS_LAYOUT = True  # whether the parts of a figure make room for each other
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,
}


def colour_of(name: str) -> str:
    """#RRGGBB of a class.

    >>> colour_of("take"), colour_of("cup") == colour_of("cup")
    ('#0072B2', True)
    """
    if name in _KNOWN:
        return _KNOWN[name]
    digest = hashlib.sha256(name.encode()).digest()
    hue, lightness = int.from_bytes(digest[:2], "big") / 65536, _LIGHTNESS[digest[2] % len(_LIGHTNESS)]
    return "#" + "".join(f"{round(255 * part):02X}" for part in colorsys.hls_to_rgb(hue, lightness, 0.6))


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, for `render_png`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DOTS_PER_INCH)


def set_title(axis: Any, title: str) -> None:
    """A title as all our pictures have it."""
    axis.set_title(title, loc="left", fontweight="bold")


def separate_cells(axis: Any, shape: tuple[int, ...], **line: Any) -> None:
    """Lines between the cells of a matrix that is shown as an image, instead of ticks and grid."""
    from matplotlib.collections import LineCollection

    axis.grid(visible=False)
    axis.tick_params(length=0)
    columns, rows = (np.arange(number + 1) - 0.5 for number in (shape[1], shape[0]))
    upright, level = [[(x, 0), (x, 1)] for x in columns], [[(0, y), (1, y)] for y in rows]
    for lines, transform in ((upright, axis.get_xaxis_transform()), (level, axis.get_yaxis_transform())):
        drawn = LineCollection(lines, transform=transform, zorder=0.5, capstyle="projecting", **line)
        axis.add_collection(drawn, autolim=False)


def draw_images(
    images: Sequence[np.ndarray], *, num_columns: int, cell: tuple[float, float], titles: Sequence[str] = ()
) -> Figure:
    """Images of one size in rows, without axes; `cell` is the width and height of each, inches."""
    num_rows = -(-len(images) // num_columns)
    figure = new_figure(cell[0] * num_columns, cell[1] * num_rows)
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, image in zip(axes, images, strict=False):
        axis.imshow(image)
    for axis, title in zip(axes, titles, strict=False):
        set_title(axis, title)
    return figure


def shorten(name: Any, *, most: int = 22) -> str:
    """A class name that fits beside an axis.

    >>> shorten("abcdefgh", most=6)
    'abcd…'
    """
    text = str(name)
    return text if len(text) <= most else f"{text[: most - 2]}…"


def render_png(draw: Callable[[], Figure]) -> bytes:
    """Draw in our style; the bytes of a PNG file."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A class name in a script that the font lacks is shown as boxes here, and properly in the page's tables.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = draw()
        if _HAS_LAYOUT:
            ConstrainedLayoutEngine().execute(figure)
        # A figure that has such an engine of its own, or whose edges `savefig` looks for, is drawn twice.
        edges = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
        edges = edges.padded(matplotlib.rcParams["savefig.pad_inches"])
        figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, bbox_inches=edges)
    return buffer.getvalue()


def inline_picture(content: bytes, *, kind: str = "image/png") -> str:
    """A picture or film as a `src`, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def save_picture(path: Path, draw: Callable[[], Figure]) -> str:
    """Draw in our style into a PNG file; gives the picture as a `src`, too."""
    content = render_png(draw)
    write_atomically(path, content)
    return inline_picture(content)


def read_picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3), RGB; an `ArtifactError` where it is missing or damaged."""
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ArtifactError("this picture is missing or damaged; run the command again", path=path)
    return np.asarray(picture)[..., ::-1]
