"""Live over a WebSocket: one picture, one answer; a session becomes a recording with its timeline."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from egoact.core.files import write_json
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.media.video.writer import write_timed_video
from egoact.studio.live.sessions import LiveSession, LiveSessions, read_jpeg, timeline_of
from tests.makers.films.media import jpeg, number_in, write_video
from tests.makers.machines.studio import Client, running

NAMES = {"verb": ("even", "odd", BACKGROUND_NAME)}


class Counting:
    """Says of every picture whether its number is even; passes the first one over."""

    def __init__(self) -> None:
        self._count = 0

    def push(self, picture: np.ndarray, seconds: float) -> OnlinePrediction | None:
        self._count += 1
        if self._count == 1:
            return None
        number = number_in(picture)
        values = np.full(3, 0.1)
        values[2 if number > 99 else number % 2] = 0.8
        return OnlinePrediction(seconds, 1.0, {"verb": values}, NAMES)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Networks that are loaded in a moment; a real one is in the slow test."""
    monkeypatch.setattr(LiveSessions, "_load", lambda *_: (Counting(), ("verb",), 15.0))
    write_json(tmp_path / "runs" / "run-1" / "config.json", {"vocabularies": {"verb": {}}, "segmenter": "causal"})
    with running(tmp_path) as client:
        yield client


def opened(client: Client, run: str = "run-1", **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{client.port}/api/live?run={run}", proxy=None, **options)


def told(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=20))
    return message


def ask(connection: ClientConnection, content: bytes | str) -> dict[str, Any]:
    connection.send(content)
    return told(connection)


def test_each_picture_gets_an_answer(client: Client) -> None:
    with opened(client) as connection:
        ready = told(connection)
        assert (ready["type"], ready["run"], ready["rate"], ready["targets"]) == ("ready", "run-1", 15.0, ["verb"])
        assert ask(connection, jpeg(0))["name"] is None
        answer = ask(connection, jpeg(3))
        assert answer["name"] == "odd" and answer["confidence"] == pytest.approx(0.8)
        assert answer["top"]["verb"][0] == ["odd", pytest.approx(0.8)] and answer["latency_seconds"] < 5
        assert ask(connection, jpeg(100))["name"] is None  # nothing happens


def test_what_is_no_picture_is_said_and_the_session_goes_on(client: Client) -> None:
    with opened(client) as connection:
        told(connection)
        for wrong in (b"no picture", "text", jpeg(1)[:100]):
            answer = ask(connection, wrong)
            assert answer["type"] == "fault" and "JPEG" in answer["reason"]
        assert ask(connection, jpeg(1))["type"] == "answer"


def test_a_run_that_is_not_there_is_said(client: Client) -> None:
    with opened(client, "nothing") as connection:
        assert told(connection) == {"type": "fault", "reason": "there is no run called 'nothing'"}


def test_other_sites_cannot_connect(client: Client) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(client, origin="http://evil.example")
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refused:  # a name that was made to lead here (DNS rebinding)
        connect("ws://evil.example/api/live?run=run-1", address=("127.0.0.1", client.port), proxy=None)
    assert refused.value.response.status_code == 403


def test_a_session_becomes_a_recording_with_its_timeline(client: Client, tmp_path: Path) -> None:
    with opened(client) as connection:
        session = told(connection)["session"]
        assert client.post(f"/api/live/{session}/save", {"name": "live 1"}).status == 409  # nothing was seen yet
        for number in (0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2):
            ask(connection, jpeg(number))
            time.sleep(0.1)
    saved = client.post(f"/api/live/{session}/save", {"name": "live 1"})
    assert saved.status == 201 and saved.json["id"] == "live 1" and saved.json["state"] == "proposed"
    frames = client.get("/api/recordings/live%201/frames").json["times_seconds"]
    assert len(frames) == 13 and float(np.diff(frames).min()) > 0.09
    proposals = client.get("/api/runs/run-1/proposals/live%201").json["proposals"]
    assert [p["verb"] for p in proposals] == ["odd", "even"]
    assert proposals[0]["stop_seconds"] == pytest.approx(proposals[1]["start_seconds"])
    assert client.post(f"/api/live/{session}/save", {"name": "live 1"}).status == 409  # the name is taken
    assert client.post("/api/live/nothing/save", {"name": "live 2"}).status == 404
    assert client.post(f"/api/live/{session}/save", {"name": "../live"}).status == 422


