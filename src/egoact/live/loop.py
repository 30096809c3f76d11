"""Looking at a live source until it ends: frames to a stream, its predictions to the terminal, a window and a file."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from egoact.core.errors import ArtifactError
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.live.capture import CapturedFrame, FrameGrabber, Source
from egoact.live.statistics import LiveClock
from egoact.live.streaming import Stream
from egoact.live.terminal import LiveView
from egoact.live.window import LiveWindow

_WAIT_SECONDS = 0.1


class LiveLoop:
    """One checked source, looked at until it ends by a stream that has seen nothing.

    Args:
        size: (height, width) of the frames that the stream takes.
        lines: Where predictions go as JSON, or None.
    """

    def __init__(
        self,
        source: Source,
        stream: Stream,
        view: LiveView,
        *,
        size: tuple[int, int],
        lines: TextIO | None = None,
        window: LiveWindow | None = None,
    ) -> None:
        self.clock = LiveClock()
        self.num_taken = 0
        self._is_interrupted = False
        self._source, self._stream, self._view = source, stream, view
        self._size, self._lines, self._window = size, lines, window

    def run(self, *, max_seconds: float | None = None) -> BaseException | None:
        """Look until the source ends, `max_seconds` are over, or Ctrl-C is pressed; gives why the source ended."""
        end = None if max_seconds is None else time.monotonic() + max_seconds
        try:
            with self._interruptible(), FrameGrabber(self._source, self._view.say) as grabber:
                while self._goes_on(end):
                    frame = grabber.next(timeout=_WAIT_SECONDS)
                    if frame is None and grabber.has_ended:
                        return grabber.error
                    self.num_taken = grabber.num_taken
                    self._look(frame)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError:  # whoever read the lines has read enough
            self._lines = None
        return None

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Remember Ctrl-C: a library that is called at that moment may swallow the exception."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        before = signal.getsignal(signal.SIGINT)

        def stop(number: int, frame: FrameType | None) -> None:
            self._is_interrupted = True
            (before if callable(before) else signal.default_int_handler)(number, frame)

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _goes_on(self, end: float | None) -> bool:
        if self._is_interrupted:
            return False
        return (end is None or time.monotonic() < end) and (self._window is None or self._window.is_open)

    def _look(self, frame: CapturedFrame | None) -> None:
        prediction = None
        is_wanted = frame is not None and self._stream.wants(frame.seconds)
        self.clock.note_pictures(self.num_taken, is_looked_at=is_wanted)
        if frame is not None and is_wanted:
            prediction = self._stream.push(frame.rgb(size=self._size), frame.seconds)
            if prediction is not None:
                self._write(prediction, self.clock.note_prediction(frame.taken))
        self._view.show(prediction, self.clock)
        if self._window is not None:
            self._window.show(frame if is_wanted else None, prediction, self.clock)

    def _write(self, prediction: OnlinePrediction, delay: float) -> None:
        if self._lines is None:
            return
        values = {
            "time": round(time.time(), 3),
            **prediction.to_dict(),
            "age_ms": round(1000 * delay, 1),
            "frames_per_second": round(self.clock.frames_per_second, 1),
            "frames_taken": self.num_taken,
            "frames_passed": self.clock.num_passed,
        }
        self._lines.write(json.dumps(values, ensure_ascii=False) + "\n")
        self._lines.flush()


@contextmanager
def open_lines(where: str | None) -> Iterator[TextIO | None]:
    """The place for lines of JSON; an `ArtifactError` where it cannot be written."""
    if where is None or where == "-":
        yield sys.stdout if where else None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(where).open("a", encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(f"cannot be written ({error.strerror})", path=where) from None
        yield file


def summarize(clock: LiveClock, num_taken: int) -> None:
    """On standard error: standard output may belong to the predictions."""
    if clock.num_predictions:
        print(
            f"live: {clock.num_predictions} predictions from {num_taken} frames; age when given: median "
            f"{1000 * clock.delay(50):.0f} ms, 99 % {1000 * clock.delay(99):.0f} ms; when replaced: 99 % "
            f"{1000 * clock.greatest_age(99):.0f} ms",
            file=sys.stderr,
        )
    else:
        print(f"live: {num_taken} frames, too few for a prediction", file=sys.stderr)
