"""Import and export of annotation files."""

import secrets
from typing import Annotated
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from egoact.core.annotations.formats.catalogue import FORMATS
from egoact.core.annotations.formats.exchange import Source
from egoact.studio.labelling.annotation_files import list_formats
from egoact.studio.refusal import Refusal
from egoact.studio.routes.project import read_body
from egoact.studio.schemas.exchange import ExportNotes, Format, Imported
from egoact.studio.workspace import Workspace

_MOST_BYTES = 100_000_000
Rate = Annotated[float | None, Query(gt=0, lt=10_000)]


def annotation_file_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api`."""
    router = APIRouter()
    files = workspace.annotation_files

    @router.get("/formats")
    def formats() -> list[Format]:
        return list_formats()

    @router.post("/import")
    async def take(
        request: Request,
        annotator: str,
        file_name: str,
        format: str | None = None,
        recording: str | None = None,
        fps: Rate = None,
        split: bool = False,
        request_id: str | None = None,
    ) -> Imported:
        if format is not None and format not in FORMATS:
            raise Refusal(400, f"there is no format called '{format[:80]}'")
        content = await read_body(request, most_bytes=_MOST_BYTES)

        def work() -> Imported:
            if recording is not None:
                workspace.recordings.find(recording)
            return files.take(
                annotator,
                Source(file_name, content),
                request_id=request_id or secrets.token_hex(16),
                format_name=format,
                recording=recording,
                fps=fps,
                is_split=split,
            )

        return await anyio.to_thread.run_sync(work)

    @router.get("/export", response_class=Response)
    def give(annotator: str, format: str, recording: str | None = None) -> Response:
        made = files.give(annotator, format, recording)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(made.file_name)}"}
        return Response(made.content, media_type="application/octet-stream", headers=headers)

    @router.get("/export-notes")
    def notes(annotator: str, format: str, recording: str | None = None) -> ExportNotes:
        made = files.give(annotator, format, recording)
        return ExportNotes(file_name=made.file_name, num_segments=made.num_segments, notes=made.notes)

    return router
