import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from egoact import Recognizer
from egoact.cli import main
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import locked, write_atomically
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.statistics import compute_statistics
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.extraction.run_ahead import run_ahead
from egoact.media.recording import read_steps
from egoact.media.sources import MediaSource
from egoact.report.timelines.timeline import write_report
from egoact.runs.loading import EngineChoice, load_run
from egoact.store.buffer import FeatureBuffer
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.timelines.output import find_videos, name_folders
from tests.makers.data.recordings import write_clip_run, write_recording
from tests.makers.films.footage import copy_packets, shift
from tests.makers.films.media import number_in, write_folder, write_sound_only, write_video


def true_timeline(folder: Path, video: str, *, seed: int) -> Timeline:
    labels = write_recording(folder / "again" / f"{video}.mp4", seed=seed)
    return Timeline(video, tuple(TimelineSegment(*label) for label in labels))


def test_a_new_recording_becomes_a_timeline(folder: Path, tmp_path: Path) -> None:
    video = folder / "videos" / "kitchen_9.mp4"
    settings = PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch", descriptions=True)
    assert predict(settings) == 0
    write_report(settings)
    found = read_timelines(tmp_path / "out")["kitchen_9"]
    truth = replace(true_timeline(tmp_path, "kitchen_9", seed=9), duration_seconds=found.duration_seconds)
    metrics = evaluate_timelines({"kitchen_9": found}, {"kitchen_9": truth}, targets=["verb"])
    assert metrics["verb"]["f1"]["50"] == 100
    assert metrics["verb"]["frame_accuracy"] > 90
    assert all(segment.confidence > 0.5 for segment in found)
    values = json.loads((tmp_path / "out" / "timeline.json").read_text())
    assert (tmp_path / "out" / values["video_path"]).resolve() == video
    assert values["origin"]["head"] == "linear" and values["origin"]["steps_per_second"] == 8
    assert values["broken"] is None and values["targets"] == ["verb"]
    first = values["segments"][0]
    assert first["top5"]["verb"][0]["name"] == first["verb"]
    assert {entry["name"] for entry in first["top5"]["verb"]} == {"open", "close"}  # and not background
    assert "\n\n1\n00:00:00." in (tmp_path / "out" / "timeline.vtt").read_text()
    assert "opens" in (tmp_path / "out" / "timeline.vtt").read_text()
    seen = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    assert seen == {f"timeline.{s}" for s in ("json", "csv", "vtt", "html")} | {"statistics.csv"}
    assert values["statistics"] == compute_statistics(found)


def test_a_corrected_timeline_is_something_to_train_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predict(PredictSettings(folder / "videos" / "kitchen_1.mp4", run=folder / "run", out=out, engine="torch"))
    table = read_segments(out / "timeline.csv")
    timeline = read_timelines(out / "timeline.json")["kitchen_1"]
    assert [(s.start_seconds, s.stop_seconds, s.verb) for s in table] == [
        (s.start_seconds, s.stop_seconds, s.verb) for s in timeline
    ]
    assert {s.participant_id for s in table} == {"kitchen"}
    corrected = (out / "timeline.csv").read_text().replace(",open,open,", ",open,unlock,", 1)
    (out / "timeline.csv").write_text(corrected)
    assert read_segments(out / "timeline.csv")[0].verb == "unlock"


def test_the_same_from_python(folder: Path) -> None:
    recognizer = Recognizer.load(folder / "run", engine="torch")
    prediction = recognizer.predict(folder / "videos" / "kitchen_9.mp4")
    assert [segment.verb for segment in prediction.timeline] == ["open", "close", "open", "close"]


def test_a_folder_of_recordings(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "my videos"
    write_recording(videos / "a" / "x#1.mp4", seed=4)
    write_recording(videos / "a" / "x#1.mkv", seed=5)
    write_sound_only(videos / "sound.mp4")
    write_recording(videos / "whole.mp4", seed=6)
    content = (videos / "whole.mp4").read_bytes()
    settings = PredictSettings(videos, run=folder / "run", out=tmp_path / "out", engine="torch")
    assert predict(settings) == 1
    write_report(settings)
    said = capsys.readouterr()
    assert "sound.mp4: this file has no video stream" in said.err
    assert "4 recordings, 1 of them with errors" in said.out
    pages = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("timeline.html"))
    assert pages == ["a/x#1.mkv/timeline.html", "a/x#1.mp4/timeline.html", "whole/timeline.html"]
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert 'href="a/x%231.mkv/timeline.html"' in index and "no video stream" in index
    page = (tmp_path / "out" / "a" / "x#1.mp4" / "timeline.html").read_text(encoding="utf-8")
    assert 'src="../../../my%20videos/a/x%231.mp4"' in page
    assert (videos / "whole.mp4").read_bytes() == content and not list(videos.rglob("*.json"))


