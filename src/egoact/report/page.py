"""What all pages share: palette, matplotlib style, pictures inside the page, templates; knows no page's content.

Colours are those of Okabe and Ito, told apart by colour-blind people as well.
"""

import base64
import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACCENT = "#0072B2"
SECOND_COLOUR = "#E69F00"
LINE_COLOUR = "#D55E00"
QUIET = "#666666"

_DOTS_PER_INCH = 120
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


class HasOut(Protocol):
    """Settings that say where a stage wrote."""

    @property
    def out(self) -> Path:
        """The folder that the stage wrote, and that the page goes to."""


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def set_title(axis: "Axes", title: str) -> None:
    """A title as all our pictures have it."""
    axis.set_title(title, loc="left", fontweight="bold")


def shorten(name: Any, *, most: int = 22) -> str:
    """A class name that fits beside an axis.

    >>> shorten("abcdefgh", most=6)
    'abcd…'
    """
    text = str(name)
    return text if len(text) <= most else f"{text[: most - 2]}…"


def plain_name(name: str) -> str:
    """A column or setting for people.

    >>> plain_name("num_trainable_parameters")
    'trainable parameters'
    """
    return name.removeprefix("num_").replace("_", " ")


def format_duration(seconds: float) -> str:
    """Seconds as far as they matter.

    >>> format_duration(4.26), format_duration(64.2), format_duration(754)
    ('4.3 s', '64 s', '12 min 34 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 100 else f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"


def scale_bars(values: Mapping[str, float], form: Callable[[Any], str], *, css: str = "") -> list[dict[str, Any]]:
    """Rows of the template's `bars`; the largest value fills its track."""
    largest = max([*values.values(), 1e-9])
    return [
        {"name": name, "share": 100 * value / largest, "text": form(value), "css": css}
        for name, value in values.items()
    ]


def render_png(draw: Callable[[], "Figure"]) -> bytes:
    """Draw in our style; the bytes of a PNG file."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A class name in a script that the font lacks is shown as boxes here, and properly in the page's tables.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        draw().savefig(buffer, format="png", dpi=_DOTS_PER_INCH, bbox_inches="tight")
    return buffer.getvalue()


def inline_picture(content: bytes, *, kind: str = "png") -> str:
    """A picture as the `src` of an image, so that the page needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def fill_template(name: str, **values: Any) -> str:
    """A page from a template in `templates/`; all values are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.jinja").render(**values)


def write_page(path: Path, text: str) -> None:
    """Write a page; it appears under its name only when it is complete."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
