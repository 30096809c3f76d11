"""Work ahead in threads: what iterators give next is made while somebody uses what they gave last."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")

_POLL_SECONDS = 0.2  # Ctrl-C does not interrupt an endless wait on Windows


class _StoppedError(Exception):
    """Nobody waits for items any more."""


@dataclass(frozen=True)
class _End:
    """A thread has no more to do, or failed with `error`."""

    error: BaseException | None


def run_ahead(
    makers: Sequence[Callable[[], Iterator[Item]]], *, num_threads: int, most: int
) -> Generator[Item, None, None]:
    """Items of some iterators; those of one iterator in order, and its exception where it was raised.

    Closing the generator ends the threads, which close their iterators. Each maker makes an iterator, in the thread
    that runs it; `num_threads` of them run at the same time. At most `most` items wait, which bounds memory.
    """
    todo: queue.SimpleQueue[Callable[[], Iterator[Item]]] = queue.SimpleQueue()
    for maker in makers:
        todo.put(maker)
    ready: queue.Queue[Item | _End] = queue.Queue(maxsize=most)
    stop = threading.Event()

    def put(item: Item | _End) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                return ready.put(item, timeout=_POLL_SECONDS)
        raise _StoppedError

    def work() -> None:
        end = _End(None)
        try:
            while True:
                with closing(todo.get_nowait()()) as iterator:  # pyrefly: ignore[bad-specialization]
                    for item in iterator:
                        put(item)
        except (queue.Empty, _StoppedError):
            pass
        except BaseException as error:  # it belongs to the thread that waits
            end = _End(error)
        with suppress(_StoppedError):
            put(end)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(num_threads)]
    for thread in threads:
        thread.start()
    num_running = num_threads
    try:
        while num_running:
            try:
                item = ready.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if not isinstance(item, _End):
                yield item
                continue
            if item.error is not None:
                raise item.error
            num_running -= 1
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=5)
