"""A real studio server on 127.0.0.1, and a client that says what it got."""

import http.client
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from egoact.studio.application import StudioServer, build_application
from egoact.studio.project import Project
from egoact.studio.workspace import Workspace
from tests.makers.machines.processes import begin


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Client:
    """Sends one request a connection."""

    port: int
    host: str = "127.0.0.1"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        raw: Any = None,
        chunked: bool = False,
    ) -> Reply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        sent = dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body=raw, headers=sent, encode_chunked=chunked)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return self.request("POST", path, body, **options)

    def wait_for_job(self, number: int) -> Any:
        """What is known of a job when it has ended."""
        end = time.monotonic() + 600
        while (job := self.get(f"/api/jobs/{number}").json)["state"] in ("queued", "running"):
            assert time.monotonic() < end, f"job {number} is {job['state']} still"
            time.sleep(0.1)
        return job

    def edit(self, annotator: str, *edits: dict[str, Any], request_id: str | None = None) -> Reply:
        body = {"request_id": request_id or uuid.uuid4().hex, "edits": list(edits)}
        return self.post(f"/api/labels/{annotator}/edits", body)


def adding(recording: str, start: float, stop: float, verb: str | None = "open", **more: Any) -> dict[str, Any]:
    """An edit that adds a segment."""
    segment = {"recording_id": recording, "start_seconds": start, "stop_seconds": stop, "verb": verb, **more}
    return {"op": "add", "segment": segment}


@contextmanager
def running(folder: Path, *, max_upload_bytes: int = 10_000_000, **options: Any) -> Iterator[Client]:
    """A server in a thread of its own; the project is closed at the end."""
    workspace = Workspace(Project.open(folder, options.pop("media", ())), max_upload_bytes=max_upload_bytes)
    application = build_application(workspace, **options)
    server = StudioServer(application, workspace.events)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def in_a_process(folder: Path, *, port: int = 0) -> Iterator[tuple[Client, BaseProcess]]:
    """A server in a process of its own, which is killed at the end if it lives."""
    printed = Path(f"{folder}.printed")
    printed.unlink(missing_ok=True)
    process = begin(["studio", str(folder), "--port", str(port), "--no-browser"], printed=printed)
    try:
        while not (found := printed.is_file() and re.search(r":(\d+)/", printed.read_text())):
            assert process.is_alive()
            time.sleep(0.01)
        yield Client(int(found[1])), process
    finally:
        process.kill()
        process.join()
