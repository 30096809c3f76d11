"""Recordings: lists, uploads, videos in byte ranges, and what is computed of them."""

from collections import Counter
from collections.abc import Collection
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response

from egoact.media.sources import MediaSource
from egoact.studio.media.recordings import too_large
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.messages import FAULTS
from egoact.studio.schemas.recordings import (
    Frames,
    Recording,
    RecordingChange,
    RecordingState,
    Review,
    ReviewChange,
    Waveform,
)
from egoact.studio.work.proposals import uncertainty
from egoact.studio.workspace import Workspace

_KINDS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}
Bins = Annotated[int, Query(ge=1, le=20_000)]
OptionalSeconds = Annotated[float | None, Query(ge=0, le=1e7)]


def recording_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/recordings`."""
    router = APIRouter(prefix="/api/recordings", responses=FAULTS)
    recordings, measures = workspace.recordings, workspace.measures

    @router.get("")
    def find_all(annotator: str | None = None) -> list[Recording]:
        return describe_recordings(workspace, recordings.find_all()[0].values(), annotator)

    @router.post("", status_code=201)
    async def upload(file_name: str, request: Request) -> Recording:
        most_bytes, stated = workspace.max_upload_bytes, request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > most_bytes:
            raise too_large(most_bytes)
        return one(await recordings.upload(file_name, request.stream(), most_bytes=most_bytes))

    @router.get("/{recording}")
    def one(recording: str, annotator: str | None = None) -> Recording:
        return describe_recordings(workspace, [recordings.find(recording)], annotator)[0]

    @router.patch("/{recording}")
    def change(recording: str, change: RecordingChange) -> Recording:
        recordings.change(recording, change)
        return one(recording)

    @router.get("/{recording}/video", response_class=FileResponse)
    def video(recording: str, is_quick: bool = False) -> FileResponse:
        source = recordings.find(recording)
        playable = recordings.quick(source) if is_quick else recordings.playable(source)
        if playable is None:
            reason = recordings.probe(source)["problem"] or "browsers do not play this file; a copy must be made of it"
            raise Refusal(415, reason)
        kind = _KINDS.get(playable.suffix.lower(), "application/octet-stream")
        return FileResponse(playable, media_type=kind, headers={"cache-control": "private, no-cache"})

    @router.get("/{recording}/frames")
    def frames(recording: str) -> Frames:
        source = recordings.find(recording)
        facts = recordings.probe(source)
        num_pixels = (facts["width"] or 0) * (facts["height"] or 0)
        quick = recordings.quick(source)
        found = measures.frames(source, quick or recordings.playable(source) or source.path, num_pixels=num_pixels)
        jobs = workspace.jobs
        is_settled = jobs.unfinished("quick", source.video_id) or jobs.was_given_up("quick", source.video_id)
        wants_quick = found.wants_quick and quick is None and not is_settled
        return found.model_copy(update={"is_quick": quick is not None, "wants_quick": wants_quick})

    @router.get("/{recording}/waveform")
    def waveform(
        recording: str, bins: Bins = 2000, start: OptionalSeconds = None, stop: OptionalSeconds = None
    ) -> Waveform:
        return measures.waveform(recordings.find(recording), num_bins=bins, start=start or 0.0, stop=stop)

    @router.get("/{recording}/review")
    def review(recording: str) -> Review:
        return workspace.reviews.read(recording)

    @router.put("/{recording}/review")
    def change_review(recording: str, change: ReviewChange) -> Review:
        job = workspace.jobs.unfinished("blur", recordings.find(recording).video_id)
        if job is not None and "--review" in workspace.jobs.find(job).command_line.split():
            raise Refusal(409, "faces are looked for in this recording just now; wait until that is done")
        return workspace.reviews.change(recording, change)

    @router.get("/{recording}/masked", response_class=Response)
    def masked(recording: str, seconds: Annotated[float, Query(ge=0, le=1e7)]) -> Response:
        content = workspace.reviews.picture(recording, seconds)
        return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @router.get("/{recording}/thumbnail", response_class=FileResponse)
    def thumbnail(recording: str, seconds: OptionalSeconds = None) -> FileResponse:
        source = recordings.find(recording)
        middle = (recordings.probe(source)["duration_seconds"] or 0.0) / 2
        path = measures.thumbnail(source, middle if seconds is None else seconds)
        return FileResponse(path, media_type="image/jpeg", headers={"cache-control": "private, max-age=60"})

    return router


def describe_recordings(
    workspace: Workspace, sources: Collection[MediaSource], annotator: str | None = None
) -> list[Recording]:
    """Everything that lists show, of some recordings."""
    if annotator is not None:
        workspace.labels.check(annotator)
    query = "SELECT recording_id, COUNT(*) AS number FROM segments WHERE NOT is_deleted AND ? IN (annotator, '')"
    rows = workspace.database.rows(f"{query} GROUP BY recording_id", annotator or "")
    counts = Counter({row["recording_id"]: row["number"] for row in rows})
    facts, proposed = workspace.recordings.facts(), workspace.runs.newest_timelines()
    probes = workspace.recordings.probe_all(sources)
    told = []
    for source in sorted(sources, key=lambda source: source.video_id):
        name = source.video_id
        known, probe, timeline = facts.get(name, {}), probes[name], proposed.get(name)
        state: RecordingState = "in_work" if counts[name] else "unlabelled" if timeline is None else "proposed"
        day = known.get("recorded_on") or probe["recorded_on"]
        is_playable = workspace.recordings.playable(source) is not None
        found = probe | {"is_playable": is_playable, "recorded_on": date.fromisoformat(day) if day else None}
        told.append(
            Recording(
                id=name,
                file_name=source.path.name,
                **found,
                playable_job=workspace.jobs.unfinished("playable", name),
                state="labelled" if known.get("is_labelled") else state,
                num_segments=counts[name],
                num_proposals=0 if timeline is None else len(timeline),
                uncertainty=None if timeline is None else uncertainty(timeline),
                participant_id=known.get("participant_id") or name.partition("_")[0],
                note=known.get("note") or "",
            )
        )
    return told
