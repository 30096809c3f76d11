"""Labels: edits by id and version, the CSV that follows, and what others change in it."""

import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from egoact.core.annotations.segments import read_segments
from tests.makers.films.media import write_video
from tests.makers.machines.studio import Client, adding, running


@pytest.fixture
def ana(client: Client) -> Client:
    assert client.post("/api/annotators", {"name": "ana"}).status == 201
    return client


def labels_of(client: Client, annotator: str = "ana") -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = client.get(f"/api/labels/{urllib.parse.quote(annotator)}").json["segments"]
    return segments


def written(path: Path, *, until: int) -> list[str]:
    """Lines of a label file, when it has so many."""
    for _ in range(200):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        if len(lines) == until and lines[0].startswith("narration_id"):
            return lines
        time.sleep(0.02)
    raise AssertionError(lines)


def changed(segment: dict[str, Any], **values: Any) -> dict[str, Any]:
    kept = {key: value for key, value in segment.items() if key not in ("id", "version")} | values
    return {"op": "change", "id": segment["id"], "version": segment["version"], "segment": kept}


def test_edits_are_answered_and_written(ana: Client, project: Path) -> None:
    added = ana.edit("ana", adding("ana_1", 0.25, 1.016683, "open", noun="fridge", hand="left", note='a, "b"\nc'))
    [segment] = added.json["segments"]
    assert added.status == 200 and segment["version"] == 1 and labels_of(ana) == [segment]
    text = written(project / "labels" / "ana.csv", until=3)
    assert text[0] == "narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb,noun,hand,note"
    assert text[1].startswith(f"{segment['id']},ana,ana_1,00:00:00.250,00:00:01.016683,open,fridge,left,")
    [read] = read_segments(project / "labels" / "ana.csv")
    assert (read.start_seconds, read.stop_seconds, read.verb, read.noun) == (0.25, 1.016683, "open", "fridge")
    changes = ana.edit("ana", changed(segment, verb="close", hand=None)).json
    assert changes["segments"][0]["version"] == 2 and changes["segments"][0]["verb"] == "close"
    gone = ana.edit("ana", {"op": "delete", "id": segment["id"], "version": 2}).json
    assert gone["deleted"] == [segment["id"]] and labels_of(ana) == []
    back = ana.edit("ana", adding("ana_1", 0.25, 1) | {"id": segment["id"]}).json  # undo
    assert back["segments"][0]["id"] == segment["id"] and back["segments"][0]["version"] == 4


def test_two_browsers_do_not_lose_each_others_work(ana: Client) -> None:
    one, other = (ana.edit("ana", adding("ana_1", t, t + 0.5)).json["segments"][0] for t in (0, 1))
    since = ana.get("/api/labels/ana").json["revision"]
    assert ana.edit("ana", changed(one, verb="first")).status == 200
    assert ana.edit("ana", changed(other, verb="second")).status == 200  # another segment: no matter who was first
    late = ana.edit("ana", changed(other, verb="too late"), changed(one, verb="too late"))
    assert late.status == 409
    assert {c["id"]: c["current"]["verb"] for c in late.json["conflicts"]} == {
        one["id"]: "first",
        other["id"]: "second",
    }
    assert [s["verb"] for s in labels_of(ana)] == ["first", "second"]  # nothing of the request was done
    news = ana.get(f"/api/labels/ana/changes?since={since}").json
    assert [s["verb"] for s in news["segments"]] == ["first", "second"]
    ana.edit("ana", {"op": "delete", "id": one["id"], "version": 2})
    gone = ana.edit("ana", changed(one | {"version": 2}))
    assert gone.status == 409 and gone.json["conflicts"] == [{"id": one["id"], "current": None}]


def test_many_browsers_at_once_lose_nothing(ana: Client) -> None:
    """Each changes segments of its own, while all of them write into one file."""

    def work(browser: int) -> list[dict[str, Any]]:
        one = ana.edit("ana", adding("ana_1", browser, browser + 0.5, f"verb {browser}")).json["segments"][0]
        for number in range(10):
            answer = ana.edit("ana", changed(one, note=f"{browser}: {number}"))
            assert answer.status == 200, answer.content
            [one] = answer.json["segments"]
        return [one]

    with ThreadPoolExecutor(4) as browsers:
        wanted = [segment for done in browsers.map(work, range(4)) for segment in done]
    assert labels_of(ana) == sorted(wanted, key=lambda segment: segment["start_seconds"])
    assert {segment["version"] for segment in wanted} == {11}


def test_a_request_that_comes_twice_is_done_once(ana: Client) -> None:
    edit = adding("ana_1", 0, 1)
    first, second = (ana.edit("ana", edit, request_id="browser-1-17") for _ in range(2))
    assert first.json == second.json and len(labels_of(ana)) == 1


