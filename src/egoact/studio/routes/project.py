"""The project, its classes and annotators, and the stream of events."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from egoact.studio.refusal import Refusal
from egoact.studio.schemas.messages import FAULTS, Target
from egoact.studio.schemas.project import Annotator, ClassSets, NewAnnotator, NewClass, Project
from egoact.studio.workspace import Workspace

_HEARTBEAT_SECONDS = 15.0
_MOST_CLASS_FILE_BYTES = 5_000_000


def project_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api`."""
    router = APIRouter(prefix="/api", responses=FAULTS)

    @router.get("/project")
    def project() -> Project:
        return workspace.describe()

    @router.get("/classes")
    def classes() -> ClassSets:
        return workspace.classes.sets()

    @router.post("/classes/{target}")
    def add_class(target: Target, new: NewClass) -> ClassSets:
        workspace.classes.use(target, new.name)
        return workspace.classes.sets()

    @router.put("/classes/{target}")
    async def replace_classes(target: Target, request: Request) -> ClassSets:
        content = await read_body(request, most_bytes=_MOST_CLASS_FILE_BYTES)
        await asyncio.to_thread(workspace.classes.replace, target, content)
        return workspace.classes.sets()

    @router.post("/annotators", status_code=201)
    def add_annotator(new: NewAnnotator) -> Annotator:
        return workspace.labels.add_annotator(new.name)

    @router.get("/events", response_class=StreamingResponse)
    async def events() -> StreamingResponse:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_stream(workspace), media_type="text/event-stream", headers=headers)

    return router


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """A small body; 413 where it is larger."""
    content = bytearray()
    async for some in request.stream():
        content += some
        if len(content) > most_bytes:
            raise Refusal(413, f"larger than {most_bytes // 1_000_000} MB")
    return bytes(content)


async def _stream(workspace: Workspace) -> AsyncIterator[str]:
    queue = workspace.events.listen()
    try:
        yield ": here\n\n"
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), _HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if event is None:
                return
            yield f"data: {event.model_dump_json()}\n\n"
    finally:
        workspace.events.leave(queue)
