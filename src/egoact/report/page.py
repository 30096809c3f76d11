"""What all pages share: palette, matplotlib style, pictures inside the page, templates; knows no page's content.

Colours are those of Okabe and Ito, told apart by colour-blind people as well.
"""

import base64
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console

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


def separate_cells(axis: "Axes", shape: tuple[int, ...], **line: Any) -> None:
    """Lines between the cells of a matrix that is shown as an image, instead of ticks and grid."""
    axis.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    axis.grid(visible=False)
    axis.grid(which="minor", **line)
    axis.tick_params(which="both", length=0)


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


def scale_bars(
    values: Iterable[tuple[str, float]], form: Callable[[Any], str], *, css: str = "", largest_css: str | None = None
) -> list[dict[str, Any]]:
    """Rows of the template's `bars`, from names and values; the largest value fills its track."""
    rows = list(values)
    largest = max([1e-9, *(value for _, value in rows)])
    return [
        {
            "name": name,
            "share": 100 * value / largest,
            "text": form(value),
            "css": css if largest_css is None or value < largest else largest_css,
        }
        for name, value in rows
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


def inline_picture(content: bytes, *, kind: str = "image/png") -> str:
    """A picture or film as a `src`, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def save_picture(path: Path, draw: Callable[[], "Figure"]) -> str:
    """Draw in our style into a PNG file; gives the picture as a `src`, too."""
    content = render_png(draw)
    path.write_bytes(content)
    return inline_picture(content)


def read_picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3), RGB.

    Raises:
        ArtifactError: Missing or damaged.
    """
    import cv2

    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ArtifactError("this picture is missing or damaged; run the command again", path=path)
    return np.asarray(picture)[..., ::-1]


@contextmanager
def written_by(command: str, path: Path, *, advice: str = "run it again") -> Iterator[None]:
    """What goes wrong in here, with values that were read from `path`, is the fault of that file: an ArtifactError."""
    try:
        yield
    except (OSError, EOFError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"not what egoact {command} writes ({error!r}); {advice}", path=path) from None


def open_console() -> "Console":
    """Where tables are printed."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)  # a file has no edge to break lines at


def print_table(
    columns: Mapping[str, str], rows: Iterable[Iterable[str]], *, title: str | None = None, padding: Any = (0, 1)
) -> None:
    """Print a table whose columns are names and "text" or "number", as those of the template's `table`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=padding)
    for name, css in columns.items():
        if css == "number":
            table.add_column(Text(name), justify="right", no_wrap=True)
        else:
            table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    open_console().print(table)


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Fill a template of `templates/` and write the page, which is whole or absent; all values are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_atomically(path, environment.get_template(f"{template}.html.jinja").render(**values))
    return path