IMPOSSIBLE = [
    (adding("ana_1", 1, 1), 400),
    (adding("ana_1", 2, 1), 400),
    (adding("ana_1", -1, 1), 422),
    (adding("ana_1", 0, 1e9), 422),
    (adding("nobody_1", 0, 1), 404),
    (adding("ana_1", 0, 1, "nan"), 400),  # a CSV would read it as nothing
    (adding("ana_1", 0, 1, "a\0b"), 400),
    (adding("ana_1", 0, 1, hand="third"), 422),
    (adding("ana_1", 0, 1, colour="red"), 422),
    ({"op": "delete", "id": "nothing", "version": 1}, 404),
    ({"op": "explode"}, 422),
]


def test_impossible_edits_change_nothing(ana: Client) -> None:
    for edit, status in IMPOSSIBLE:
        answer = ana.edit("ana", adding("ana_1", 0, 1), edit)
        assert answer.status == status and answer.json["reason"], edit
    assert ana.edit("nobody", adding("ana_1", 0, 1)).status == 404
    assert labels_of(ana) == []


def test_words_become_classes(ana: Client) -> None:
    ana.edit("ana", adding("ana_1", 0, 1, "open", noun="fridge"), adding("ana_1", 1, 2, "open"))
    ana.post("/api/classes/verb", {"name": "stir"})
    told = ana.get("/api/classes").json
    assert [(c["name"], c["num_segments"]) for c in told["verbs"]] == [("open", 2), ("stir", 0)]
    assert [c["name"] for c in told["nouns"]] == ["fridge"]
    file = b"id,key,instances,category\n0,take,\"['take', 'grab']\",retrieve\n1,put,\"['put']\",leave\n"
    told = ana.request("PUT", "/api/classes/verb", raw=file).json
    assert {c["name"]: c["category"] for c in told["verbs"]}["take"] == "retrieve"
    assert ana.request("PUT", "/api/classes/verb", raw=b"id,key\n7,take\n").status == 400
    ana.edit("ana", adding("ana_1", 1, 2, "wash"))
    assert {c["name"] for c in ana.get("/api/classes").json["verbs"]} == {"open", "stir", "take", "put", "wash"}


GIVEN = """narration_id,participant_id,video_id,start_timestamp,stop_timestamp,narration,verb,verb_class,rating
a,ana,ana_1,00:00:00.100,00:00:00.500,opens it,open,0,good
b,ana,ana_1,00:00:00.600,00:00:00.900,closes it,close,1,
c,ana,ana_1,00:00:02.000,00:00:01.000,backwards,close,1,
"""


def test_a_file_of_somebody_else_is_taken_over(project: Path) -> None:
    path = project / "labels" / "bo b.csv"
    path.parent.mkdir()
    path.write_text(GIVEN, encoding="utf-8")
    with running(project) as client:
        told = client.get("/api/labels/bo%20b").json
        assert [s["id"] for s in told["segments"]] == ["a", "b"]
        [problem] = told["problems"]
        assert "row 4" in problem and "not after start" in problem
        assert path.read_text(encoding="utf-8") == GIVEN  # nobody edited anything
        assert client.edit("bo%20b", changed(told["segments"][0], verb="close")).status == 200
        assert client.edit("bo%20b", adding("ana_1", 1, 1.5, "wash")).status == 200
        lines = written(path, until=5)
    assert lines[0].endswith(",narration,verb_class,rating")
    assert lines[1] == "a,ana,ana_1,00:00:00.100,00:00:00.500,close,,,1,good"  # its class follows its word
    assert lines[2] == "b,ana,ana_1,00:00:00.600,00:00:00.900,close,,closes it,1,"
    assert ",wash,,,2," in lines[3]
    assert lines[4] == "c,ana,ana_1,00:00:02.000,00:00:01.000,close,,backwards,1,"  # never dropped


def test_changes_by_git_or_an_editor_are_taken_over(project: Path) -> None:
    path = project / "labels" / "ana.csv"
    with running(project) as client:
        client.post("/api/annotators", {"name": "ana"})
        one, two, three = (client.edit("ana", adding("ana_1", t, t + 0.4)).json["segments"][0] for t in (0, 0.5, 1))
        written(path, until=4)
    lines = path.read_text().replace("00:00:00.400,open", "00:00:00.450,wash").splitlines()
    del lines[3]
    path.write_text("\n".join([*lines, ",,ana_1,1.5,1.9,new,"]) + "\n")  # an editor, while the server is down
    with running(project) as client:
        now = labels_of(client)
        assert [(s["id"], s["verb"], s["stop_seconds"]) for s in now[:2]] == [
            (one["id"], "wash", 0.45),
            (two["id"], "open", 0.9),
        ]
        assert now[0]["version"] == 2 and now[1]["version"] == 1 and now[2]["verb"] == "new" and len(now) == 3
        late = client.edit("ana", changed(one, verb="what the browser knew"))
        assert late.status == 409 and late.json["conflicts"][0]["current"]["verb"] == "wash"
        path.write_text(path.read_text().replace(",wash,", ",rinse,"))  # and while it runs
        assert labels_of(client)[0]["verb"] == "rinse"
        client.edit("ana", changed(labels_of(client)[1], note="kept"))
        assert [s["verb"] for s in labels_of(client)] == ["rinse", "open", "new"]


