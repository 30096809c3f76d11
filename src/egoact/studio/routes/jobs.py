"""Jobs: what runs, what waits, and what came of it."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from egoact.studio.plans import make_plans
from egoact.studio.schemas.jobs import Job, JobLog, JobRequest
from egoact.studio.workspace import Workspace

LogBytes = Annotated[int, Query(ge=1, le=10_000_000)]


def job_routes(workspace: Workspace) -> APIRouter:
    """Routes below `/api/jobs`."""
    router = APIRouter(prefix="/jobs")
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
