"""Being stopped from outside: by Ctrl-C, or by SIGTERM, which service managers send."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED_CODE = 130
PATIENCE_SECONDS = 5.0


class StoppedError(KeyboardInterrupt):
    """Somebody pressed Ctrl-C, or sent SIGTERM.

    Python lets a process die of SIGINT at its end where a `KeyboardInterrupt` left text that `exec` ran, as
    `dataclasses` have it do, although it was caught; not where it is of a class derived from it (`run_eval_code_obj`
    of CPython's `pythonrun.c`).
    """


class _Answer:
    """What is done about both signals: the first is raised, others let what it caused come to its end."""

    def __init__(self) -> None:
        self.stopped_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        interrupt = signal.getsignal(signal.SIGINT)
        if number == signal.SIGTERM and callable(interrupt) and interrupt is not self:
            interrupt(signal.SIGINT, frame)  # somebody answers Ctrl-C in another way at this moment
        elif self.stopped_at is None:
            self.stopped_at = time.monotonic()
            raise StoppedError
        elif time.monotonic() - self.stopped_at > PATIENCE_SECONDS:
            say_stopped()
            os._exit(STOPPED_CODE)


def take_stops() -> Callable[[], None]:
    """Have Ctrl-C and SIGTERM raise `StoppedError`, once; gives what undoes this.

    Those that follow are ignored, so that they do not disturb what is put in order; after `PATIENCE_SECONDS` they end
    the process where it is. Where Ctrl-C is ignored, as by what a shell runs in the background, it stays so.
    """
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or isinstance(before[1], _Answer):
        return lambda: None
    answer = _Answer()

    def undo() -> None:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])

    if before[0] is signal.default_int_handler:
        signal.signal(signal.SIGINT, answer)
    signal.signal(signal.SIGTERM, answer)
    return undo


@contextmanager
def stops_kept() -> Iterator[None]:
    """Whatever is raised after a stop is a `StoppedError`: libraries raise their own in its place."""
    try:
        yield
    except Exception as error:
        answer = signal.getsignal(signal.SIGTERM)
        if isinstance(answer, _Answer) and answer.stopped_at is not None:
            raise StoppedError from error
        raise


def let_end() -> None:
    """A process that has done its work ends with its exit code, whoever asks it to stop meanwhile.

    It waits for its threads: should that take longer than `PATIENCE_SECONDS`, it can be ended all the same.
    """
    answer = signal.getsignal(signal.SIGTERM)
    if isinstance(answer, _Answer) and answer.stopped_at is None:
        answer.stopped_at = time.monotonic()


def ignore_stops() -> None:
    """For the very end, where Python no longer answers signals, and they would end the process with another code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def say_stopped() -> None:
    """What people are told."""
    print("egoact: stopped; the same command goes on from here", file=sys.stderr, flush=True)
