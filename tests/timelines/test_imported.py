"""Runs of features that others made: trained, and what happens where pictures would be needed."""

from dataclasses import replace
from pathlib import Path

import pytest

from egoact.commands.import_features import ImportFeaturesSettings, import_features
from egoact.commands.predict import PredictSettings, predict
from egoact.commands.train_timeline import TrainTimelineSettings, train_timeline
from egoact.core.errors import ArtifactError
from egoact.runs.loading import load_run
from tests.makers.foreign import NAMES, write_data_set
from tests.makers.recordings import write_recording


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
    with pytest.raises(ArtifactError, match=r"were imported \(tea\), and nobody here can compute them from pictures"):
        predict(PredictSettings(video=tmp_path / "kitchen_1.mp4", run=work / "run", out=tmp_path / "out"))


def test_the_rate_that_is_asked_for_must_divide_that_of_the_store(work: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--rate 4 does not divide 15"):
        train_timeline(settings(work, run=tmp_path / "run", rate=4))
