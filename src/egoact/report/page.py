"""What all pages share: templates, what they are filled with, and one-line errors; knows no page's content."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically
from egoact.core.progress import other_display

if TYPE_CHECKING:
    import jinja2
    from rich.console import Console

DASH = "–"
"""Where there is no number."""

_TEMPLATES = Path(__file__).parent / "templates"


class Bar(NamedTuple):
    """A row of the template's `bars`, with its value as it is shown."""

    name: str
    value: float
    text: str
    css: str = ""


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


def format_number(value: float | None, *, sign: str = "") -> str:
    """One decimal; a dash where there is no number."""
    return DASH if value is None else f"{value:{sign}.1f}"


def format_range(part: Mapping[str, Any], *, sign: str = "") -> str:
    """Its interval, from `low` to `high`; nothing where it has none."""
    return f"[{part['low']:{sign}.1f}, {part['high']:{sign}.1f}]" if "low" in part else ""


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


def show(content: Any) -> None:
    """Print what rich draws, such as a table."""
    with other_display():
        open_console().print(content)


def choose_gap() -> str:
    """What stands between a value and its interval in a cell: a space, or a new line where lines are short."""
    return " " if open_console().width >= 120 else "\n"


def print_table(
    columns: Mapping[str, str], rows: Iterable[Iterable[str]], *, title: str | None = None, is_tight: bool = False
) -> None:
    """Print a table whose columns are names and "text" or "number", as those of the template's `table`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    padding = (0, 1, 0, 0) if is_tight else (0, 1)
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=padding)
    for name, css in columns.items():
        if css == "number":
            table.add_column(Text(name), justify="right", no_wrap=True)
        else:
            table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    show(table)


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Fill a template of `templates/` and write the page, which is whole or absent; all values are escaped."""
    write_atomically(path, _templates().get_template(f"{template}.html.jinja").render(**values))
    return path


def read_scripts(*names: str) -> str:
    """Scripts of `templates/`, one after another."""
    return "\n".join((_TEMPLATES / f"{name}.js").read_text(encoding="utf-8") for name in names)


@cache
def _templates() -> "jinja2.Environment":
    """Once, since it keeps the templates that it has compiled."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
