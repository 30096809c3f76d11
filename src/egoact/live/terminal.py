"""What `egoact live` shows in a terminal: one picture that changes, or a plain line when the action changes."""

import sys
import time
from contextlib import ExitStack
from typing import Any

from egoact.core.progress import other_display
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.live.statistics import LiveClock

_REDRAWS_PER_SECOND = 5
_BAR_WIDTH = 8
_NUM_NEXT = 5  # what comes next is never sure: so many answers are named


class LiveView:
    """A context manager, named by its source; where standard output belongs to somebody else, on error output."""

    def __init__(self, name: str, *, on_error_output: bool) -> None:
        self._name = name
        self._file = sys.stderr if on_error_output else sys.stdout
        self._is_quiet = on_error_output
        self._live: Any = None
        self._alone = ExitStack()
        self._message = ""
        self._prediction: OnlinePrediction | None = None
        self._said = ""
        self._drawn = 0.0

    def __enter__(self) -> "LiveView":
        if self._file.isatty():
            from rich.console import Console
            from rich.live import Live

            self._alone.enter_context(other_display())
            self._live = Live(console=Console(file=self._file), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        self._alone.close()

    def say(self, text: str) -> None:
        """A line about the source."""
        self._message = text
        if self._live is None:
            print(f"live: {text}", file=sys.stderr, flush=True)

    def show(self, prediction: OnlinePrediction | None, clock: LiveClock) -> None:
        """Bring it up to date with the newest prediction, None where that is still the one before."""
        self._prediction = prediction or self._prediction
        if self._live is None:
            self._print(prediction, clock)
        elif time.monotonic() - self._drawn > 1 / _REDRAWS_PER_SECOND:
            self._drawn = time.monotonic()
            self._live.update(self._draw(clock), refresh=True)

    def _print(self, prediction: OnlinePrediction | None, clock: LiveClock) -> None:
        if prediction is None or prediction.name == self._said or self._is_quiet:
            return
        self._said = prediction.name
        best = prediction.top(prediction.targets[-1], _NUM_NEXT if prediction.ahead_seconds else 1)
        names = ", ".join(f"{name}  {share:.0%}" for name, share in best)
        age = f"{1000 * clock.age_seconds:.0f} ms"
        print(f"{prediction.seconds:9.2f} s  {prediction.when}{names}  ({age})", file=self._file, flush=True)

    def _draw(self, clock: LiveClock) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        state = f"{clock.frames_per_second:.1f} frames/s, {clock.predictions_per_second:.1f} predictions/s, "
        state += f"age {1000 * clock.age_seconds:.0f} ms, {clock.num_passed} frames passed over"
        parts: list[Any] = [Text("waiting for enough frames", style="dim")]
        if self._prediction is not None:
            columns = Table.grid(padding=(0, 2))
            columns.add_row(*(_ranking(self._prediction, target) for target in self._prediction.targets))
            parts = [Text(self._prediction.when + self._prediction.name, style="bold green"), Text(), columns, Text()]
        lines = [Text(state, style="dim"), *([Text(self._message, style="yellow")] if self._message else [])]
        return Panel(Group(*parts, *lines), title=Text(self._name), title_align="left")


def _ranking(prediction: OnlinePrediction, target: Any) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_row(Text(target, style="bold"))
    for name, share in prediction.top(target):
        bar = "█" * round(_BAR_WIDTH * share)
        table.add_row(Text(name), Text(f"{share:4.0%}"), Text(bar.ljust(_BAR_WIDTH), style="cyan"))
    return table
