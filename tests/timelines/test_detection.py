"""A detector from training to predict, evaluate and submit, and detections of a segmenter."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.metrics.challenges.detection_submission import check_detections
from egoact.core.timelines.files import read_timelines
from egoact.runs.loading import load_run
from egoact.timelines.stored import StoredRecordings

pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES = {"verb": ("close", "open"), "noun": ("door", "fridge")}


@pytest.fixture(scope="module")
def work(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels with verbs and nouns, and a run of a small detector on the features of `folder`."""
    made = tmp_path_factory.mktemp("detection")
    rows = (folder / "labels.csv").read_text().splitlines()
    nouns = [f"{row},{'fridge' if row.endswith('open') else 'door'}" for row in rows[1:]]
    (made / "labels.csv").write_text("\n".join([f"{rows[0]},noun", *nouns]) + "\n")
    asked = TrainTimelineSettings(
        segments=(made / "labels.csv",),
        features=(folder / "features",),
        run=made / "run",
        segmenter="detector",
        segmenter_options=("width=16", "levels=4", "dropout=0.0"),
        validation_videos=("kitchen_1",),
        members=2,
        rate=8,
        updates=36,
        learning_rate=1e-2,
    )
    train_timeline(asked)
    train_timeline(replace(asked, run=made / "linear", segmenter="linear", segmenter_options=(), updates=None))
    return made


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


def test_a_timeline_of_a_detector_has_no_overlaps(work: Path, folder: Path, tmp_path: Path) -> None:
    assert predict(PredictSettings(run=work / "run", features=(folder / "features",), out=tmp_path)) == 0
    for timeline in read_timelines(tmp_path).values():
        assert len(timeline) >= 2
        for one, after in zip(timeline, timeline[1:], strict=False):
            assert one.stop_seconds <= after.start_seconds


@pytest.mark.parametrize("name", ["run", "linear"])
def test_detections_are_measured_and_submitted(work: Path, folder: Path, tmp_path: Path, name: str) -> None:
    given = ("--run", str(work / name), "--features", str(folder / "features"), "--segments", str(work / "labels.csv"))
    assert run("evaluate", "--task", "detection", *given, "--out", str(tmp_path / "results")) == 0
    metrics = json.loads((tmp_path / "results/metrics.json").read_text())
    assert metrics["verb"]["0.1"] > 50 and metrics["action"]["0.1"] > 50 and metrics["task"] == "detection"
    for target, names in CLASSES.items():  # the challenge's numbers are other ones than the run's
        listed = "".join(f"{number},{word},['{word}']\n" for number, word in enumerate(("none", *reversed(names))))
        (tmp_path / f"{target}_classes.csv").write_text(f"id,key,instances\n{listed}")
    out = tmp_path / "found.zip"
    asked = ("submit", "--task", "detection", *given, "--classes", str(tmp_path), "--out", str(out))
    assert run(*asked) == 0
    found = check_detections(out).detections
    stored = StoredRecordings.of(load_run(work / name), folder / "features")
    ours = stored.detect(found.video_ids)
    assert (found.verbs == 2 - ours.verbs).all() and (found.nouns == 2 - ours.nouns).all()
    (tmp_path / "noun_classes.csv").write_text("id,key,instances\n0,door,['door']\n")
    assert run(*asked) == 2


def test_a_detector_is_neither_exported_nor_live(
    work: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = ("--media", str(folder / "videos"), "--segments", str(work / "labels.csv"))
    assert run("export", "--run", str(work / "run"), "--format", "onnx", "--out", str(tmp_path), *media) == 2
    assert "detectors cannot be exported" in capsys.readouterr().err
    assert run("live", "--run", str(work / "run"), "--source", str(folder / "videos/kitchen_9.mp4")) == 2
    assert "looks into the future" in capsys.readouterr().err
