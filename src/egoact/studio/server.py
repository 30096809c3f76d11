"""uvicorn, as the studio runs it."""

import socket

import uvicorn
from starlette.types import ASGIApp

from egoact.studio.events import Events

_MOST_MESSAGE_BYTES = 16_000_000
_GRACE_SECONDS = 3


class StudioServer(uvicorn.Server):
    """Ends streams of events first when it ends: else it would wait for them.

    Args:
        application: What answers.
        events: Whose listeners are told that nothing will follow.
        port: To listen on, where no sockets are given.
    """

    def __init__(self, application: ASGIApp, events: Events, *, port: int = 0) -> None:
        self._events = events
        config = uvicorn.Config(
            application,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws_max_size=_MOST_MESSAGE_BYTES,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn once it has been told to end."""
        self._events.close()
        await super().shutdown(sockets)
