"""`egoact train --folds`: how runs do on what they never saw, and then a run on everything."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.accuracy import matthews_correlation
from egoact.runs.provenance import Provenance
from egoact.training.cross_validation import choose_folds
from egoact.training.loops.loop import Loop
from tests.makers.data.features import write_csv, write_store

pytestmark = pytest.mark.usefixtures("forked_workers")
VIDEOS = ("A_1", "A_2", "B_1", "B_2", "C_1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv", videos=VIDEOS))
    return tmp_path


def settings_for(data: Path, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "segments": (data / "train.csv",),
        "features": (data / "features",),
        "run": data / "run",
        "head": "average",
        "folds": 3,
        "epochs": 4,
        "device": "cpu",
    }
    return TrainSettings(**(values | changes))  # type: ignore[arg-type]


def test_every_recording_is_left_out_once_and_then_all_are_learned(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(settings_for(data)) == 0
    found = json.loads((data / "run" / "cross_validation.json").read_text())
    assert found["by"] == "person"
    left_out = [video for fold in found["folds"] for video in fold["videos"]]
    assert sorted(left_out) == sorted(VIDEOS)
    assert sorted(map(tuple, (fold["videos"] for fold in found["folds"]))) == [("A_1", "A_2"), ("B_1", "B_2"), ("C_1",)]
    for number, fold in enumerate(found["folds"]):
        provenance = Provenance.read(data / "run" / "folds" / str(number))
        assert provenance is not None and set(provenance.training) == set(VIDEOS) - set(fold["videos"])
        assert provenance.chosen_on == {}
    values = [fold["metrics"]["verb"]["top1"] for fold in found["folds"]]
    assert found["summary"]["verb"]["top1"]["mean"] == pytest.approx(np.mean(values))
    assert found["summary"]["verb"]["top1"]["sd"] == pytest.approx(np.std(values, ddof=1))
    whole = Provenance.read(data / "run")
    assert whole is not None and set(whole.training) == set(VIDEOS)
    out = capsys.readouterr().out
    assert "over 3 folds, each person left out once" in out and "Matthews correlation" in out


def test_a_stopped_cross_validation_goes_on(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def killed(self: Loop, *arguments: Any, **options: Any) -> object:
        trained.append(self.members[0].run.parent)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return run(self, *arguments, **options)

    run = Loop.run
    monkeypatch.setattr("egoact.training.sharing.num_cores", lambda: 1)
    monkeypatch.setattr(Loop, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        train(settings_for(data))
    assert train(settings_for(data)) == 0
    assert [path.name for path in trained] == ["0", "1", "1", "2", "run"]


def test_with_few_persons_recordings_are_left_out(data: Path) -> None:
    table = read_segments(data / "train.csv")
    assert choose_folds(table, num_folds=3, seed=0).by == "person"
    folds = choose_folds(table, num_folds=5, seed=0)
    assert folds.by == "recording" and sorted(sum(folds.videos, ())) == sorted(VIDEOS)
    with pytest.raises(ValueError, match="6 folds of 5 videos"):
        choose_folds(table, num_folds=6, seed=0)


@pytest.mark.parametrize("change", [{"folds": 1}, {"folds": -2}, {"validation_videos": ("A_1",)}, {"patience": 2}])
def test_what_does_not_go_together(data: Path, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="--folds|--patience"):
        settings_for(data, **change)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
def test_matthews_correlation_is_that_of_scikit_learn(num_classes: int) -> None:
    random = np.random.default_rng(num_classes)
    for _ in range(20):
        labels = random.integers(num_classes, size=40)
        predictions = np.where(random.random(40) < 0.5, labels, random.integers(num_classes, size=40))
        assert matthews_correlation(predictions, labels) == pytest.approx(matthews_corrcoef(labels, predictions))
    assert matthews_correlation(np.zeros(5, np.int64), labels[:5]) == 0
