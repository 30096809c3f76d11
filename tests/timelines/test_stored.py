"""Timelines from features that are in a store: the same as from the recording, and without it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.errors import ArtifactError
from egoact.core.timelines.files import read_timelines
from egoact.media.video.decoder import Decoder
from egoact.runs.loading import load_run
from egoact.timelines.stored import StoredRecordings, Thinned
from tests.makers.data.recordings import write_clip_run, write_labels, write_recording
from tests.makers.films.media import write_video

SMALL = {"backbone": "tiny-random", "size": 32, "engine": "torch"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings with two streams, and a run of three of them that looks at every second step."""
    folder = tmp_path_factory.mktemp("stored")
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2, 3, 9)}
    del videos["kitchen_9"]
    labels = (write_labels(folder / "labels.csv", videos),)
    media, features = (folder / "videos",), folder / "features"
    extract(ExtractSettings(media=media, features=features, streams=("rgb", "motion"), **SMALL))  # type: ignore[arg-type]
    train_timeline(TrainTimelineSettings(segments=labels, features=(features,), run=folder / "run"))
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every packet that is given to a decoder of video."""
    packets: list[int] = []
    send = Decoder.send

    def counting(self: Decoder, packet: object, **options: object) -> list[object]:
        packets.append(1)
        return send(self, packet, **options)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr(Decoder, "send", counting)
    return packets


def test_stored_features_give_the_timeline_of_the_video_and_nothing_is_decoded(
    work: Path, tmp_path: Path, decoded: list[int]
) -> None:
    video = work / "videos" / "kitchen_9.mp4"
    asked = PredictSettings(video, run=work / "run", out=tmp_path / "video", engine="torch", proxy=False)
    assert predict(asked) == 0
    assert len(decoded) > 50
    decoded.clear()
    assert predict(replace(asked, out=tmp_path / "store", features=(work / "features",))) == 0
    assert not decoded
    ours, theirs = (json.loads((tmp_path / name / "timeline.json").read_text()) for name in ("store", "video"))
    assert len(ours["segments"]) > 2
    for one, other in zip(ours["segments"], theirs["segments"], strict=True):
        assert {key: one[key] for key in ("start_seconds", "stop_seconds", "verb")} == {
            key: other[key] for key in ("start_seconds", "stop_seconds", "verb")
        }
        assert one["confidence"] == pytest.approx(other["confidence"], abs=0.01)
    for key in ("duration_seconds", "targets", "video_path"):
        assert ours[key] == theirs[key]
    assert ours["origin"]["engine"].startswith("features from ") and theirs["origin"]["engine"].startswith("torch")


def test_what_the_store_lacks_is_computed(work: Path, tmp_path: Path, decoded: list[int]) -> None:
    video = tmp_path / "videos" / "kitchen_5.mp4"
    write_recording(video, seed=5)
    asked = PredictSettings(
        video, run=work / "run", out=tmp_path / "out", features=(work / "features",), engine="torch", proxy=False
    )
    assert predict(asked) == 0
    assert decoded


def test_all_recordings_of_a_store_need_no_videos(work: Path, tmp_path: Path, decoded: list[int]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "predict",
                "--features",
                str(work / "features"),
                "--run",
                str(work / "run"),
                "--out",
                str(tmp_path / "out"),
            ]
        )
    assert not stop.value.code and not decoded
    assert sorted(read_timelines(tmp_path / "out")) == ["kitchen_1", "kitchen_2", "kitchen_3", "kitchen_9"]
    assert json.loads((tmp_path / "out" / "kitchen_1" / "timeline.json").read_text())["video_path"] is None
    assert "No footage" in (tmp_path / "out" / "kitchen_1" / "timeline.html").read_text()
    assert "kitchen_9" in (tmp_path / "out" / "index.html").read_text()


def test_another_recording_of_the_same_name_is_not_answered_from_the_store(work: Path, tmp_path: Path) -> None:
    video = tmp_path / "kitchen_1.mp4"
    write_recording(video, seed=1)
    short = tmp_path / "short" / "kitchen_1.mp4"
    write_video(short, rate=10, num_frames=20, size=(48, 64))
    asked = PredictSettings(
        video, run=work / "run", out=tmp_path / "out", features=(work / "features",), engine="torch"
    )
    assert predict(asked) == 0
    with pytest.raises(ArtifactError, match="s of kitchen_1, and .* 2 s: not the same recording"):
        predict(replace(asked, video=short, out=tmp_path / "other"))


def test_what_does_not_go_together_is_said(work: Path, tmp_path: Path) -> None:
    video, out = work / "videos" / "kitchen_9.mp4", tmp_path / "out"
    features = (work / "features",)
    with pytest.raises(ValueError, match="give a video, a folder of videos, or the recordings of a store"):
        PredictSettings(run=work / "run", out=out)
    with pytest.raises(ValueError, match="--hands looks at pictures"):
        PredictSettings(video, run=work / "run", out=out, features=features, hands=True)
    with pytest.raises(ValueError, match="--speak needs the recording"):
        PredictSettings(run=work / "run", out=out, features=features, speak=tmp_path / "a.wav")
    with pytest.raises(ArtifactError, match="names clips"):
        predict(PredictSettings(run=write_clip_run(tmp_path / "clips"), out=out, features=features))
    other = tmp_path / "other"
    extract(ExtractSettings(media=(work / "videos",), features=other, **SMALL))  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="there is no stream motion here"):
        predict(PredictSettings(run=work / "run", out=out, features=(other,)))


def test_every_second_step_is_read_as_an_array_would_be(work: Path) -> None:
    stored = StoredRecordings.of(load_run(work / "run"), work / "features")
    (stretch,) = stored.recordings.whole("kitchen_1")
    thinned, whole = Thinned(stretch, 2), stretch[:][::2]
    assert len(thinned) == len(whole)
    for part in (slice(None), slice(3, 9), slice(5, 1000), slice(4, 4)):
        np.testing.assert_array_equal(thinned[part], whole[part])
