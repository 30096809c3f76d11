"""Jobs, the runs that they train, what these propose, and how good they are."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response

from egoact.core.errors import InputError
from egoact.core.files import read_json
from egoact.studio.plans import make_plans
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.jobs import Job, JobLog, JobRequest
from egoact.studio.schemas.labels import ConflictAnswer
from egoact.studio.schemas.messages import FAULTS
from egoact.studio.schemas.results import Agreement, Confusion, Dashboard, LearningCurve, Mistakes, RunComparison
from egoact.studio.schemas.runs import Decisions, DecisionsDone, Proposals, ProposedRecording, Run
from egoact.studio.work.dashboard import DatedTimeline, dashboard_csv, make_dashboard
from egoact.studio.workspace import Workspace

ConfusionTarget = Literal["verb", "noun", "action"]
LogBytes = Annotated[int, Query(ge=1, le=10_000_000)]
Limit = Annotated[int, Query(ge=1, le=1000)]


def job_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/jobs`."""
    router = APIRouter(prefix="/api/jobs", responses=FAULTS)
    jobs = workspace.jobs

    @router.get("")
    def find_all() -> list[Job]:
        return jobs.find_all()

    @router.post("", status_code=201)
    def submit(request: Annotated[JobRequest, Body()]) -> list[Job]:
        return jobs.submit(make_plans(workspace, request))

    @router.get("/{number}")
    def one(number: int) -> Job:
        return jobs.find(number)

    @router.get("/{number}/log")
    def log(number: int, max_bytes: LogBytes = 65_536) -> JobLog:
        return jobs.read_log(number, max_bytes=max_bytes)

    @router.post("/{number}/cancel")
    def cancel(number: int) -> Job:
        return jobs.cancel(number)

    return router


def run_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/runs`."""
    router = APIRouter(prefix="/api/runs", responses=FAULTS)
    proposals, results = workspace.proposals, workspace.results

    @router.get("")
    def runs() -> list[Run]:
        return workspace.runs.find_all()

    @router.get("/{run}/proposals")
    def proposed(run: str) -> list[ProposedRecording]:
        return proposals.list_recordings(run)

    @router.get("/{run}/proposals/{recording}")
    def read(run: str, recording: str, order: Literal["time", "uncertain"] = "time") -> Proposals:
        workspace.runs.find(run)
        return proposals.read(run, recording, order=order)

    @router.post("/{run}/proposals/{recording}/decisions", responses={409: {"model": ConflictAnswer}})
    def decide(run: str, recording: str, decisions: Decisions) -> DecisionsDone:
        return proposals.decide(run, recording, decisions)

    @router.get("/{run}/confusion")
    def confusion(run: str, annotator: str, target: ConfusionTarget = "action") -> Confusion:
        return results.confusion(run, annotator, target)

    @router.get("/{run}/mistakes")
    def mistakes(run: str, annotator: str, limit: Limit = 50) -> Mistakes:
        return results.mistakes(run, annotator, limit=limit)

    @router.get("/{run}/compare")
    def compare(run: str, other: Annotated[str, Query(alias="with")]) -> RunComparison:
        return results.compare_runs(run, other)

    return router


def result_routes(workspace: Workspace) -> APIRouter:
    """Dashboards, learning curves and agreement, below `/api`."""
    router = APIRouter(prefix="/api", responses=FAULTS)

    @router.get("/learning-curves")
    def curves() -> list[LearningCurve]:
        return _read_curves(workspace)

    @router.get("/dashboard")
    def dashboard(run: str | None = None, annotator: str | None = None) -> Dashboard:
        return _dashboard(workspace, run, annotator)

    @router.get("/dashboard.csv", response_class=Response)
    def table(run: str | None = None, annotator: str | None = None) -> Response:
        text = dashboard_csv(_dashboard(workspace, run, annotator))
        headers = {"content-disposition": "attachment; filename=dashboard.csv"}
        return Response(text, media_type="text/csv", headers=headers)

    @router.get("/agreement")
    def agreement(first: str, second: str) -> Agreement:
        return workspace.results.agreement(first, second)

    return router


def _dashboard(workspace: Workspace, run: str | None, annotator: str | None) -> Dashboard:
    if (run is None) == (annotator is None):
        raise Refusal(400, "give either run or annotator")
    hands: dict[str, Any] = {}
    if run is not None:
        workspace.runs.find(run)
        timelines, hands = workspace.runs.timelines(run), workspace.runs.hands(run)
    else:
        assert annotator is not None
        timelines = workspace.results.labelled(annotator)
    sources, facts = workspace.recordings.find_all()[0], workspace.recordings.facts()
    dated = []
    for name, timeline in timelines.items():
        probe: dict[str, Any] = workspace.recordings.probe(sources[name]) if name in sources else {}
        told = facts.get(name, {})
        day = told.get("recorded_on") or probe.get("recorded_on")
        dated.append(
            DatedTimeline(
                timeline,
                told.get("participant_id") or name.partition("_")[0],
                date.fromisoformat(day) if day else None,
                timeline.duration_seconds or probe.get("duration_seconds"),
                told.get("note") or "",
                hands.get(name),
            )
        )
    return make_dashboard(run or f"labels of {annotator}", dated)


def _read_curves(workspace: Workspace) -> list[LearningCurve]:
    found: list[LearningCurve] = []
    for job in workspace.jobs.find_all():
        if job.kind != "learning_curve" or job.state != "done" or any(c.annotator == job.subject for c in found):
            continue
        try:
            path = workspace.project.own / "learning_curves" / str(job.subject) / "learning_curve.json"
            found.append(LearningCurve(job=job.id, annotator=str(job.subject), **read_json(path)))
        except (InputError, ValueError, TypeError):
            continue
    return found
