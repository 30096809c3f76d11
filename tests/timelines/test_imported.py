"""Runs of features that others made: trained, and what happens where pictures would be needed."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.import_features import ImportFeaturesSettings, import_features
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.errors import ArtifactError
from egoact.core.timelines.files import read_timelines
from egoact.runs.loading import load_run
from tests.makers.data.foreign import NAMES, read_truth, write_data_set
from tests.makers.data.published import published_metrics
from tests.makers.data.recordings import write_recording


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, its store, and a run that was trained on the training side of its split."""
    folder = tmp_path_factory.mktemp("imported")
    write_data_set(folder / "tea")
    import_features(ImportFeaturesSettings(folder=folder / "tea", out=folder / "store", rate=15))
    train_timeline(settings(folder))
    return folder


def settings(folder: Path, **changes: object) -> TrainTimelineSettings:
    labels = folder / "store" / "labels"
    made = TrainTimelineSettings(
        segments=(labels / "train.split1.csv",), classes=labels, features=(folder / "store",), run=folder / "run"
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_run_says_what_it_was_trained_on_and_looks_at_a_rate_that_divides_that_of_the_store(work: Path) -> None:
    config = load_run(work / "run").segmenter.config
    assert [spec.title for spec in config.backbones] == ["tea (imported)"]
    assert (config.rate, config.steps_per_second) == (15, 5)
    assert config.vocabularies["verb"].names == NAMES[1:]


def test_such_features_cannot_be_computed_from_a_video(work: Path, tmp_path: Path) -> None:
    write_recording(tmp_path / "kitchen_1.mp4")
    with pytest.raises(ArtifactError, match=r"were imported \(tea\), and cannot be computed from pictures"):
        predict(PredictSettings(video=tmp_path / "kitchen_1.mp4", run=work / "run", out=tmp_path / "out"))


def test_pictures_are_not_extracted_into_such_a_store(work: Path, tmp_path: Path) -> None:
    write_recording(tmp_path / "videos" / "kitchen_1.mp4")
    for streams in (("rgb",), ("motion",)):
        asked = ExtractSettings(media=(tmp_path / "videos",), features=work / "store", streams=streams, engine="torch")  # type: ignore[arg-type]
        with pytest.raises(ArtifactError, match="imported features are here already: .*; give another folder"):
            extract(replace(asked, backbone="tiny-random", size=32))


def test_the_rate_that_is_asked_for_must_divide_that_of_the_store(work: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--rate 4 does not divide 15"):
        train_timeline(settings(work, run=tmp_path / "run", rate=4))


def test_a_run_is_evaluated_on_a_side_of_the_split_by_the_published_measures(work: Path, tmp_path: Path) -> None:
    labels = work / "store" / "labels"
    with pytest.raises(SystemExit) as stop:
        flags = ["--segments", labels / "test.split1.csv", "--features", work / "store", "--out", tmp_path]
        main(["evaluate", "--run", str(work / "run"), *map(str, flags)])
    assert not stop.value.code
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    written = json.loads((tmp_path / "timelines.json").read_text())
    assert list(written["videos"]) == ["S4_Tea"]
    truth = read_truth(work / "tea", "S4_Tea")
    found = as_frames(written["videos"]["S4_Tea"]["predicted"]["segments"], len(truth))
    expected = published_metrics([(found, truth)])
    assert metrics["verb"]["frame_accuracy"] == pytest.approx(expected["accuracy"])
    assert metrics["verb"]["edit"] == pytest.approx(expected["edit"])
    assert metrics["verb"]["f1"] == pytest.approx({name: expected[f"f1@{name}"] for name in ("10", "25", "50")})
    assert 80 < metrics["verb"]["frame_accuracy"] < 100 and "notes" not in metrics
    assert "S4_Tea" in (tmp_path / "report.html").read_text()


def test_an_evaluation_says_what_it_was_made_of(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = work / "store" / "labels" / "train.split1.csv"
    evaluate(EvaluateSettings(segments=(labels,), features=(work / "store",), run=work / "run", out=tmp_path))
    written = json.loads((tmp_path / "timelines.json").read_text())
    weights = (work / "run" / "model.safetensors").read_bytes()
    assert written["run"]["sha256"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert written["labels"] == [{"path": str(labels), "sha256": hashlib.sha256(labels.read_bytes()).hexdigest()}]
    assert [set(store) for store in written["features"]] == [{"path", "fingerprint", "sha256"}]
    assert "18 of 18 segments were trained on" in capsys.readouterr().out.splitlines()[0]


def test_words_that_a_run_does_not_know_are_missed_and_not_refused(work: Path, tmp_path: Path) -> None:
    text = (work / "store" / "labels" / "test.split1.csv").read_text()
    (tmp_path / "other.csv").write_text(text.replace(",stir", ",whisk"))
    segments = (tmp_path / "other.csv",)
    evaluate(EvaluateSettings(segments=segments, features=(work / "store",), run=work / "run", out=tmp_path / "o"))
    metrics = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert metrics["num_segments"] == 6 and 20 < metrics["verb"]["f1"]["10"] < 80


def test_recordings_and_rates_that_are_not_there_are_told(work: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("video_id,start_seconds,stop_seconds,verb\nS9_Tea,0,1,take\n")
    asked = EvaluateSettings(
        segments=(tmp_path / "other.csv",), features=(work / "store",), run=work / "run", out=tmp_path / "o"
    )
    with pytest.raises(ArtifactError, match="1 of 1 recordings, such as S9_Tea, are not in the feature store"):
        evaluate(asked)
    with pytest.raises(ValueError, match="is measured by its own classes; leave it away"):
        evaluate(replace(asked, annotations=work / "store" / "labels"))
    other = tmp_path / "store"
    import_features(ImportFeaturesSettings(folder=work / "tea", out=other, rate=30))
    with pytest.raises(ArtifactError, match="has 30 steps a second, those that the run was trained on have 15"):
        evaluate(replace(asked, features=(other,)))
    import_features(ImportFeaturesSettings(folder=work / "tea", out=tmp_path / "named", rate=15, name="mine"))
    with pytest.raises(ArtifactError, match="its features have backbone mine, the run needs tea"):
        evaluate(replace(asked, features=(tmp_path / "named",)))


def test_timelines_of_such_features_come_from_their_store(work: Path, tmp_path: Path) -> None:
    asked = PredictSettings(run=work / "run", out=tmp_path, features=(work / "store",))
    assert predict(asked) == 0
    found = read_timelines(tmp_path)
    assert sorted(found) == ["S1_Tea", "S2_Tea", "S3_Tea", "S4_Tea"]
    assert {segment.verb for segment in found["S4_Tea"]} == {"take", "pour", "stir"}
    assert json.loads((tmp_path / "S4_Tea" / "timeline.json").read_text())["origin"]["backbone"] == "tea (imported)"


@pytest.mark.slow
@pytest.mark.parametrize(("segmenter", "splits", "rate"), [("linear", (1, 2, 3), 15), ("mstcn", (2,), 5)])
def test_a_data_set_goes_through_import_training_by_its_splits_and_evaluation(
    tmp_path: Path, segmenter: str, splits: tuple[int, ...], rate: int
) -> None:
    """Each split on its own; figures by the definition, from the files."""
    videos = [f"S{number}_Tea" for number in range(1, 7)]
    folder = write_data_set(tmp_path / "tea", videos=videos, noise=0.8)
    for split in (1, 2, 3):
        sides = {"test": videos[2 * split - 2 : 2 * split]}
        sides["train"] = [video for video in videos if video not in sides["test"]]
        for side, members in sides.items():
            text = "".join(f"{video}.txt\n" for video in members)
            (folder / "splits" / f"{side}.split{split}.bundle").write_text(text)
    store, labels = tmp_path / "store", tmp_path / "store" / "labels"
    call("import-features", folder, "--rate", 15, "--out", store)
    small = {"linear": [], "mstcn": ["--updates", 60, "--members", 1, "--segmenter-options", "width=16", "layers=5"]}
    small["mstcn"] += ["--learning-rate", 0.005, "--validation-videos", "S1_Tea"]
    for split in splits:
        run, out = tmp_path / f"run_{split}", tmp_path / f"results_{split}"
        given = ["--features", store, "--run", run]
        learned = ["--segments", labels / f"train.split{split}.csv", "--classes", labels, "--rate", rate]
        call("train-timeline", *learned, *given, "--segmenter", segmenter, *small[segmenter])
        call("evaluate", "--segments", labels / f"test.split{split}.csv", *given, "--out", out)
        metrics, written = (json.loads((out / f"{name}.json").read_text()) for name in ("metrics", "timelines"))
        assert sorted(written["videos"]) == videos[2 * split - 2 : 2 * split] and "notes" not in metrics
        pairs = []
        for video, sides_of in written["videos"].items():
            truth = read_truth(folder, video)
            pairs.append((as_frames(sides_of["predicted"]["segments"], len(truth)), truth))
        expected = published_metrics(pairs)
        measured = metrics["verb"]
        values = [measured["frame_accuracy"], measured["edit"], *measured["f1"].values()]
        assert values == pytest.approx(list(expected.values()))
        assert measured["frame_accuracy"] > metrics["baselines"]["background"]["verb"]["frame_accuracy"] + 15


def call(*words: object) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert not stop.value.code, words


def as_frames(segments: list[dict], num_frames: int) -> list[str]:
    frames = ["background"] * num_frames
    for segment in segments:
        first, stop = round(15 * segment["start_seconds"]), round(15 * segment["stop_seconds"])
        frames[first:stop] = [segment["verb"]] * (stop - first)
    assert len(frames) == num_frames
    return frames
