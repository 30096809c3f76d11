"""Proposals and results of runs that lie in the project, over HTTP."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from egoact.core.files import write_json
from tests.makers.machines.studio import Client, adding, running

FOUND = {
    "ana_1": [(0, 0.5, "open", 0.9), (0.6, 1.0, "close", 0.4), (1.2, 1.6, "open", 0.7)],
    "ana_2": [(0, 1, "open", 0.95)],
}


def timeline(name: str, actions: list[tuple[float, float, str, float]]) -> dict[str, Any]:
    segments = [
        {"start_seconds": a, "stop_seconds": b, "verb": verb, "noun": None, "confidence": sure}
        for a, b, verb, sure in actions
    ]
    return {"format_version": 1, "video_id": name, "duration_seconds": 2.0, "segments": segments}


@pytest.fixture
def client(tmp_path: Path, short_video: Path) -> Iterator[Client]:
    (tmp_path / "recordings").mkdir()
    for name in ("ana_1", "ana_2", "ana_3"):
        shutil.copyfile(short_video, tmp_path / "recordings" / f"{name}.mp4")
    for run in ("run-1", "run-2"):
        config = {"task": "timeline", "segmenter": "causal", "vocabularies": {"verb": {}}}
        for name, actions in FOUND.items():
            write_json(tmp_path / "timelines" / run / name / "timeline.json", timeline(name, actions))
        write_json(tmp_path / "runs" / run / "trained_on.json", {"training": {"ana_3": [[0, 2]]}, "chosen_on": {}})
        write_json(tmp_path / "runs" / run / "config.json", config)
    (tmp_path / "runs" / "half").mkdir()
    with running(tmp_path) as client:
        assert client.post("/api/annotators", {"name": "ana"}).status == 201
        yield client


def decide(client: Client, *decisions: dict[str, Any], recording: str = "ana_1", request: str = "request-1") -> Any:
    body = {"request_id": request, "annotator": "ana", "decisions": list(decisions)}
    return client.post(f"/api/runs/run-1/proposals/{recording}/decisions", body)


def test_runs_are_told(client: Client) -> None:
    told = client.get("/api/runs").json
    assert {run["name"] for run in told} == {"run-1", "run-2"}
    assert told[0]["is_live"] and told[0]["recordings"] == ["ana_3"] and told[0]["timelines"] == ["ana_1", "ana_2"]
    assert client.get("/api/runs/half/confusion?annotator=ana").status == 404
    assert client.get("/api/runs/..%2Frecordings/proposals").status == 404


def test_the_least_certain_come_first(client: Client) -> None:
    order = client.get("/api/runs/run-1/proposals").json
    assert [line["recording_id"] for line in order] == ["ana_1", "ana_2"]
    assert order[0]["uncertainty"] == pytest.approx((0.5 * 0.1 + 0.4 * 0.6 + 0.4 * 0.3) / 1.3)
    told = client.get("/api/runs/run-1/proposals/ana_1?order=uncertain").json["proposals"]
    assert [p["confidence"] for p in told] == [0.4, 0.7, 0.9] and {p["decision"] for p in told} == {"open"}
    states = {r["id"]: (r["state"], r["num_proposals"]) for r in client.get("/api/recordings").json}
    assert states == {"ana_1": ("proposed", 3), "ana_2": ("proposed", 1), "ana_3": ("unlabelled", 0)}


def test_decisions_become_labels_and_can_be_taken_back(client: Client) -> None:
    one, two, three = (p["id"] for p in client.get("/api/runs/run-1/proposals/ana_1").json["proposals"])
    right = {"recording_id": "ana_1", "start_seconds": 0.55, "stop_seconds": 1.1, "verb": "shut"}
    answer = decide(
        client,
        {"proposal_id": one, "action": "accept"},
        {"proposal_id": two, "action": "correct", "segment": right},
        {"proposal_id": three, "action": "reject"},
    )
    assert answer.status == 200
    assert [p["decision"] for p in answer.json["proposals"]] == ["accepted", "corrected", "rejected"]
    labels = client.get("/api/labels/ana").json["segments"]
    assert [(s["verb"], s["start_seconds"], s["stop_seconds"]) for s in labels] == [
        ("open", 0, 0.5),
        ("shut", 0.55, 1.1),
    ]
    assert client.get("/api/runs/run-1/proposals").json[0]["recording_id"] == "ana_2"  # nothing is open in the other
    again = decide(client, {"proposal_id": one, "action": "accept"})  # the same request once more
    assert again.status == 200 and len(client.get("/api/labels/ana").json["segments"]) == 2
    back = decide(client, {"proposal_id": two, "action": "reopen"}, request="request-2").json
    assert back["deleted"] == [labels[1]["id"]] and back["proposals"][0]["decision"] == "open"
    gone = {"op": "delete", "id": labels[0]["id"], "version": labels[0]["version"]}
    client.edit("ana", gone)  # undone on the timeline
    now = client.get("/api/runs/run-1/proposals/ana_1").json["proposals"]
    assert [p["decision"] for p in now] == ["open", "open", "rejected"]


def test_impossible_decisions_change_nothing(client: Client) -> None:
    one = client.get("/api/runs/run-1/proposals/ana_1").json["proposals"][0]["id"]
    right = {"recording_id": "ana_2", "start_seconds": 0, "stop_seconds": 1, "verb": "shut"}
    for decision, status in (
        ({"proposal_id": "nothing", "action": "accept"}, 404),
        ({"proposal_id": one, "action": "correct"}, 400),
        ({"proposal_id": one, "action": "correct", "segment": right}, 400),
        ({"proposal_id": one, "action": "explode"}, 422),
    ):
        assert decide(client, {"proposal_id": one, "action": "accept"}, decision).status == status
    assert client.get("/api/labels/ana").json["segments"] == []


def label_everything(client: Client) -> None:
    for name in ("ana_1", "ana_2", "ana_3"):
        assert client.edit("ana", adding(name, 0, 0.5, "open"), adding(name, 0.6, 1.0, "wash")).status == 200
        client.request("PATCH", f"/api/recordings/{name}", {"is_labelled": True, "recorded_on": f"2026-01-0{name[-1]}"})


def test_confusions_open_the_clips_behind_them(client: Client) -> None:
    label_everything(client)
    told = client.get("/api/runs/run-1/confusion?annotator=ana&target=verb").json
    cells = {(cell["truth"], cell["found"]): cell for cell in told["cells"]}
    assert {key: cell["count"] for key, cell in cells.items()} == {
        ("open", "open"): 2,
        ("wash", "close"): 1,
        ("wash", None): 1,
        (None, "open"): 1,
    }
    [clip] = cells["wash", "close"]["clips"]
    assert (clip["recording_id"], clip["start_seconds"], clip["confidence"]) == ("ana_1", 0.6, 0.4)
    assert told["recordings"] == ["ana_1", "ana_2"] and told["seen_recordings"] == ["ana_3"]
    wrong = client.get("/api/runs/run-1/mistakes?annotator=ana").json["mistakes"]
    assert [(m["truth"], m["found"], m["confidence"]) for m in wrong] == [(None, "open", 0.7), ("wash", "close", 0.4)]


def test_recordings_that_a_run_learned_from_count_as_held_out(client: Client, tmp_path: Path) -> None:
    label_everything(client)
    both = {"predicted": timeline("ana_3", [(0, 0.5, "open", 0.8)]), "truth": timeline("ana_3", [])}
    write_json(tmp_path / "runs" / "run-1" / "timelines.json", {"held_out": True, "videos": {"ana_3": both}})
    told = client.get("/api/runs/run-1/confusion?annotator=ana&target=verb").json
    assert told["recordings"] == ["ana_1", "ana_2", "ana_3"] and told["seen_recordings"] == []
    compared = client.get("/api/runs/run-1/compare?with=run-2").json
    assert compared["is_same_recordings"] and all(m["difference"] == 0 for m in compared["metrics"])
    assert {m["name"] for m in compared["metrics"]} >= {"verb: frame accuracy", "verb: F1@25"}


def test_dashboards_count_over_days(client: Client) -> None:
    label_everything(client)
    [person] = client.get("/api/dashboard?annotator=ana").json["people"]
    assert person["participant_id"] == "ana" and person["num_recordings"] == 3
    opened = next(action for action in person["actions"] if action["name"] == "open")
    assert [(day["day"], day["count"], day["mean_seconds"]) for day in opened["days"]] == [
        (f"2026-01-0{n}", 1, 0.5) for n in (1, 2, 3)
    ]
    assert opened["days"][0]["per_hour"] == pytest.approx(1800) and opened["days"][0]["share_of_time"] == pytest.approx(
        0.25
    )
    assert opened["days"][0]["clips"][0]["recording_id"] == "ana_1"
    table = client.get("/api/dashboard.csv?annotator=ana").content.decode().splitlines()
    assert table[0].startswith("participant_id,day,action") and len(table) == 7
    assert client.get("/api/dashboard").status == 400
    assert client.get("/api/dashboard?run=run-1").json["people"][0]["num_recordings"] == 2


def test_annotators_are_compared(client: Client) -> None:
    client.post("/api/annotators", {"name": "ben"})
    client.edit("ana", adding("ana_1", 0, 1, "open"), adding("ana_1", 1, 1.5, "close"))
    client.edit("ben", adding("ana_1", 0.1, 1, "open"), adding("ana_1", 1.8, 2, "wash"))
    told = client.get("/api/agreement?first=ana&second=ben").json
    assert told["together"]["boundaries"]["start_mean_seconds"] == pytest.approx(0.1)
    assert (told["together"]["only_first"], told["together"]["only_second"]) == (1, 1)
    assert 0 < told["together"]["kappa"]["verb"] < 1
    assert client.get("/api/agreement?first=ana&second=nobody").status == 404


def test_jobs_are_command_lines(client: Client) -> None:
    client.edit("ana", adding("ana_1", 0, 1, "open"))
    made = client.post("/api/jobs", {"kind": "train", "annotator": "ana", "segmenter": "causal", "labelled_only": True})
    assert made.status == 201
    extract, train = made.json
    assert extract["command_line"] == (
        "egoact extract --media recordings --features features --streams rgb motion "
        "--segments labels/ana.csv --recordings"
    )
    assert train["command_line"] == (
        "egoact train-timeline --segments labels/ana.csv --features features --run runs/run-3 --streams rgb motion "
        "--segmenter causal --labelled-only"
    )
    assert train["needs"] == extract["id"] and train["subject"] == "run-3"
    for number in (train["id"], extract["id"]):
        client.post(f"/api/jobs/{number}/cancel")
    made = client.post("/api/jobs", {"kind": "predict", "run": "run-1", "recordings": ["ana_2"]}).json
    assert made[0]["command_line"].startswith("egoact predict recordings/ana_2.mp4 --run runs/run-1 --out ")
    client.post(f"/api/jobs/{made[0]['id']}/cancel")
    made = client.post("/api/jobs", {"kind": "blur", "recording": "ana_1", "hide": [[0.5, 1.25]]}).json
    assert made[0]["command_line"] == (
        "egoact blur recordings/ana_1.mp4 --out recordings/ana_1_blurred.mp4 --hide 0.5-1.25"
    )
    client.post(f"/api/jobs/{made[0]['id']}/cancel")
    for body, status in (
        ({"kind": "blur", "recording": "ana_1", "hide": [[2, 1]]}, 400),
        ({"kind": "train", "annotator": "nobody"}, 404),
        ({"kind": "train", "annotator": "ana", "run": "run-1"}, 409),
        ({"kind": "train", "annotator": "ana", "run": "../x"}, 422),
        ({"kind": "train", "annotator": "ana", "recordings": ["ana_2"]}, 409),
        ({"kind": "predict", "run": "nothing"}, 404),
        ({"kind": "predict", "run": "run-1", "recordings": ["--help"]}, 404),
        ({"kind": "playable", "recording": "ana_1"}, 409),
        ({"kind": "shell", "words": "rm"}, 422),
    ):
        answer = client.post("/api/jobs", body)
        assert answer.status == status and answer.json["reason"], body


def test_runs_are_measured_on_what_they_did_not_learn_from(client: Client, tmp_path: Path) -> None:
    assert client.post("/api/jobs", {"kind": "evaluate", "run": "run-1", "annotator": "ana"}).status == 409
    label_everything(client)
    write_json(tmp_path / "timelines" / "run-1" / "ana_3" / "timeline.json", timeline("ana_3", []))
    time.sleep(1.1)  # timelines are looked at anew after a moment
    [job] = client.post("/api/jobs", {"kind": "evaluate", "run": "run-1", "annotator": "ana"}).json
    for _ in range(300):
        job = client.get(f"/api/jobs/{job['id']}").json
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    assert job["state"] == "done", client.get(f"/api/jobs/{job['id']}/log").json
    [run] = [run for run in client.get("/api/runs").json if run["name"] == "run-1"]
    assert run["evaluation"]["num_videos"] == 2 and run["evaluation"]["num_segments"] == 4  # without ana_3
    assert run["metrics"] is None


def test_curves_are_read(client: Client) -> None:
    assert client.get("/api/learning-curves").json == []


def test_labels_of_some_recordings_are_learned_from_a_copy(client: Client, tmp_path: Path) -> None:
    client.edit("ana", adding("ana_1", 0, 1, "open"), adding("ana_2", 0, 1, "close"))
    client.request("PATCH", "/api/recordings/ana_2", {"is_labelled": True})
    extract, train = client.post("/api/jobs", {"kind": "train", "annotator": "ana"}).json
    for number in (train["id"], extract["id"]):
        client.post(f"/api/jobs/{number}/cancel")
    assert "--segments studio/selections/run_run-3.csv" in train["command_line"]
    lines = (tmp_path / "studio" / "selections" / "run_run-3.csv").read_text().splitlines()
    assert len(lines) == 2 and ",ana_2," in lines[1]


def test_segments_without_a_label_are_not_learned_from(client: Client, tmp_path: Path) -> None:
    """A training needs a label of each target for each segment."""
    client.edit(
        "ana",
        adding("ana_1", 0, 1, "open", noun="door"),
        adding("ana_1", 1, 2, "close"),
        adding("ana_2", 0, 1, None, note="unclear"),
    )
    _, train = client.post("/api/jobs", {"kind": "train", "annotator": "ana"}).json
    client.post(f"/api/jobs/{train['id']}/cancel")
    client.post(f"/api/jobs/{train['needs']}/cancel")
    assert "--targets verb" in train["command_line"]
    lines = (tmp_path / "studio" / "selections" / "run_run-3.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in lines[1:]] == ["open", "close"]
    assert client.post("/api/jobs", {"kind": "learning_curve", "annotator": "nobody"}).status == 404