def test_a_picture_may_come_while_the_session_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveSession("one", "run-1", ("verb",), Counting().push, tmp_path / "live")
    for number in range(3):
        live.answer(jpeg(number))
        time.sleep(0.01)

    def write(path: Path, pictures: Iterator[tuple[float, np.ndarray]]) -> None:
        live.answer(jpeg(3))
        write_timed_video(path, pictures)

    monkeypatch.setattr("egoact.studio.live.sessions.write_timed_video", write)
    live.save(tmp_path / "film.mp4", tmp_path / "timeline.json")
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.streams.video[0].frames == 3 and len(live._index) == 4
    live.forget()


def test_a_recording_of_the_server_is_watched_as_if_it_happened_now(client: Client, tmp_path: Path) -> None:
    write_video(tmp_path / "recordings" / "film.mp4", num_frames=45, rate=15)
    with connect(f"ws://127.0.0.1:{client.port}/api/live?run=run-1&source=film", proxy=None) as connection:
        session = told(connection)["session"]
        seen = []
        for _ in range(4):
            picture = connection.recv(timeout=20)
            assert isinstance(picture, bytes) and picture.startswith(b"\xff\xd8")
            answer = told(connection)
            number = number_in(read_jpeg(picture))
            assert answer["name"] in ((None,) if not seen else ("even", "odd")), "the first one is passed over"
            seen.append((number, answer["seconds"]))
            time.sleep(0.5)  # meanwhile nothing may queue
            connection.send("next")
        numbers, seconds = zip(*seen, strict=True)
        steps = np.diff(numbers)
        assert steps.min() >= 5, "each is the newest, not the next one"
        assert np.diff(seconds) == pytest.approx(steps / 15, abs=1e-3)
        with pytest.raises(ConnectionClosedOK):  # the recording ends, and so does the session
            for _ in range(60):
                connection.recv(timeout=20)
                connection.send("next")
    saved = client.post(f"/api/live/{session}/save", {"name": "live 1"})
    assert saved.status == 201 and saved.json["num_frames"] >= 4


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nothing", "is no recording"),
        ("../film.mp4", "is no recording"),
        ("/etc/hostname", "is no recording"),
        ("file:///etc/hostname", "unknown kind of address"),
        ("987", "there is no camera 987"),
        ("http://127.0.0.1:9/film.mp4", "cannot open"),
    ],
)
def test_what_cannot_be_watched_is_said(client: Client, source: str, reason: str) -> None:
    with connect(f"ws://127.0.0.1:{client.port}/api/live?run=run-1&source={source}", proxy=None) as connection:
        message = told(connection)
        while message["type"] == "ready":
            message = told(connection)
    assert message["type"] == "fault" and reason in message["reason"]


def test_answers_become_actions() -> None:
    def at(seconds: float, verb: str | None) -> tuple[float, tuple[str | None, str | None], float]:
        return (seconds, (verb, None), 0.5)

    said = [at(1.0, "take"), at(1.5, "take"), at(2.0, None), at(2.5, "put"), at(2.6, "take"), at(3.1, "take")]
    late = [at(9.0, "take"), at(9.6, "take")]  # after a pause of the camera
    found = timeline_of("v", [*said, *late], begin=1.0, end=10.0)
    assert [(s.start_seconds, s.stop_seconds, s.verb) for s in found] == [
        (0.0, 1.0, "take"),
        (pytest.approx(1.6), pytest.approx(2.1), "take"),
        (8.0, pytest.approx(8.6), "take"),
    ]
    assert found.duration_seconds == 9.0 and len(timeline_of("v", [], begin=0, end=1)) == 0


@pytest.mark.slow
def test_a_real_run_answers(tmp_path: Path) -> None:
    from egoact.commands.data.extract import ExtractSettings, extract
    from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
    from tests.makers.data.recordings import write_labels, write_recording

    videos = {f"k_{n}": write_recording(tmp_path / "recordings" / f"k_{n}.mp4", seed=n) for n in (1, 2)}
    labels, features = (write_labels(tmp_path / "labels.csv", videos),), tmp_path / "features"
    small = {"backbone": "tiny-random", "size": 32, "engine": "torch"}
    extract(ExtractSettings(media=(tmp_path / "recordings",), features=features, **small))  # type: ignore[arg-type]
    run = tmp_path / "runs" / "run-1"
    train_timeline(TrainTimelineSettings(segments=labels, features=(features,), run=run, segmenter="causal"))
    with running(tmp_path) as client, opened(client, open_timeout=60) as connection:
        ready = json.loads(connection.recv(timeout=120))
        assert ready["type"] == "ready" and ready["targets"] == ["verb"], ready
        answers = []
        for number in range(8):
            answers.append(ask(connection, jpeg(number)))
            time.sleep(1.05 / ready["rate"])
        named = [answer for answer in answers if answer["top"]]
        assert named and all(abs(sum(p for _, p in a["top"]["verb"]) - 1) < 1e-6 for a in named)
        assert ask(connection, b"wrong")["type"] == "fault"
