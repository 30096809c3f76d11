"""Weights of stores in late fusion: the likeliest of a grid, searched on recordings that were left out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from egoact.commands.learning.train import TrainSettings, train
from egoact.models.fusion import LateClassifier
from egoact.runs.loading import load_run
from egoact.training.fusion_weights import _grid, best_weights
from tests.makers.data.features import other_spec, write_csv, write_store

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_weight_of_the_grid_is_there_once() -> None:
    for number, count in ((1, 1), (2, 11), (3, 66)):
        grid = list(_grid(number))
        assert len(set(grid)) == len(grid) == count
        np.testing.assert_allclose(np.sum(grid, axis=1), 1)
        assert min(map(min, grid)) >= 0


def test_a_store_that_knows_more_weighs_more_and_one_that_knows_nothing_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (400,), generator=generator)
    truth = torch.nn.functional.one_hot(labels, 4).float()

    def said(strength: float) -> torch.Tensor:
        return (strength * truth + torch.randn(400, 4, generator=generator)).log_softmax(1)

    better, worse, wrong = said(2.0), said(1.0), 3 * torch.randn(400, 4, generator=generator)
    weights = best_weights(torch.stack([better, worse, wrong.log_softmax(1)]), labels)
    assert weights[0] > weights[1] > weights[2] == 0.0
    losses = [float(torch.nn.functional.nll_loss(w * better + (1 - w) * worse, labels)) for w in (0.3, 0.7)]
    assert losses[1] < losses[0]


def test_a_store_of_noise_is_found_out_on_recordings_that_were_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its model knows the clips that it was trained on by heart, so that learned weights listen to it."""
    csv = write_csv(tmp_path / "labels.csv", videos=("A_1", "B_1", "C_1", "D_1"), nouns=False)
    wide = other_spec(feature_shape=(200,), weights_hash="1" * 64)
    stores = (
        write_store(tmp_path / "good", csv),
        write_store(tmp_path / "noise", csv, spec=wide, hide=(0, 1, 2), seed=5),
    )
    shares = {}
    for folds in (0, 4):
        run = tmp_path / f"run-{folds}"
        train(
            TrainSettings(
                (csv,), stores, run, head="average", fusion="late", fusion_folds=folds, recipe="default", epochs=15
            )
        )
        late = load_run(run).recognizer.model.classifiers["verb"]
        assert isinstance(late, LateClassifier)
        shares[folds] = late.weights.softmax(0).tolist()
    assert shares[0][1] > 0.3
    assert shares[4][1] < 0.15
    assert "verb, weights chosen by leaving out recordings: tiny-random 1.0, tiny-random 0.0" in capsys.readouterr().out


@pytest.mark.parametrize("changes", [{"fusion": "early"}, {"fusion_folds": 1}, {"devices": 2}], ids=str)
def test_folds_are_for_late_fusion_in_one_process(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--fusion-folds is at least 2, and goes with --fusion late in one process"):
        TrainSettings((), (), tmp_path, **({"fusion": "late", "fusion_folds": 2} | changes))  # type: ignore[arg-type]


def test_one_recording_cannot_be_left_out(tmp_path: Path) -> None:
    csv = write_csv(tmp_path / "labels.csv", videos=("A_1",))
    other = other_spec(weights_hash="1" * 64)
    stores = (write_store(tmp_path / "one", csv), write_store(tmp_path / "two", csv, spec=other))
    settings = TrainSettings((csv,), stores, tmp_path / "run", fusion="late", fusion_folds=2, epochs=1)
    with pytest.raises(ValueError, match="there is only one to train on"):
        train(settings)
