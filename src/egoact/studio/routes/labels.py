"""Labels: what there is, edits, and what others changed."""

from typing import Annotated

from fastapi import APIRouter, Query

from egoact.studio.refusal import Refusal
from egoact.studio.schemas.labels import AddEdit, ConflictAnswer, Edits, EditsDone, LabelChanges, Labels
from egoact.studio.workspace import Workspace


def label_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/labels`."""
    router = APIRouter(prefix="/labels")

    @router.get("/{annotator}")
    def labels(annotator: str, recording: str | None = None) -> Labels:
        return workspace.labels.read(annotator, recording)

    @router.post("/{annotator}/edits", responses={409: {"model": ConflictAnswer}})
    def edit(annotator: str, edits: Edits) -> EditsDone:
        check_recordings(workspace, edits)
        return workspace.labels.edit(annotator, edits)

    @router.get("/{annotator}/changes")
    def changes(annotator: str, since: Annotated[int, Query(ge=0)] = 0) -> LabelChanges:
        return workspace.labels.changes(annotator, since)

    return router


def check_recordings(workspace: Workspace, edits: Edits) -> None:
    """Refuse new segments of recordings that are not here."""
    wanted = {edit.segment.recording_id for edit in edits.edits if isinstance(edit, AddEdit)}
    if wanted:
        missing = wanted - workspace.recordings.find_all()[0].keys()
        if missing:
            raise Refusal(404, f"there is no recording called '{min(missing)[:80]}'")
