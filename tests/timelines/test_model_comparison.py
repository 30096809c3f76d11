"""`egoact compare` of runs that find actions in recordings, and of evaluations of them."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.data.import_features import ImportFeaturesSettings, import_features
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.compare import CompareSettings, compare
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.errors import ArtifactError
from tests.makers.data.foreign import write_data_set
from tests.makers.data.recordings import write_clip_run


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of six recordings, and two runs of four of them, of which one looks at little."""
    folder = tmp_path_factory.mktemp("comparison")
    write_data_set(folder / "tea", videos=[f"S{n}_Tea" for n in range(1, 7)], num_test=2, noise=1.0)
    import_features(ImportFeaturesSettings(folder=folder / "tea", out=folder / "store", rate=15))
    labels = folder / "store" / "labels"
    made = TrainTimelineSettings(
        segments=(labels / "train.split1.csv",), classes=labels, features=(folder / "store",), run=folder / "good"
    )
    train_timeline(made)
    train_timeline(replace(made, run=folder / "coarse", rate=1))
    return folder


def settings(work: Path, out: Path, *runs: str, **changes: object) -> CompareSettings:
    test = work / "store" / "labels" / "test.split1.csv"
    made = CompareSettings(
        tuple(work / run for run in runs), out=out, segments=(test,), features=(work / "store",), draws=200
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_runs_are_compared_on_whole_recordings(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--segments", work / "store/labels/test.split1.csv", "--features", work / "store", "--out", tmp_path]
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, [work / "good", work / "coarse", *flags])])
    assert not stop.value.code
    document = json.loads((tmp_path / "comparison.json").read_text())["finders"]
    assert (document["num_recordings"], document["reference"], document["targets"]) == (2, "good", ["verb"])
    good, coarse = document["models"]
    assert good["segmenter"] == "linear" and good["num_parameters"] > 0
    against = coarse["verb"]["frame_accuracy"]["against"]
    assert against["difference"] < 0 and against["p"] == 0.5 and "against" not in good["verb"]["edit"]
    rows = list(csv.DictReader((tmp_path / "comparison.csv").read_text().splitlines()))
    assert len(rows) == 10 and float(rows[5]["against_difference"]) == pytest.approx(against["difference"], abs=1e-3)
    assert "coarse against good: frames -" in capsys.readouterr().out.replace("\n", " ")
    assert "it cannot be below 0.5" in (tmp_path / "comparison.html").read_text()


def test_evaluations_say_the_same_as_their_runs(work: Path, tmp_path: Path) -> None:
    compare(settings(work, tmp_path / "runs", "good", "coarse", against="best"))
    asked = settings(work, tmp_path / "evaluated", "good", "coarse", against="best")
    folders = []
    for run in ("good", "coarse"):
        out = tmp_path / run
        evaluate(EvaluateSettings(segments=asked.segments, features=asked.features, run=work / run, out=out))
        folders.append(out)
    compare(replace(asked, runs=tuple(folders), segments=(), features=()))
    one, other = (
        json.loads((tmp_path / name / "comparison.json").read_text())["finders"] for name in ("runs", "evaluated")
    )
    assert one["reference"] == other["reference"] == "good"
    for ours, theirs in zip(one["models"], other["models"], strict=True):
        assert ours["verb"] == theirs["verb"] and ours["num_parameters"] == theirs["num_parameters"]
    metrics = json.loads((tmp_path / "good" / "metrics.json").read_text())["verb"]
    assert one["models"][0]["verb"]["f1_50"]["value"] == pytest.approx(metrics["f1"]["50"])
    assert one["models"][0]["verb"]["edit"]["value"] == pytest.approx(metrics["edit"])


def test_a_model_that_knows_the_recordings_says_so(work: Path, tmp_path: Path) -> None:
    train = (work / "store" / "labels" / "train.split1.csv",)
    compare(settings(work, tmp_path, "good", "coarse", segments=train))
    models = json.loads((tmp_path / "comparison.json").read_text())["finders"]["models"]
    assert all(model["notes"][0].startswith("24 of 24 segments were trained on") for model in models)


def test_what_cannot_be_compared_is_said(work: Path, tmp_path: Path) -> None:
    asked = settings(work, tmp_path / "out", "good", "coarse")
    with pytest.raises(ValueError, match="is a run: give --segments and --features"):
        compare(replace(asked, segments=(), features=()))
    clips = write_clip_run(tmp_path / "clips")
    with pytest.raises(ArtifactError, match="names clips, or is no model"):
        compare(replace(asked, runs=(work / "good", clips)))
    train = (work / "store" / "labels" / "train.split1.csv",)
    evaluate(EvaluateSettings(segments=train, features=asked.features, run=work / "good", out=tmp_path / "others"))
    with pytest.raises(ArtifactError, match="S1_Tea is only in one of it and"):
        compare(replace(asked, runs=(work / "good", tmp_path / "others")))
    shutil.copytree(tmp_path / "others", tmp_path / "damaged")
    (tmp_path / "damaged" / "timelines.json").write_text('{"videos": {"a": {}}}')
    with pytest.raises(ArtifactError, match="not what egoact evaluate writes"):
        compare(replace(asked, runs=(tmp_path / "damaged", tmp_path / "others")))
