"""Recordings over HTTP: lists, byte ranges, times of pictures, uploads."""

import json
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from egoact.core.annotations.parsing import VIDEO_SUFFIXES
from egoact.media.sources import MediaSource
from egoact.studio.media import measures
from egoact.studio.media.measures import Measures
from tests.makers.films.footage import trimmed
from tests.makers.films.media import number_in, picture, write_video
from tests.makers.machines.studio import Client, running


def test_a_project_begins_with_its_recordings(client: Client, project: Path) -> None:
    told = client.get("/api/project").json
    assert (told["name"], told["num_recordings"], told["problems"]) == ("project", 1, [])
    [recording] = client.get("/api/recordings").json
    assert recording["id"] == "ana_1" and recording["participant_id"] == "ana"
    assert (recording["num_frames"], recording["frame_rate"], recording["has_sound"]) == (60, 30.0, True)
    assert recording["is_playable"] and recording["state"] == "unlabelled" and recording["problem"] is None
    assert recording["size_bytes"] == (project / "recordings" / "ana_1.mp4").stat().st_size


def test_videos_come_in_byte_ranges(client: Client, project: Path) -> None:
    content = (project / "recordings" / "ana_1.mp4").read_bytes()
    path = "/api/recordings/ana_1/video"
    whole = client.get(path)
    assert whole.content == content and whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "video/mp4"
    part = client.get(path, headers={"range": "bytes=100-199"})
    assert part.status == 206 and part.content == content[100:200]
    assert part.headers["content-range"] == f"bytes 100-199/{len(content)}"
    assert client.get(path, headers={"range": "bytes=-10"}).content == content[-10:]


def test_broken_ranges_are_refused_or_ignored(client: Client, project: Path) -> None:
    content = (project / "recordings" / "ana_1.mp4").read_bytes()
    for wanted in (
        "bytes=999999999-",
        "bytes=5-2",
        "bytes=a-b",
        "lines=1-2",
        "bytes=-",
        "bytes=1-2,x",
        "bytes=1-\u00b2",
    ):
        answer = client.get("/api/recordings/ana_1/video", headers={"range": wanted})
        assert answer.status in (200, 206, 400, 416), wanted
        assert answer.status != 200 or answer.content == content
        assert answer.status != 206 or answer.content in content
        assert answer.status != 416 or answer.headers["content-range"] == f"bytes */{len(content)}"


def test_frames_are_those_of_the_file(tmp_path: Path) -> None:
    """Exact times, also of a recording whose frame rate is no whole number and varies."""
    pts = [0, 1001, 2002, 4004, 5005, 8008]
    path = tmp_path / "recordings" / "odd_1.mp4"
    write_video(path, num_frames=6, rate=Fraction(30000, 1001), pts=pts, time_base=Fraction(1, 30000))
    with running(tmp_path) as client:
        frames = client.get("/api/recordings/odd_1/frames").json
        assert frames["times_seconds"] == pytest.approx([ticks / 30000 for ticks in pts], abs=2e-6)
        assert frames["video_offset_seconds"] == 0 and frames["end_seconds"] > pts[-1] / 30000
        again = client.get("/api/recordings/odd_1/frames").json
    assert again == frames


def test_thumbnails_show_the_moment(client: Client) -> None:
    answer = client.get("/api/recordings/ana_1/thumbnail?seconds=1")
    assert answer.headers["content-type"] == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] <= 320 and abs(number_in(picture) - 30) <= 1


def test_waveform_has_sound_and_motion(client: Client) -> None:
    for _ in range(50):
        answer = client.get("/api/recordings/ana_1/waveform?bins=40&start=0.5&stop=1.5")
        if answer.status == 200:
            break
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    told = answer.json
    assert len(told["sound"]) == len(told["motion"]) == 40 and told["bin_seconds"] == pytest.approx(0.025)
    assert max(told["sound"]) < 0.01  # the maker's sound is silence
    assert max(told["motion"]) > 0.5  # and every picture is another
    assert client.get("/api/recordings/ana_1/waveform?start=5&stop=6").status == 400


