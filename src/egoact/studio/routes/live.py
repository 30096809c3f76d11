"""Live: pictures over a WebSocket, the browser's to the server or the server's to the browser, one answer for each."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from egoact.studio.live.sessions import LiveSession
from egoact.studio.live.watching import ServerCamera, find_source
from egoact.studio.refusal import Refusal
from egoact.studio.routes.recordings import describe_recordings
from egoact.studio.schemas.live import LiveAnswer, LiveFault, LiveReady, SaveLive
from egoact.studio.schemas.messages import FAULTS
from egoact.studio.schemas.recordings import Recording
from egoact.studio.workspace import Workspace

_MOST_PICTURE_BYTES = 16_000_000
_REFUSED = 4400


def live_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/live`."""
    router = APIRouter(prefix="/api/live", responses=FAULTS)
    sessions = workspace.live

    @router.websocket("")
    async def live(socket: WebSocket, run: str, source: str | None = None) -> None:
        await socket.accept()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="live") as worker:
            do = partial(asyncio.get_running_loop().run_in_executor, worker)  # networks answer where they were loaded
            try:
                watched = None if source is None else await do(find_source, source, workspace.recordings)
                session, rate = await do(sessions.open, run)
            except Refusal as refusal:
                await _say(socket, LiveFault(reason=refusal.reason))
                await socket.close(_REFUSED)
                return
            try:
                ready = LiveReady(session=session.identity, run=run, rate=rate, targets=list(session.targets))
                await _say(socket, ready)
                if watched is None:
                    await _answer_all(socket, session, do)
                else:
                    camera = ServerCamera(watched, rate=rate)
                    try:
                        await _show_all(socket, session, camera, do)
                    finally:
                        await do(camera.close)
            except (WebSocketDisconnect, RuntimeError):
                pass  # it has gone
            finally:
                sessions.close(session.identity)

    @router.post("/{session}/save", status_code=201)
    def save(session: str, wish: SaveLive) -> Recording:
        source = workspace.recordings.find(sessions.save(session, wish.name))
        return describe_recordings(workspace, [source])[0]

    return router


async def _answer_all(socket: WebSocket, session: LiveSession, do: Any) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        content = message.get("bytes")
        if not content or len(content) > _MOST_PICTURE_BYTES:
            await _say(socket, LiveFault(reason="a JPEG picture is expected, as a binary message"))
            continue
        try:
            await _say(socket, await do(session.answer, content))
        except Refusal as refusal:
            await _say(socket, LiveFault(reason=refusal.reason))


async def _show_all(socket: WebSocket, session: LiveSession, camera: ServerCamera, do: Any) -> None:
    """Picture and answer, and the newest one after that when the browser asks for it."""

    def look() -> tuple[bytes, LiveAnswer] | None:
        seen = camera.look()
        return None if seen is None else session.answer_picture(*seen)

    asked = asyncio.ensure_future(socket.receive())
    try:
        while not asked.done():
            told = await do(look)
            if told is None:
                if camera.has_ended:
                    await socket.close()
                    return
                if camera.said:
                    await _say(socket, LiveFault(reason=camera.said.pop()))
                continue
            await socket.send_bytes(told[0])
            await _say(socket, told[1])
            if (await asked)["type"] == "websocket.disconnect":
                return
            asked = asyncio.ensure_future(socket.receive())
    except Refusal as refusal:
        await _say(socket, LiveFault(reason=refusal.reason))
        await socket.close(_REFUSED)
    finally:
        asked.cancel()


async def _say(socket: WebSocket, answer: Any) -> None:
    await socket.send_text(answer.model_dump_json())
