"""What happened, told to every browser that listens; knows nothing about HTTP."""

import asyncio
import threading

from egoact.studio.schemas.jobs import Event

_MOST_WAITING = 1000


class Events:
    """Takes events from any thread, and gives them to listeners on the server's loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[asyncio.Queue[Event | None], asyncio.AbstractEventLoop] = {}

    def tell(self, event: Event | None) -> None:
        """Say it to all who listen now; None: that nothing will follow."""
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_put, queue, event)

    def listen(self) -> "asyncio.Queue[Event | None]":
        """A queue of all events from now on; None ends it, for a listener that is too slow as well."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_WAITING)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        return queue

    def leave(self, queue: "asyncio.Queue[Event | None]") -> None:
        """Listen no more."""
        with self._lock:
            self._listeners.pop(queue, None)


def _put(queue: "asyncio.Queue[Event | None]", event: Event | None) -> None:
    if queue.full():
        queue.get_nowait()
        event = None
    queue.put_nowait(event)
