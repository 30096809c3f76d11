"""What a run was trained and chosen on is said beside its figures."""

import json
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import Segment, read_segments
from egoact.runs.provenance import Provenance, warn
from tests.makers.data.features import write_csv, write_store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos A_1 and B_1 are trained on, C_1 chooses the epoch, D_1 is new."""
    data = tmp_path_factory.mktemp("provenance")
    videos = {name: (f"{name}_1",) for name in "ABCD"}
    write_store(data / "features", write_csv(data / "all.csv", videos=("A_1", "B_1", "C_1", "D_1")))
    write_csv(data / "train.csv", videos=("A_1", "B_1", "C_1"))
    for name, video in videos.items():
        write_csv(data / f"{name}.csv", videos=video)
    train(
        TrainSettings(
            segments=(data / "train.csv",),
            features=(data / "features",),
            run=data / "run",
            validation_videos=("C_1",),
            head="average",
            epochs=2,
            device="cpu",
        )
    )
    return data


def measured(data: Path, out: Path, *, segments: str, run: str = "run") -> dict:
    evaluate(
        EvaluateSettings(segments=(data / f"{segments}.csv",), out=out, run=data / run, features=(data / "features",))
    )
    return json.loads((out / "metrics.json").read_text())


def test_segments_that_were_trained_on_are_told_first(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = measured(data, tmp_path, segments="all")
    assert metrics["seen"] == {
        "num_segments": 48, "trained_on": 24, "chosen_on": 12, "num_videos": 4, "videos_trained_on": 2,
    }  # fmt: skip
    first, second, third = capsys.readouterr().out.splitlines()[:3]
    assert first.startswith("24 of 48 segments were trained on") and second.startswith("12 of 48 segments chose")
    assert third.startswith("verb ")
    assert metrics["notes"][:2] == [first, second]


def test_new_recordings_need_no_words(data: Path, tmp_path: Path) -> None:
    metrics = measured(data, tmp_path, segments="D")
    assert "seen" not in metrics and not any("trained on" in note for note in metrics.get("notes", []))


@pytest.mark.parametrize(("run", "num_chosen"), [("run", 12), ("run/best", 12), ("run/last", None)])
def test_the_last_epoch_was_chosen_by_nothing(data: Path, tmp_path: Path, run: str, num_chosen: int | None) -> None:
    metrics = measured(data, tmp_path, segments="C", run=run)
    assert (metrics["seen"]["chosen_on"] if "seen" in metrics else None) == num_chosen


def test_a_run_without_epochs_was_chosen_by_nothing(data: Path, tmp_path: Path) -> None:
    run, features = tmp_path / "ridge", (data / "features",)
    train(TrainSettings((data / "train.csv",), features, run, validation_videos=("C_1",), head="difference"))
    assert not (run / "best").exists() and set(Provenance.read(run).training) == {"A_1", "B_1"}
    assert "seen" not in measured(data, tmp_path, segments="C", run=str(run))


def test_the_page_says_it_beside_the_headline(data: Path, tmp_path: Path) -> None:
    flags = ["--segments", data / "A.csv", "--features", data / "features", "--run", data / "run", "--out", tmp_path]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", *map(str, flags)])
    assert not stop.value.code
    assert "12 of 12 segments were trained on" in (tmp_path / "report.html").read_text()


def test_labels_that_moved_a_little_are_the_same_moments(data: Path) -> None:
    provenance = Provenance.of(read_segments(data / "A.csv"), ())
    moved = [Segment("x", "A", "A_1", 0.3, 0.7), Segment("y", "A", "A_1", 0.9, 1.0), Segment("z", "A", "A_1", 500, 501)]
    found = provenance.describe(moved)
    assert (found["trained_on"], found["videos_trained_on"]) == (1, 1)  # y lies in a gap, z after the last label
    told = warn(provenance.describe(moved[1:]))
    assert len(told) == 1 and told[0].startswith("1 of 1 recordings were trained on, in other segments")


def test_a_run_that_does_not_say_is_measured_without_words(data: Path, tmp_path: Path) -> None:
    assert Provenance.read(tmp_path) is None
    (tmp_path / "trained_on.json").write_text("[1]")
    with pytest.raises(Exception, match="damaged"):
        Provenance.read(tmp_path)


def test_a_comparison_says_it_of_each_model(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(data, tmp_path / "old", segments="A")
    run = ["--segments", data / "A.csv", "--features", data / "features", "--rounds", "1", "--out", tmp_path / "out"]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, [tmp_path / "old", data / "run" / "last", *run])])
    assert not stop.value.code
    told = capsys.readouterr().out
    assert "old: 12 of 12 segments were trained on" in told and "last: 12 of 12 segments were trained on" in told
    assert "<b>last:</b> 12 of 12 segments" in (tmp_path / "out/comparison.html").read_text()


@pytest.mark.parametrize("select", ["best", "last"])
def test_training_says_which_epoch_is_kept_and_why(
    data: Path, tmp_path: Path, select: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train(
        TrainSettings(
            segments=(data / "train.csv",),
            features=(data / "features",),
            run=tmp_path / "run",
            validation_videos=("C_1",),
            head="average",
            epochs=3,
            select=select,  # type: ignore[arg-type]
            device="cpu",
        )
    )
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("trained average") and ", its epochs in " in first
    assert [line.partition(",")[0] for line in lines] == ["best epoch", "last epoch"]
    kept = json.loads((tmp_path / "run/metrics.json").read_text())
    (line,) = [line for line in lines if "; kept (" in line]
    assert line.startswith(f"{select} epoch, validation top-1 %: verb {kept['verb']['top1']:.1f}, noun ")
    assert ("higher than on others" in line) == (select == "best")
