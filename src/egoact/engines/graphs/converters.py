"""What libraries that turn torch into other graphs have in common: they may not be installed, and they may fail."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec


def check_packages(format: str, packages: Sequence[str], remedy: str) -> None:
    """Refuse, before any work, where graphs cannot be made.

    Args:
        format: As `--format` has it.
        packages: What makes them.
        remedy: What to do where one is missing.

    Raises:
        ValueError: One is missing; says what to install.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(f"--format {format} needs {' and '.join(missing)}, which {verb} not installed here; {remedy}")


@contextmanager
def converting(name: str) -> Iterator[None]:
    """A conversion, whose errors of all types become one line.

    Raises:
        ValueError: It failed.
    """
    try:
        yield
    except Exception as error:  # converters have types of their own for every stage
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{name} cannot take this model ({type(error).__name__}: {reason[:200]})") from None