def test_edits_that_the_file_does_not_have_yet_survive_a_change_of_the_file(project: Path) -> None:
    path = project / "labels" / "ana.csv"
    with running(project) as client:
        client.post("/api/annotators", {"name": "ana"})
        one = client.edit("ana", adding("ana_1", 0, 0.4)).json["segments"][0]
        written(path, until=2)
        client.edit("ana", adding("ana_1", 1, 1.4, "fresh"))  # in the journal, and not yet in the file
        path.write_text(path.read_text().replace(",open,", ",wash,"))
        assert {s["id"]: s["verb"] for s in labels_of(client)}[one["id"]] == "wash"
        assert {s["verb"] for s in labels_of(client)} == {"wash", "fresh"}
        assert {line.split(",")[5] for line in written(path, until=3)[1:]} == {"wash", "fresh"}


def test_a_file_that_is_none_is_left_alone(project: Path) -> None:
    path = project / "labels" / "ana.csv"
    with running(project) as client:
        client.post("/api/annotators", {"name": "ana"})
        client.edit("ana", adding("ana_1", 0, 0.4))
        written(path, until=2)
        path.write_text("<<<<<<< HEAD\nnarration_id,video_id\n=======\n")  # a merge that somebody has to resolve
        told = client.get("/api/labels/ana").json
        assert len(told["segments"]) == 1 and "cannot be edited" in told["problems"][0]
        assert client.edit("ana", adding("ana_1", 1, 1.4)).status == 409
        assert path.read_text().startswith("<<<<<<<")


def test_git_shows_one_line_for_one_change(ana: Client, project: Path) -> None:
    segments = [ana.edit("ana", adding("ana_1", t / 10, t / 10 + 0.05)).json["segments"][0] for t in range(10)]
    path = project / "labels" / "ana.csv"
    before = written(path, until=11)
    ana.edit("ana", changed(segments[4], verb="close"))
    for _ in range(100):
        if (after := path.read_text().splitlines()) != before:
            break
        time.sleep(0.02)
    assert [number for number, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [5]


def test_several_at_once_in_one_project_are_refused(client: Client, project: Path) -> None:
    import sys

    words = [sys.executable, "-m", "egoact", "studio", str(project), "--port", "0", "--no-browser"]
    second = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 2 and "another egoact studio" in second.stderr


def test_events_tell_of_edits(ana: Client) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", ana.port, timeout=10)
    connection.request("GET", "/api/events")
    with connection.getresponse() as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.readline() == b": here\n"
        revision = ana.edit("ana", adding("ana_1", 0, 1)).json["revision"]
        data = next(line for line in iter(stream.readline, b"") if line.startswith(b"data: "))
        assert b'"type":"labels"' in data and f'"revision":{revision}'.encode() in data
    connection.close()


def test_label_files_without_ids_keep_what_did_not_change(project: Path) -> None:
    path = project / "labels" / "sheet.csv"
    path.parent.mkdir()
    path.write_text("video_id;start_seconds;stop_seconds;verb\nana_1;0,5;1;open\nana_1;1;1,5;close\n")
    with running(project) as client:
        first = labels_of(client, "sheet")
        path.write_text("video_id;start_seconds;stop_seconds;verb\nana_1;0,5;1;open\nana_1;1;1,7;close\n")
        second = labels_of(client, "sheet")
        assert first[0] == second[0] and first[1]["id"] != second[1]["id"] and len(second) == 2
        assert second[1]["stop_seconds"] == 1.7


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_files_in_other_encodings_are_read_or_said(project: Path, encoding: str) -> None:
    path = project / "labels" / "sheet.csv"
    path.parent.mkdir()
    path.write_bytes("video_id,start_seconds,stop_seconds,verb\nana_1,0,1,öffnen\n".encode(encoding))
    with running(project) as client:
        told = client.get("/api/labels/sheet").json
        if encoding == "latin-1":
            assert (
                told["segments"] == [] and "row 2" in told["problems"][0] and "cannot be edited" in told["problems"][0]
            )
            return
        assert [s["verb"] for s in told["segments"]] == ["öffnen"] and told["problems"] == []
        assert client.edit("sheet", adding("ana_1", 1, 2, "schließen")).status == 200
        assert written(path, until=3)[2].endswith(",schließen,")
        path.write_text(path.read_text(encoding="utf-8").replace("öffnen", "holen"), encoding="utf-8")
        assert [s["verb"] for s in labels_of(client, "sheet")] == ["holen", "schließen"]


def test_recordings_have_states(ana: Client, project: Path) -> None:
    write_video(project / "recordings" / "ana_2.mp4", num_frames=5)
    ana.edit("ana", adding("ana_1", 0, 1))
    told = {r["id"]: (r["state"], r["num_segments"]) for r in ana.get("/api/recordings?annotator=ana").json}
    assert told == {"ana_1": ("in_work", 1), "ana_2": ("unlabelled", 0)}
