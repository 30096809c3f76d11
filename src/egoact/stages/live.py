"""`egoact live`: what happens now, in front of a camera, in a file played in real time, or in a stream."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import torch

from egoact.core.answers import Answer
from egoact.core.errors import ArtifactError, InputError
from egoact.data.live_sources import find_source
from egoact.data.shots import Grabber, Shot, Source
from egoact.models.streaming import FRAMES_PER_SECOND, Mode, Stream
from egoact.stages._live_clock import LiveClock
from egoact.stages._live_model import LiveModel
from egoact.stages._live_view import LiveView
from egoact.stages._live_window import LiveWindow
from egoact.stages._run_engine import EngineSettings

_WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class LiveSettings:
    """Say what happens while it happens.

    The newest frame wins: frames that come while an answer is computed are dropped, never queued. Ends with the file,
    with Ctrl-C, or when the window is closed.
    """

    run: Path
    """Run directory of egoact train."""
    source: str
    """Camera number (0), video file (played in real time), or URL (rtsp, http, https, rtmp, srt, udp)."""
    jsonl: str | None = None
    """File to append one line of JSON an answer to; - is standard output."""
    window: bool = False
    """Show the picture with the action over it in a window."""
    mode: Mode = "window"
    """window: the last seconds, any head; running: all since the beginning, for heads that go frame by frame."""
    window_seconds: tuple[float, ...] = ()
    """Lengths of the windows; default: those that the run learned, or 2."""
    rate: float = FRAMES_PER_SECOND
    """Most frames a second to look at."""
    max_seconds: float | None = None
    """End after so long."""
    timeout: float = 5.0
    """Seconds of silence after which a URL counts as broken."""
    give_up: float = 300.0
    """Seconds without a frame after which a broken URL or camera is not tried again."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What computes the backbone."""
    precision: Literal["auto", "f32", "bf16"] = "auto"
    """Of the computation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""

    def __post_init__(self) -> None:
        for name in ("rate", "timeout", "give_up", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"--{name.replace('_', '-')} must be a number above 0, got {value}")


def live(settings: LiveSettings) -> int:
    """Answer until the source ends.

    Returns:
        1 where the source broke before its end, else 0.

    Raises:
        MediaError: A source that cannot be opened.
        ArtifactError: A run that cannot be used, a file that cannot be written.
        ValueError: A head that needs whole clips, no display for the window.
    """
    source = find_source(settings.source, timeout=settings.timeout, give_up=settings.give_up)
    source.check()
    with ExitStack() as stack:
        lines = stack.enter_context(_open_lines(settings.jsonl))
        window = stack.enter_context(LiveWindow(settings.source)) if settings.window else None
        model = LiveModel.load(
            settings.run, EngineSettings(settings.weights, settings.engine, settings.precision, settings.device)
        )
        if model.engine.name != "torch":  # its threads would wait for each other, on a busy machine for a second
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        stream = model.stream(mode=settings.mode, rate=settings.rate, window_seconds=settings.window_seconds)
        view = stack.enter_context(LiveView(settings.source, on_error_output=settings.jsonl == "-"))
        watch = Watch(source, stream, view, size=model.input_size, lines=lines, window=window)
        error = watch.run(max_seconds=settings.max_seconds)
    if error is not None and not (isinstance(error, InputError) and watch.clock.num_answers):
        raise error
    _summarize(watch.clock, watch.num_taken)
    if error is None:
        return 0
    print(f"live: {error}", file=sys.stderr)
    return 1


class Watch:
    """One source, looked at until it ends.

    Args:
        source: Checked.
        stream: Empty.
        view: Shows answers.
        size: (height, width) of the frames that the stream takes.
        lines: Where answers go as JSON, or None.
        window: Or None.
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
        self._source, self._stream, self._view = source, stream, view
        self._size, self._lines, self._window = size, lines, window

    def run(self, *, max_seconds: float | None = None) -> BaseException | None:
        """Look until the source ends, `max_seconds` are over, or Ctrl-C is pressed; gives why the source ended."""
        end = None if max_seconds is None else time.monotonic() + max_seconds
        try:
            with Grabber(self._source, self._view.say) as grabber:
                while self._goes_on(end):
                    shot = grabber.next(timeout=_WAIT_SECONDS)
                    if shot is None and grabber.has_ended:
                        return grabber.error
                    self.num_taken = grabber.num_taken
                    self._look(shot)
        except KeyboardInterrupt:
            pass
        except BrokenPipeError:  # whoever read the lines has read enough
            self._lines = None
        return None

    def _goes_on(self, end: float | None) -> bool:
        return (end is None or time.monotonic() < end) and (self._window is None or self._window.is_open)

    def _look(self, shot: Shot | None) -> None:
        answer = None
        is_wanted = shot is not None and self._stream.wants(shot.seconds)
        self.clock.note_pictures(self.num_taken, is_looked_at=is_wanted)
        if shot is not None and is_wanted:
            answer = self._stream.push(shot.rgb(size=self._size), shot.seconds)
            if answer is not None:
                self._write(answer, self.clock.note_answer(shot.taken))
        self._view.show(answer, self.clock)
        if self._window is not None:
            self._window.show(shot if is_wanted else None, answer, self.clock)

    def _write(self, answer: Answer, delay: float) -> None:
        if self._lines is None:
            return
        values: dict[str, Any] = {
            "time": round(time.time(), 3),
            **answer.to_dict(),
            "age_ms": round(1000 * delay, 1),
            "frames_per_second": round(self.clock.frames_per_second, 1),
            "frames_taken": self.num_taken,
            "frames_passed": self.clock.num_passed,
        }
        self._lines.write(json.dumps(values, ensure_ascii=False) + "\n")
        self._lines.flush()


@contextmanager
def _open_lines(where: str | None) -> Iterator[TextIO | None]:
    """The place for lines of JSON.

    Raises:
        ArtifactError: It cannot be written.
    """
    if where is None or where == "-":
        yield sys.stdout if where else None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(where).open("a", encoding="utf-8"))
        except OSError as error:
            raise ArtifactError(f"cannot be written ({error.strerror})", path=where) from None
        yield file


def _summarize(clock: LiveClock, num_taken: int) -> None:
    """On standard error: standard output may belong to the answers."""
    if clock.num_answers:
        print(
            f"live: {clock.num_answers} answers to {num_taken} frames; age when given: median "
            f"{1000 * clock.delay(50):.0f} ms, 99 % {1000 * clock.delay(99):.0f} ms; when replaced: 99 % "
            f"{1000 * clock.greatest_age(99):.0f} ms",
            file=sys.stderr,
        )
    else:
        print(f"live: {num_taken} frames, too few for an answer", file=sys.stderr)
