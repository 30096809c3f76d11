"""The whole loop over HTTP, with real jobs: upload, label, train, propose, accept, measure, export."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.makers.data.recordings import write_recording
from tests.makers.machines.studio import Client, adding, running


def finish(client: Client, request: dict[str, Any]) -> list[str]:
    """Wait until all jobs of a request are done; gives their command lines."""
    answer = client.post("/api/jobs", request)
    assert answer.status == 201, answer.content
    lines = []
    for begun in answer.json:
        job = client.wait_for_job(begun["id"])
        assert job["state"] == "done", client.get(f"/api/jobs/{job['id']}/log").json["text"][-3000:]
        lines.append(job["command_line"])
    return lines


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("measured_engines", "forked_jobs")
def test_from_recordings_to_corrected_proposals(tmp_path: Path) -> None:
    made, short = tmp_path / "made", (5, 8)
    labels = {f"ana_{n}": write_recording(made / f"ana_{n}.mp4", seed=n, lengths=short) for n in (1, 2, 3, 4)}
    with running(tmp_path / "project") as client:
        for name in labels:
            content = (made / f"{name}.mp4").read_bytes()
            assert client.post(f"/api/recordings?file_name={name}.mp4", raw=content).status == 201
        client.post("/api/annotators", {"name": "ana"})
        for name in ("ana_1", "ana_2", "ana_3"):
            actions = [adding(name, start, stop, verb) for start, stop, verb in labels[name]]
            assert client.edit("ana", *actions).status == 200
            client.request("PATCH", f"/api/recordings/{name}", {"is_labelled": True})
        assert [line.split()[1] for line in finish(client, {"kind": "train", "annotator": "ana"})] == [
            "extract",
            "train-timeline",
        ]
        [run] = client.get("/api/runs").json
        assert run["recordings"] == ["ana_1", "ana_2", "ana_3"] and run["metrics"]["verb"]["f1"]["25"] > 30
        finish(client, {"kind": "predict", "run": run["name"]})
        states = {r["id"]: r["state"] for r in client.get("/api/recordings").json}
        assert states == {"ana_1": "labelled", "ana_2": "labelled", "ana_3": "labelled", "ana_4": "proposed"}
        proposals = client.get(f"/api/runs/{run['name']}/proposals/ana_4?order=uncertain").json["proposals"]
        assert proposals and {p["verb"] for p in proposals} <= {"open", "close"}
        decisions = [{"proposal_id": p["id"], "action": "accept"} for p in proposals]
        body = {"request_id": uuid.uuid4().hex, "annotator": "ana", "decisions": decisions}
        assert client.post(f"/api/runs/{run['name']}/proposals/ana_4/decisions", body).status == 200
        client.request("PATCH", "/api/recordings/ana_4", {"is_labelled": True})
        finish(client, {"kind": "evaluate", "run": run["name"], "annotator": "ana"})
        [run] = client.get("/api/runs").json
        assert run["evaluation"]["verb"]["frame_accuracy"] == pytest.approx(100)  # its own words
        confusion = client.get(f"/api/runs/{run['name']}/confusion?annotator=ana&target=verb").json
        assert set(confusion["recordings"]) == set(labels) and not confusion["seen_recordings"]
        sent = client.get("/api/export?annotator=ana&format=segments").content.decode()
        assert len(sent.splitlines()) == 1 + 3 * 4 + len(proposals)