def test_chapters_of_a_camera_become_one_timeline(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = folder / "videos" / "kitchen_9.mp4"
    with av.open(str(whole)) as container:
        keys = [(n, p) for n, p in enumerate(p for p in container.demux(video=0) if p.size) if p.is_keyframe]
        cut, begin = keys[len(keys) // 2][0], float(keys[len(keys) // 2][1].pts * keys[0][1].time_base)
    (tmp_path / "videos").mkdir()
    copy_packets(whole, tmp_path / "videos/GX010009.MP4", lambda number, packet: number < cut)
    copy_packets(
        whole, tmp_path / "videos/GX020009.MP4", lambda number, packet: number >= cut and shift(packet, -begin)
    )
    settings = PredictSettings(tmp_path / "videos", run=folder / "run", out=tmp_path / "out", engine="torch")
    assert predict(settings) == 0
    assert "GX0009 is one recording of 2 chapters" in capsys.readouterr().err
    predict(replace(settings, video=whole, out=tmp_path / "whole"))
    ((name, found),) = read_timelines(tmp_path / "out").items()
    expected = read_timelines(tmp_path / "whole")["kitchen_9"]
    assert name == "GX0009" and found.duration_seconds == expected.duration_seconds
    assert list(found) == list(expected)
    assert (tmp_path / "out/GX0009/timeline.mp4").exists(), "browsers cannot play two files as one"


def test_a_recording_that_breaks_is_answered_up_to_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "cut.mkv"
    write_recording(video, seed=9, gop=5)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 2 // 3])
    command = ["predict", str(video), "--run", str(folder / "run"), "--out", str(tmp_path / "out"), "--engine", "torch"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    said = capsys.readouterr().err
    assert stop.value.code == 1, said
    assert "breaks at " in said and "Traceback" not in said
    values = json.loads((tmp_path / "out" / "timeline.json").read_text())
    whole = json.loads(json.dumps(values))["duration_seconds"]
    assert 4 < whole < 8 and values["broken"].startswith("at ")
    assert [s["verb"] for s in values["segments"]][:2] == ["open", "close"]
    assert "This recording breaks." in (tmp_path / "out" / "timeline.html").read_text()


NO_RECORDINGS = {
    "empty": "empty",
    "sound": "no video stream",
    "text": "not a video",
    "absent": "no such",
    "short": "shorter",
}


@pytest.mark.parametrize(("kind", "reason"), NO_RECORDINGS.items())
def test_what_is_no_recording_is_told_in_one_line(
    folder: Path, tmp_path: Path, kind: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "video.mp4"
    if kind == "empty":
        video.touch()
    elif kind == "sound":
        write_sound_only(video)
    elif kind == "text":
        video.write_text("these are words " * 100)
    elif kind == "short":
        write_video(video, num_frames=1, rate=60)
    flags = ["--run", str(folder / "run"), "--out", str(tmp_path / "out"), "--engine", "torch"]
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(video), *flags])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert reason in said and said.count("\n") == 1
    assert not (tmp_path / "out" / "timeline.json").exists()


def test_rotated_variable_rate_and_large_recordings(folder: Path, tmp_path: Path) -> None:
    from fractions import Fraction

    upright = write_video(tmp_path / "upright.mp4", num_frames=20, rate=10)
    rotated = write_video(tmp_path / "rotated.mp4", num_frames=20, rate=10, rotation=90)
    uneven = write_video(
        tmp_path / "uneven.mp4", num_frames=6, pts=[0, 10, 130, 140, 400, 410], time_base=Fraction(1, 1000)
    )
    grey = np.full((2160, 3840, 3), 127, dtype=np.uint8)
    large = write_video(tmp_path / "large.mp4", images=[grey] * 3, rate=3, size=grey.shape[:2])
    predictor = Recognizer.load(folder / "run", engine="torch")
    for video, seconds in ((upright, 2.0), (rotated, 2.0), (large, 1.0)):
        assert predictor.predict(video).timeline.duration_seconds == seconds
    assert predictor.predict(uneven).broken is None
    steps = list(read_steps(MediaSource("u", uneven, "video"), rate=8, size=(96, 144)))
    assert [(number_in(frame), count) for frame, count in steps] == [(1, 1), (3, 2), (5, 1)]


def test_a_run_that_names_clips_is_told_what_to_do(folder: Path, tmp_path: Path) -> None:
    run = write_clip_run(tmp_path / "run")
    video = folder / "videos" / "kitchen_9.mp4"
    with pytest.raises(ArtifactError, match="this run names clips.* make one that does with egoact train-timeline"):
        predict(PredictSettings(video, run=run, out=tmp_path / "out"))
    recognizer = Recognizer.load(run)
    assert recognizer.config.num_frames == 6
    assert recognizer.score(np.zeros((2, 6, 16), np.float32))["verb"].shape == (2, 2)
    with pytest.raises(ArtifactError, match="this run names clips"):
        recognizer.predict(video)
    assert not (tmp_path / "out").exists(), "a folder that nothing came of"


def test_a_run_that_does_not_know_what_its_scores_mean(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    values = json.loads((run / "config.json").read_text())
    values["timeline"] = None
    (run / "config.json").write_text(json.dumps(values))
    settings = PredictSettings(folder / "videos" / "kitchen_9.mp4", run=run, out=tmp_path / "out")
    with pytest.raises(ArtifactError, match="train it again"):
        predict(settings)
    values["timeline"] = {"rate": 8}
    (run / "config.json").write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match="damaged"):
        predict(settings)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs /proc, where not even root can write")
def test_a_folder_that_cannot_be_written_is_told_before_the_work(folder: Path) -> None:
    video = folder / "videos" / "kitchen_9.mp4"
    with pytest.raises(ArtifactError, match="cannot write here"):
        predict(PredictSettings(video, run=folder / "run", out=Path("/proc/nothing/here")))
    with pytest.raises(ArtifactError, match="a folder is needed, this is a file"):
        predict(PredictSettings(video, run=folder / "run", out=video))


def test_whole_recordings_are_kept_and_not_computed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recordings = Recordings(FeatureStore.open(folder / "features"))
    assert sorted(recordings) == ["kitchen_1", "kitchen_2", "kitchen_3"] and recordings.rate == 8
    from egoact.extraction import recordings as _recordings

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    run = load_run(folder / "run", EngineChoice(engine="torch"))
    with FeatureBuffer((32,), folder=tmp_path) as buffer:
        source = MediaSource("kitchen_2", folder / "videos" / "kitchen_2.mp4", "video")
        assert _recordings.compute_features(source, run.engine, buffer, rate=8) is None
        whole = buffer.read()
        kept = recordings["kitchen_2"]
        np.testing.assert_allclose(whole.astype(float), kept, rtol=1e-2, atol=1e-3)  # computed in other batches
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("egoact.extraction.extraction.Extraction._infer", refuse)
    from egoact.commands.data.extract import ExtractSettings, extract

    again = ExtractSettings(
        segments=(folder / "labels.csv",),
        media=(folder / "videos",),
        features=folder / "features",
        backbone="tiny-random",
        size=32,
        engine="torch",
        recordings=True,
    )
    assert extract(again) == 0


def test_steps_of_frame_folders_end_with_the_last_frame(tmp_path: Path) -> None:
    write_folder(tmp_path / "P01" / "rgb_frames" / "P01_01", numbers=range(30))
    source = MediaSource("P01_01", tmp_path / "P01" / "rgb_frames" / "P01_01", "folder")
    steps = list(read_steps(source, rate=8, size=(96, 144)))
    assert [number_in(frame) for frame, _ in steps] == [3, 11, 18, 26]
    (tmp_path / "P01" / "rgb_frames" / "P01_01" / "frame_0000000012.jpg").unlink()
    broken = read_steps(source, rate=8, size=(96, 144))
    assert number_in(next(broken)[0]) == 3
    with pytest.raises(MediaError, match="frame 12 is missing"):
        next(broken)


def test_videos_of_a_folder_get_places_of_their_own(tmp_path: Path) -> None:
    names = ["b.mp4", "a/b.MKV", "a/b.mp4", "a/c.avi", ".hidden.mp4", "notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    videos = find_videos(tmp_path)
    assert name_folders(tmp_path, videos) == ["a/b.MKV", "a/b.mp4", "a/c", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="no video in this folder"):
        find_videos(tmp_path / "empty")


def test_running_ahead_keeps_order_errors_and_closes() -> None:
    closed = []

    def items():  # type: ignore[no-untyped-def]
        try:
            yield from range(5)
            raise MediaError("broken here")
        finally:
            closed.append(True)

    stream = run_ahead([items], num_threads=1, most=2)
    assert [next(stream) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(MediaError, match="broken here"):
        next(stream)
    early = run_ahead([items], num_threads=1, most=1)
    assert next(early) == 0
    early.close()
    assert closed == [True, True]


def test_what_a_person_corrected_is_never_replaced(folder: Path, tmp_path: Path) -> None:
    video, out = folder / "videos" / "kitchen_9.mp4", tmp_path / "out"
    again = PredictSettings(video, run=folder / "run", out=out, engine="torch")
    for _ in range(2):  # what nobody touched is written anew
        assert predict(again) == 0
    for name in ("timeline.csv", "statistics.csv", "timeline.vtt", "timeline.json"):
        (out / name).write_text((out / name).read_text() + "\n")
        edited = (out / name).read_bytes()
        with pytest.raises(ArtifactError, match="edited since egoact predict wrote it"):
            predict(again)
        assert (out / name).read_bytes() == edited
        assert predict(replace(again, overwrite=True)) == 0
        assert (out / name).read_bytes() != edited
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "timeline.csv").write_text("video_id,start_seconds\n")
    with pytest.raises(ArtifactError, match="not written by it"):
        predict(replace(again, out=tmp_path / "theirs"))


def test_of_a_folder_only_the_corrected_timeline_is_left(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a", "b"):
        (videos / f"{name}.mp4").symlink_to(folder / "videos" / "kitchen_9.mp4")
    again = PredictSettings(videos, run=folder / "run", out=tmp_path / "out", engine="torch")
    assert predict(again) == 0
    corrected = tmp_path / "out" / "a" / "timeline.csv"
    corrected.write_text(corrected.read_text().replace("open", "unlock"))
    (tmp_path / "out" / "b" / "timeline.csv").unlink()
    assert predict(again) == 1
    assert "unlock" in corrected.read_text() and (tmp_path / "out" / "b" / "timeline.csv").exists()
    assert f"{corrected}: edited since" in capsys.readouterr().err


def test_a_killed_prediction_is_not_taken_for_a_correction(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = folder / "videos" / "kitchen_9.mp4"
    again = PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch")
    for number in range(1, 7):  # two of the notes, four of the files
        calls = []

        def killed(path: Path, content: bytes | str, calls: list = calls, number: int = number) -> None:
            write_atomically(path, content)
            calls.append(path)
            if len(calls) == number:
                raise KeyboardInterrupt

        for module in ("egoact.core.files", "egoact.timelines.output"):
            monkeypatch.setattr(f"{module}.write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            predict(replace(again, descriptions=number % 2 == 1))
        monkeypatch.undo()
        assert predict(again) == 0


def test_one_predict_into_a_folder_at_a_time(folder: Path, tmp_path: Path) -> None:
    asked = PredictSettings(folder / "videos" / "kitchen_9.mp4", run=folder / "run", out=tmp_path / "out")
    with (
        locked(tmp_path / "out", command="predict"),
        pytest.raises(ArtifactError, match="another egoact predict is writing here"),
    ):
        predict(asked)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_the_page_plays_a_copy_where_browsers_lack_the_codec(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "old.avi"
    write_recording(video, seed=9, codec="mpeg4")
    asked = PredictSettings(video, run=folder / "run", out=tmp_path / "out", engine="torch")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "timeline.mp4.1234.part").touch()  # left by a command that was killed
    assert predict(asked) == 0
    assert not list((tmp_path / "out").glob("*.part"))
    write_report(asked)
    assert "an H.264 copy for browsers" in capsys.readouterr().out
    assert 'src="timeline.mp4"' in (tmp_path / "out" / "timeline.html").read_text()
    plain = replace(asked, out=tmp_path / "plain", proxy=False)
    assert predict(plain) == 0
    write_report(plain)
    assert not (tmp_path / "plain" / "timeline.mp4").exists()
    assert 'src="../old.avi"' in (tmp_path / "plain" / "timeline.html").read_text()
