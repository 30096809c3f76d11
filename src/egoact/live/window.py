"""The window of `egoact live --window`: the picture with the current action over it, by tkinter."""

import os
import sys
from typing import Any

from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.live.capture import CapturedFrame
from egoact.live.statistics import LiveClock

_WIDEST, _HIGHEST = 960, 720
_TOP = 3


class LiveWindow:
    """A context manager; closing the window ends it.

    Raises:
        ValueError: No display, or Python has no tkinter.
    """

    def __init__(self, name: str) -> None:
        try:
            import tkinter
        except ImportError:
            raise ValueError(
                "--window needs tkinter, which this Python lacks (Debian: apt install python3-tk)"
            ) from None
        if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
            raise ValueError("--window needs a display, and there is none here (DISPLAY is not set)")
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise ValueError(f"--window cannot open a window: {error}") from None
        self._tkinter: Any = tkinter
        self._root.title(f"egoact live: {name}")
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._canvas = tkinter.Canvas(self._root, width=_WIDEST, height=_HIGHEST, background="black")
        self._canvas.configure(highlightthickness=0)
        self._canvas.pack()
        self._picture: Any = None
        self._prediction: OnlinePrediction | None = None
        self.is_open = True

    def __enter__(self) -> "LiveWindow":
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_open:
            self._close()

    def show(self, frame: CapturedFrame | None, prediction: OnlinePrediction | None, clock: LiveClock) -> None:
        """Bring it up to date, and let it react to the mouse."""
        self._prediction = prediction or self._prediction
        if frame is not None and self.is_open:
            size = _fit(frame.size)
            data = b"P6 %d %d 255\n" % size[::-1] + frame.rgb(size=size).tobytes()
            self._picture = self._tkinter.PhotoImage(data=data, format="PPM")
            self._canvas.configure(width=size[1], height=size[0])
            self._canvas.delete("all")
            self._canvas.create_image(0, 0, image=self._picture, anchor="nw")
            self._write(size, clock)
        if self.is_open:
            self._root.update()

    def _write(self, size: tuple[int, int], clock: LiveClock) -> None:
        height, width = size
        lines = ["..."]
        if self._prediction is not None:
            best = self._prediction.top(self._prediction.targets[-1], _TOP)
            lines = [f"{self._prediction.when}{name}  {share:.0%}" for name, share in best]
        self._canvas.create_rectangle(0, height - 30 - 22 * len(lines), width, height, fill="black", stipple="gray75")
        for number, line in enumerate(lines):
            style = ("sans-serif", 16, "bold") if number == 0 else ("sans-serif", 12)
            at = height - 14 - 22 * (len(lines) - number)
            self._canvas.create_text(12, at, text=line, anchor="w", fill="white", font=style)
        state = f"{clock.predictions_per_second:.0f}/s, {1000 * clock.age_seconds:.0f} ms"
        style = ("sans-serif", 11)
        self._canvas.create_text(width - 12, height - 14, text=state, anchor="e", fill="#cccccc", font=style)

    def _close(self) -> None:
        self.is_open = False
        self._root.destroy()


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) that fits the window, with the same shape."""
    scale = min(1.0, _WIDEST / size[1], _HIGHEST / size[0])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
