"""The application that answers requests: routes, errors as one line, the front end's files; uvicorn, which runs it."""

import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from egoact.core.errors import InputError, MediaError
from egoact.studio.events import Events
from egoact.studio.refusal import Refusal
from egoact.studio.routes.labels import annotation_file_routes, label_routes
from egoact.studio.routes.live import live_routes
from egoact.studio.routes.project import project_routes
from egoact.studio.routes.recordings import recording_routes
from egoact.studio.routes.runs import job_routes, result_routes, run_routes
from egoact.studio.safety import Gate
from egoact.studio.workspace import Workspace

WEB = Path(__file__).parent / "web"
_MOST_MESSAGE_BYTES = 16_000_000
_GRACE_SECONDS = 3
_ROUTES = (
    project_routes,
    recording_routes,
    label_routes,
    job_routes,
    run_routes,
    result_routes,
    annotation_file_routes,
    live_routes,
)
_NO_FRONT_END = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>egoact studio</title></head>
<body><h1>egoact studio</h1>
<p>The server is running. This installation has no built front end, so there is no page to show;
programs can use the interface below <code>/api</code>.</p></body></html>
"""


def build_application(
    workspace: Workspace, *, host: str = "127.0.0.1", token: str | None = None, web: Path = WEB
) -> FastAPI:
    """All routes on an open project, which is closed when the server ends; `host` and `token` as `Gate` has them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workspace.close()

    application = FastAPI(
        title="egoact studio", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    application.add_middleware(Gate, host=host, token=token)
    _answer_errors(application)
    for routes in _ROUTES:
        application.router.routes += routes(workspace).routes  # `include_router` makes each of them anew

    @application.api_route(
        "/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    def nothing(path: str) -> None:
        raise Refusal(404, f"there is no /api/{path[:80]}")

    _serve_pages(application, web.resolve())
    return application


def _answer_errors(application: FastAPI) -> None:
    @application.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        return _error(error.status, error.reason, headers, error.details)

    @application.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return _error(422, f"{where}: {first['msg']}" if where else str(first["msg"]))

    @application.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail), dict(error.headers or {}))

    @application.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return _error(400, "the request ended before it was complete")  # nobody reads it

    @application.exception_handler(MediaError)
    async def unreadable(_: Request, error: MediaError) -> Response:
        return _error(415, str(error))

    @application.exception_handler(InputError)
    async def wrong(_: Request, error: InputError) -> Response:
        return _error(400, str(error))

    @application.exception_handler(OSError)
    @application.exception_handler(sqlite3.Error)
    async def broken(_: Request, error: Exception) -> Response:
        return _error(500, f"this could not be done: {getattr(error, 'strerror', None) or error}")


def _error(
    status: int, reason: str, headers: dict[str, str] | None = None, details: dict[str, object] | None = None
) -> Response:
    content = {"reason": " ".join(reason.split()), **(details or {})}
    return JSONResponse(content, status_code=status, headers=headers)


def _serve_pages(application: FastAPI, root: Path) -> None:
    @application.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        index = root / "index.html"
        if not index.is_file():
            return HTMLResponse(_NO_FRONT_END)
        found = (root / path).resolve() if "\0" not in path else root
        if found.is_file() and found.is_relative_to(root):
            is_named_by_content = "/assets/" in f"/{path}"
            cache = "public, max-age=31536000, immutable" if is_named_by_content else "no-cache"
            return FileResponse(found, headers={"cache-control": cache})
        if "." in path.rpartition("/")[2]:
            raise Refusal(404, "there is no such page")
        return FileResponse(index, headers={"cache-control": "no-cache"})


class StudioServer(uvicorn.Server):
    """uvicorn, which ends streams of events first when it ends: else it would wait for them."""

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
        self._events.tell(None)
        await super().shutdown(sockets)
