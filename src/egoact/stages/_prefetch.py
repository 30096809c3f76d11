"""Work ahead in a thread: what an iterator gives next is made while somebody uses what it gave last."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_POLL_SECONDS = 0.2


class _End:
    """The iterator is exhausted, or failed with `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(iterator: Iterator[Item], *, most: int) -> Generator[Item, None, None]:
    """The same items in the same order, and the same exception at the same place.

    Closing the generator ends the thread, which closes the iterator.

    Args:
        iterator: Runs in a thread of its own.
        most: Items that may wait; bounds memory.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(maxsize=most)
    stop = threading.Event()

    def put(item: Item | _End) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

    def work() -> None:
        end = _End()
        try:
            for item in iterator:
                put(item)
                if stop.is_set():
                    break
        except BaseException as error:  # it belongs to the thread that waits
            end = _End(error)
        finally:
            if close := getattr(iterator, "close", None):
                close()
            put(end)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = waiting.get(timeout=_POLL_SECONDS)  # Ctrl-C does not interrupt an endless wait on Windows
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stop.set()
        thread.join(timeout=5)
