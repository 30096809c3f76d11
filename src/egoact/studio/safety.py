"""Who may ask the server: its own pages, and with a token people on the network. Knows nothing about what is asked.

A page of another site can make a browser send requests to 127.0.0.1. It is told apart by `Origin` and `Sec-Fetch-Site`,
and where its own name was made to lead here (DNS rebinding) by `Host`, which is then that name.
"""

import ipaddress
import secrets
import socket
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "egoact_studio"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; style-src 'self'; "
    "script-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(host: str) -> bool:
    """Whether an address that is listened on can be reached from this machine alone."""
    return host in _LOOPBACK


class Gate:
    """Middleware in front of everything; where the address that is listened on is not loopback, browsers need a token.

    Raises:
        ValueError: Reachable from elsewhere, and no token.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", token: str | None = None) -> None:
        if not is_loopback(host) and not token:
            raise ValueError(f"{host} can be reached from elsewhere; a token is needed")
        self._application, self._token = app, token
        self._is_local = is_loopback(host)
        self._names = _LOOPBACK if self._is_local else _LOOPBACK | {host, socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application what it should not be asked."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        refusal = self._refuse(HTTPConnection(scope))
        if refusal is None:
            await self._application(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()  # the request to connect
            await send({"type": "websocket.close", "code": 4401 if refusal.status_code == 401 else 4403})
        else:
            await refusal(scope, receive, _with_headers(send))

    def _refuse(self, asked: HTTPConnection) -> Response | None:
        headers = asked.headers
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_known(hosts[0]):
            return _error(403, "this address is not the studio's; open it as http://127.0.0.1")
        if len(origins) > 1 or (origins and not _is_same(origins[0], hosts[0])):
            return _error(403, "another site may not use the studio")
        is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if is_foreign and headers.get("sec-fetch-mode") != "navigate":
            return _error(403, "another site may not use the studio")
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = asked.cookies.get(COOKIE, "")
        if self._token is None or self._fits(given) or (scheme == "Bearer" and self._fits(bearer)):
            return None
        is_first = asked.scope["type"] == "http" and asked.scope["method"] == "GET" and asked.scope["path"] == "/"
        if is_first and self._fits(asked.query_params.get("token", "")):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", max_age=30 * 24 * 3600)
            return answer
        return _error(401, "a token is needed: open the address that egoact studio printed")

    def _is_known(self, host: str) -> bool:
        """Whether `Host` is this machine; a name that somebody else may have made to lead here is not."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
            urlsplit(f"//{host}").port  # noqa: B018  # raises where it is none
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return not self._is_local

    def _fits(self, given: str) -> bool:
        assert self._token is not None
        return secrets.compare_digest(given.encode(), self._token.encode())


def _is_same(origin: str, host: str) -> bool:
    """Whether `Origin` is the address that `Host` names, whatever the scheme: a proxy may add TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"reason": reason}, status_code=status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
