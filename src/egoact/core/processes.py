"""Processes of our own beside this one, for work that one thread of Python cannot share."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection

from egoact.core.collecting import collect_rarely


@contextmanager
def worker_processes(count: int) -> Iterator[Sequence[Executor]]:
    """Processes that end with this one, however it ends; each works through what is submitted to it in turn.

    They are started anew (`spawn`), since threads of this one would not survive a fork. Leaving the context stops
    them where they are.
    """
    spawn = multiprocessing.get_context("spawn")
    with ExitStack() as open_ends:
        pools = []
        for _ in range(count):
            theirs, ours = spawn.Pipe(duplex=False)
            open_ends.callback(theirs.close)
            open_ends.callback(ours.close)
            pools.append(ProcessPoolExecutor(1, mp_context=spawn, initializer=_end_with_parent, initargs=(theirs,)))
        try:
            with _main_left_alone(), _interrupts_blocked():
                for pool in pools:
                    pool.submit(os.getpid)  # which starts it
            yield pools
        finally:
            open_ends.close()
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in pools:
                pool.shutdown()


def run_process(words: Sequence[str]) -> int:
    """Run a program to its end; gives its exit code. Ctrl-C does not reach it: this process ends it."""
    with _interrupts_blocked():
        process = subprocess.Popen(words)
    try:
        return process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise


def _end_with_parent(connection: Connection) -> None:
    """In a new process: whoever presses Ctrl-C means the one that started it, whose end closes the connection."""
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with suppress(EOFError, OSError):
            connection.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """What is started inherits this: Ctrl-C, which all processes of a terminal get, does not find it half started."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Keeps new processes from importing the caller's script, which they do not need.

    A script without a `__main__` guard would start the work again in every process; see "Safe importing of main
    module" in the documentation of `multiprocessing`.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in hidden:
        del main.__file__
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
