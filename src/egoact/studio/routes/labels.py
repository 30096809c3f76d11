"""Labels: what there is, edits, what others changed, and annotation files of other programs."""

import secrets
from typing import Annotated
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from egoact.core.annotations.formats.catalogue import FORMATS
from egoact.core.annotations.formats.exchange import Source
from egoact.studio.refusal import Refusal
from egoact.studio.routes.project import read_body
from egoact.studio.schemas.labels import (
    AddEdit,
    ConflictAnswer,
    Edits,
    EditsDone,
    ExportNotes,
    Format,
    Imported,
    LabelChanges,
    Labels,
)
from egoact.studio.schemas.messages import FAULTS
from egoact.studio.workspace import Workspace

_MOST_BYTES = 100_000_000
Rate = Annotated[float | None, Query(gt=0, lt=10_000)]


def label_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/labels`."""
    router = APIRouter(prefix="/api/labels", responses=FAULTS)

    @router.get("/{annotator}")
    def labels(annotator: str, recording: str | None = None) -> Labels:
        return workspace.labels.read(annotator, recording)

    @router.post("/{annotator}/edits", responses={409: {"model": ConflictAnswer}})
    def edit(annotator: str, edits: Edits) -> EditsDone:
        new = {edit.segment.recording_id for edit in edits.edits if isinstance(edit, AddEdit)}
        if new and (missing := new - workspace.recordings.find_all()[0].keys()):
            raise Refusal(404, f"there is no recording called '{min(missing)[:80]}'")
        return workspace.labels.edit(annotator, edits)

    @router.get("/{annotator}/changes")
    def changes(annotator: str, since: Annotated[int, Query(ge=0)] = 0) -> LabelChanges:
        return workspace.labels.changes(annotator, since)

    return router


def annotation_file_routes(workspace: Workspace) -> APIRouter:
    """Import and export of annotation files, below `/api`."""
    router = APIRouter(prefix="/api", responses=FAULTS)
    files = workspace.annotation_files

    @router.get("/formats")
    def formats() -> list[Format]:
        return [
            Format(name=name, title=one.title, suffixes=list(one.suffixes), can_read=True, can_write=True)
            for name, one in FORMATS.items()
        ]

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
        told, content = files.give(annotator, format, recording)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(told.file_name)}"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @router.get("/export-notes")
    def notes(annotator: str, format: str, recording: str | None = None) -> ExportNotes:
        return files.give(annotator, format, recording)[0]

    return router
