"""Progress of long work: a bar with rate and time left on a terminal, a plain line now and then elsewhere.

What cannot be counted, such as loading a network, is shown by `working`: a line that moves until it is done.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

LINE_SECONDS = 10.0
SILENT_SECONDS = 1.0


class Progress:
    """Counts work that is done, of a total that may be unknown; a context manager that shows it on standard error."""

    def __init__(self, name: str, *, total: int | None, unit: str) -> None:
        self._name, self._total, self._unit = name, total, unit
        self._done = 0
        self._note = ""
        self._alone = ExitStack()
        self._begun = self._last_line = time.monotonic()
        self._bar = _bar(name, total, unit) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._alone.enter_context(other_display())
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            if self._total is None and not any(error):
                self._bar.update(self._bar.task_ids[0], total=self._done)
            self._bar.stop()
            self._alone.close()

    def advance(self, amount: int, *, note: str = "") -> None:
        """Say that so much more is done, and in a few words how it stands."""
        self._done += amount
        self._note = note
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=amount, rate=self._rate_text(), note=note)
            return
        now = time.monotonic()
        if now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self.say(self.line())

    def say(self, text: str) -> None:
        """Show a line of text without disturbing the bar."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """How far it is, as plain text."""
        if self._total is None:
            return f"{self._done} {self._unit}, {self._rate():.0f} {self._unit}/s"
        percent = 100 * self._done / self._total if self._total else 100.0
        left = (self._total - self._done) / self._rate() if self._done else None
        time_left = "" if left is None else f", {format_seconds(left)} left"
        rate = f"{self._rate_text()} {self._unit}/s"
        note = f", {self._note}" if self._note else ""
        return f"{self._done}/{self._total} {self._unit} ({percent:.0f} %), {rate}{time_left}{note}"

    def _rate(self) -> float:
        return self._done / max(time.monotonic() - self._begun, 1e-9)

    def _rate_text(self) -> str:
        return f"{self._rate():.{0 if self._rate() >= 10 else 1}f}"


@contextmanager
def working(what: str, *, is_told: bool = True) -> Iterator[None]:
    """Show what is being done while nothing else is shown, on standard error.

    On a terminal that is the last line, which moves; what is printed meanwhile goes above it. Elsewhere it is one plain
    line, where it takes more than a second, and only if `is_told`. May be nested: the innermost is shown.
    """
    if sys.stderr.isatty() and "LOCAL_RANK" not in os.environ:  # of several processes only the first has the terminal
        _LINE.texts.append(what)
        _LINE.show()
        try:
            yield
        finally:
            _LINE.texts.pop()
            _LINE.show()
        return
    timer = threading.Timer(SILENT_SECONDS, lambda: print(f"{what} ...", file=sys.stderr, flush=True))
    timer.daemon = True
    if is_told:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def other_display() -> Iterator[None]:
    """No line of `working` as long as something else draws on the terminal."""
    _LINE.num_pauses += 1
    _LINE.show()
    try:
        yield
    finally:
        _LINE.num_pauses -= 1
        _LINE.show()


class _MovingLine:
    """The last line of the terminal; there is one."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.num_pauses = 0
        self._shown: Any = None

    def show(self) -> None:
        if not self.texts or self.num_pauses:
            if self._shown is not None:
                self._shown.stop()
                self._shown = None
            return
        if self._shown is None:
            self._shown = _spinner(self.texts[-1])
            self._shown.start()
        self._shown.update(self._shown.task_ids[0], description=self.texts[-1])


_LINE = _MovingLine()


def format_seconds(seconds: float) -> str:
    """A duration for people.

    >>> format_seconds(3725)
    '1 h 02 min'
    >>> format_seconds(65)
    '1 min 05 s'
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _bar(name: str, total: int | None, unit: str) -> Any:
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.SpinnerColumn("line"),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn(f"{{task.fields[rate]}} {unit}/s"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[note]}"),
        console=Console(file=sys.stderr),  # this one, even while what is inside is kept quiet
    )
    bar.add_task(name, total=total, rate="0", note="")
    return bar


def _spinner(text: str) -> Any:
    from rich import progress
    from rich.console import Console

    spinner = progress.Progress(
        progress.SpinnerColumn("line"),
        progress.TextColumn("{task.description}", markup=False),
        progress.TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
    spinner.add_task(text, total=None)
    return spinner
