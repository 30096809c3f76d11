"""Copies for browsers: the same pictures at the same times, in H.264 and MP4, with the sound."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.media.video.writer import is_playable, write_timed_video
from egoact.studio.media.playable import write_playable_copy
from tests.makers.films.media import number_in, picture, write_video
from tests.makers.films.sound import level_of, read_all_sound, tone, write_recording_with_sound
from tests.makers.machines.studio import running


def pictures(path: Path) -> list[tuple[float, int]]:
    """Seconds and number of each picture."""
    with av.open(str(path)) as container:
        return [
            (float(f.pts * f.time_base), number_in(f.to_ndarray(format="rgb24"))) for f in container.decode(video=0)
        ]


@pytest.mark.parametrize(("name", "codec"), [("h264.mkv", "libx264"), ("mpeg4.avi", "mpeg4"), ("hevc.mp4", "libx265")])
def test_copies_show_the_same_at_the_same_time(tmp_path: Path, name: str, codec: str) -> None:
    made = write_video(tmp_path / name, num_frames=20, rate=Fraction(30000, 1001), codec=codec)
    assert not is_playable(made)
    copy = tmp_path / "copy.mp4"
    write_playable_copy(made, copy)
    assert is_playable(copy)
    there, here = pictures(made), pictures(copy)
    assert [number for _, number in here] == [number for _, number in there] == list(range(20))
    begin = there[0][0]
    assert [t for t, _ in here] == pytest.approx(
        [t - begin for t, _ in there], abs=1.1e-3
    )  # Matroska counts milliseconds


def test_copies_keep_the_sound(tmp_path: Path) -> None:
    made = write_recording_with_sound(tmp_path / "made.mkv", tone(1.0, hertz=1000), codec="mpeg4")
    write_playable_copy(made, tmp_path / "copy.mp4")
    levels = level_of(read_all_sound(tmp_path / "copy.mp4"), 1000)
    assert 0.3 < float(np.median(levels[5:40])) < 0.7


def test_the_studio_makes_a_copy_when_it_is_asked(tmp_path: Path) -> None:
    recording = write_video(tmp_path / "recordings" / "old 1.avi", num_frames=20, codec="mpeg4")
    os.utime(recording, (4e9, 4e9))  # by a camera whose clock is ahead, or before this machine's was set back
    with running(tmp_path) as client:
        assert client.get("/api/recordings/old%201/video").status == 415
        [job] = client.post("/api/jobs", {"kind": "playable", "recording": "old 1"}).json
        assert job["command_line"] == (
            "python -m egoact.studio.media.playable 'recordings/old 1.avi' 'studio/playable/old 1.mp4'"
        )
        assert client.post("/api/jobs", {"kind": "playable", "recording": "old 1"}).status == 409
        job = client.wait_for_job(job["id"])
        assert job["state"] == "done", job
        assert client.get("/api/recordings/old%201").json["is_playable"]
        video = client.get("/api/recordings/old%201/video", headers={"range": "bytes=4-7"})
        assert video.status == 206 and video.content == b"ftyp"
        times = client.get("/api/recordings/old%201/frames").json["times_seconds"]
        shown = [seconds for seconds, _ in pictures(tmp_path / "studio" / "playable" / "old 1.mp4")]
        assert times == pytest.approx(shown, abs=1e-6)


def test_pictures_at_irregular_times_keep_them(tmp_path: Path) -> None:
    times = [3.0, 3.05, 3.3, 3.31, 5.0]
    path = tmp_path / "timed.mp4"
    write_timed_video(path, ((t, picture(n)) for n, t in enumerate(times)))
    assert [number for _, number in pictures(path)] == [0, 1, 2, 3, 4]
    assert [t for t, _ in pictures(path)] == pytest.approx([t - 3.0 for t in times], abs=1e-3)
    assert is_playable(path)
    with pytest.raises(ValueError, match="no picture"):
        write_timed_video(tmp_path / "none.mp4", iter(()))
    assert not (tmp_path / "none.mp4").exists()


def test_a_quick_copy_is_small_has_many_key_frames_and_the_same_times(tmp_path: Path) -> None:
    pts = [0, 4, 9, 13, 20, 21, 30, 34, 38, 47, 51, 60]
    made = write_video(
        tmp_path / "large.mp4", num_frames=12, size=(720, 1280), pts=pts, time_base=Fraction(1, 100), b_frames=2
    )
    write_playable_copy(made, tmp_path / "copy.mp4", is_quick=True)
    there, here = pictures(made), pictures(tmp_path / "copy.mp4")
    assert [number for _, number in here] == [number for _, number in there] == list(range(12))
    assert [t for t, _ in here] == pytest.approx([t - there[0][0] for t, _ in there], abs=1e-6)
    with av.open(str(tmp_path / "copy.mp4")) as container:
        keys = [packet.is_keyframe for packet in container.demux(video=0) if packet.size]
        assert keys == [number % 6 == 0 for number in range(12)]
        assert container.streams.video[0].height == 540


def test_browsers_step_in_a_quick_copy_once_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.studio.media.measures._SLOW_PIXELS", 1_200_000)
    write_video(tmp_path / "recordings" / "slow.mp4", num_frames=24, size=(180, 320), gop=24)
    write_video(tmp_path / "recordings" / "fast.mp4", num_frames=24, size=(180, 320), gop=12)
    with running(tmp_path) as client:
        assert not client.get("/api/recordings/fast/frames").json["wants_quick"]
        before = client.get("/api/recordings/slow/frames").json
        assert before["wants_quick"] and not before["is_quick"]
        assert client.get("/api/recordings/slow/video?is_quick=true").status == 415
        [job] = client.post("/api/jobs", {"kind": "quick", "recording": "slow"}).json
        assert client.post("/api/jobs", {"kind": "quick", "recording": "slow"}).status == 409
        assert not client.get("/api/recordings/slow/frames").json["wants_quick"], "it is being made"
        assert client.wait_for_job(job["id"])["state"] == "done"
        after = client.get("/api/recordings/slow/frames").json
        assert after["is_quick"] and not after["wants_quick"]
        assert after["times_seconds"] == pytest.approx(before["times_seconds"], abs=1e-6)
        assert (
            client.get("/api/recordings/slow/video?is_quick=true").content
            != client.get("/api/recordings/slow/video").content
        )
