"""What libraries that turn torch into other graphs have in common: they may be missing, may fail, and print a lot."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec


def check_packages(format: str, packages: Sequence[str], remedy: str) -> None:
    """Refuse, before any work, where packages that make graphs of a `--format` are missing.

    Raises:
        ValueError: One is missing; says what to do.
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(f"--format {format} needs {' and '.join(missing)}, which {verb} not installed here; {remedy}")


@contextmanager
def converting(name: str) -> Iterator[None]:
    """A conversion, whose errors of all types become a `ValueError` of one line."""
    try:
        yield
    except Exception as error:  # converters have types of their own for every stage
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{name} cannot take this model ({type(error).__name__}: {reason[:200]})") from None


@contextmanager
def silenced() -> Iterator[None]:
    """Without the lines that libraries print, from Python and from C++; of the whole process, so only for a moment."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "w") as nowhere:
        for descriptor in (1, 2):
            os.dup2(nowhere.fileno(), descriptor)
        try:
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
        finally:
            for descriptor, old in zip((1, 2), kept, strict=True):
                os.dup2(old, descriptor)
                os.close(old)