def test_motion_of_long_recordings_is_that_between_key_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Still for two seconds, then moving; a key frame each half second."""
    monkeypatch.setattr(measures, "LONG_SECONDS", 1.0)
    images = [picture(n if n >= 20 else 0) for n in range(40)]
    path = write_video(tmp_path / "long_1.mp4", images=images, rate=10, gop=5, with_sound=True)
    told = Measures(tmp_path / "kept").waveform(MediaSource.of_file(path), num_bins=16, start=0.0, stop=None)
    assert len(told.motion) == 16 and max(told.motion[:6]) < 0.05 and min(told.motion[9:13]) > 0.3


def test_uploads_become_recordings(client: Client, project: Path, tmp_path: Path) -> None:
    made = write_video(tmp_path / "new.mp4", num_frames=20)
    answer = client.post("/api/recordings?file_name=ben%201.mp4", raw=made.read_bytes())
    assert answer.status == 201 and answer.json["id"] == "ben 1" and answer.json["num_frames"] == 20
    assert (project / "recordings" / "ben 1.mp4").read_bytes() == made.read_bytes()
    again = client.post("/api/recordings?file_name=BEN%201.webm", raw=made.read_bytes())
    assert again.status == 409 and "already" in again.json["reason"]
    assert {r["id"] for r in client.get("/api/recordings").json} == {"ana_1", "ben 1"}


def test_what_is_no_video_is_not_taken(client: Client, project: Path) -> None:
    answer = client.post("/api/recordings?file_name=text.mp4", raw=b"this is no video")
    assert answer.status == 415 and answer.json["reason"]
    assert [path.name for path in (project / "recordings").iterdir()] == ["ana_1.mp4"]


def test_facts_are_kept(client: Client, project: Path) -> None:
    change = {"recorded_on": "2026-03-01", "note": "left hand in a cast", "participant_id": "Ana", "is_labelled": True}
    told = client.request("PATCH", "/api/recordings/ana_1", change).json
    assert told["recorded_on"] == "2026-03-01" and told["note"] == change["note"] and told["state"] == "labelled"
    told = client.request("PATCH", "/api/recordings/ana_1", {"is_labelled": False}).json
    assert told["participant_id"] == "Ana" and told["state"] == "unlabelled"
    assert client.request("PATCH", "/api/recordings/ana_1", {"colour": "red"}).status == 422


def test_unplayable_and_broken_files_are_said(tmp_path: Path) -> None:
    write_video(tmp_path / "recordings" / "old_1.avi", num_frames=10, codec="mpeg4")
    (tmp_path / "recordings" / "cut_1.mp4").write_bytes(b"\0\0\0\x18ftypmp42 and then nothing")
    with running(tmp_path) as client:
        told = {recording["id"]: recording for recording in client.get("/api/recordings").json}
        assert not told["old_1"]["is_playable"] and told["old_1"]["problem"] is None
        assert told["cut_1"]["problem"]
        assert client.get("/api/recordings/old_1/video").status == 415
        assert "copy" in client.get("/api/recordings/old_1/video").json["reason"]


def test_many_can_ask_at_once_for_what_is_computed_once(client: Client) -> None:
    paths = ["/api/recordings/ana_1/frames", "/api/recordings/ana_1/thumbnail?seconds=1"] * 12
    with ThreadPoolExecutor(24) as asking:
        answers = list(asking.map(client.get, paths))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 2


def test_the_page_offers_what_the_server_takes() -> None:
    source = (Path(__file__).parents[2] / "web/src/parts/dropped.ts").read_text()
    assert f"VIDEO_SUFFIXES = {json.dumps(VIDEO_SUFFIXES)};" in source


def test_what_an_editor_trimmed_has_no_times(tmp_path: Path) -> None:
    film = trimmed(tmp_path / "ana_1.mp4")
    told = Measures(tmp_path / "kept").frames(MediaSource.of_file(film.path), film.path, num_pixels=1)
    assert told.times_seconds == pytest.approx(film.begins, abs=1e-4) and told.video_offset_seconds == 0


def test_chapters_of_a_camera_are_one_recording(tmp_path: Path) -> None:
    for chapter in (1, 2):
        path = tmp_path / f"recordings/GX{chapter:02d}0042.MP4"
        write_video(path, num_frames=15, first_number=15 * chapter)
    with running(tmp_path) as client:
        (told,) = client.get("/api/recordings").json
        assert told["id"] == "GX0042" and told["duration_seconds"] == pytest.approx(1.0, abs=0.01)
        jpeg = client.get("/api/recordings/GX0042/thumbnail?seconds=0.9").content
        shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert number_in(shown) == 15 + 27
        again = client.post("/api/recordings?file_name=GX010042.MP4", raw=path.read_bytes())
        assert again.status == 409, "it would take the place of a chapter"
