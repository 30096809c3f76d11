"""Classifiers in closed form: the weights of another implementation, the weights of streams, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from egoact.commands.learning.train import TrainSettings, train
from egoact.models.classifier import ActionClassifier
from egoact.models.fusion import LateFusion
from egoact.models.heads import build_head
from egoact.models.names import FIXED_HEADS
from egoact.training.recipes import MOST_CLIPS_OF_RIDGE, Recipe, choose_recipe
from egoact.training.ridge import RidgeChoice, fit_ridge
from tests.makers.data.features import write_csv, write_store

CHANNELS = (8, 9)
NUM_CLASSES = {"verb": 4, "noun": 3}


def clips(
    num_clips: int = 60, *, noise: float = 0.5, seed: int = 0
) -> tuple[torch.Tensor, dict[str, np.ndarray], list[str]]:
    """Two streams, (N, 5, 8 + 9): the first shows the class as a change over the clip, the second nothing."""
    rng = np.random.default_rng(seed)
    labels = {target: rng.integers(0, size, num_clips) for target, size in NUM_CLASSES.items()}
    features = rng.normal(0, noise, (num_clips, 5, sum(CHANNELS)))
    ramp = np.linspace(-1, 1, 5)
    for target, first in (("verb", 0), ("noun", 4)):
        features[np.arange(num_clips), :, first + labels[target]] += ramp
    return torch.from_numpy(features).float(), labels, [f"video_{number // 12}" for number in range(num_clips)]


def model_for(head: str = "difference") -> ActionClassifier:
    made = build_head(head, feature_shape=(sum(CHANNELS),), num_frames=5)
    return ActionClassifier(made, num_classes=NUM_CLASSES, dropout=0.0)


def fitted(head: str = "difference", **how: float) -> tuple[ActionClassifier, RidgeChoice]:
    features, labels, recordings = clips(**how)  # type: ignore[arg-type]
    model = model_for(head)
    model.observe([features])
    return model, fit_ridge(model, features.split(17), labels, recordings, num_channels=CHANNELS)


@pytest.mark.parametrize("head", FIXED_HEADS)
def test_weights_are_those_of_another_ridge_regression(head: str) -> None:
    features, labels, _ = clips()
    model, choice = fitted(head)
    with torch.no_grad():
        embedded = model.head(features).double().numpy()
        logits = {target: values.numpy() for target, values in model(features).items()}
    stream = np.tile(np.repeat(range(2), CHANNELS), embedded.shape[1] // sum(CHANNELS))
    columns = [(stream == number).sum() for number in range(2)]
    scale = np.sqrt([choice.weights[number] / columns[number] for number in stream])
    for target, size in NUM_CLASSES.items():
        theirs = Ridge(alpha=choice.penalty).fit(embedded * scale, np.eye(size)[labels[target]])
        expected = theirs.predict(embedded * scale) * choice.sharpness
        np.testing.assert_allclose(logits[target], expected, rtol=0, atol=2e-4)


def test_held_out_recordings_are_scored_by_what_has_not_seen_them() -> None:
    """The error that is reported is that of leaving out recordings, here computed by another implementation."""
    features, labels, recordings = clips()
    model, choice = fitted()
    with torch.no_grad():
        embedded = model.head(features).double().numpy()
    stream = np.tile(np.repeat(range(2), CHANNELS), 3)
    scale = np.sqrt([choice.weights[number] / (3 * CHANNELS[number]) for number in stream])
    video = np.array(recordings)
    errors = []
    for target, size in NUM_CLASSES.items():
        wanted = np.eye(size)[labels[target]]
        left = sum(
            np.square(
                Ridge(alpha=choice.penalty)
                .fit((embedded * scale)[video != name], wanted[video != name])
                .predict((embedded * scale)[video == name])
                - wanted[video == name]
            ).sum()
            for name in set(recordings)
        )
        errors.append(left / np.square(wanted - wanted.mean(0)).sum())
    assert choice.error == pytest.approx(np.mean(errors), rel=1e-5)


def test_a_stream_that_knows_nothing_weighs_little() -> None:
    model, choice = fitted()
    assert choice.weights[0] > 0.7
    assert sum(choice.weights) == pytest.approx(1)
    features, labels, _ = clips(seed=1)
    with torch.no_grad():
        right = (model(features)["verb"].argmax(1).numpy() == labels["verb"]).mean()
    assert right > 0.8


def test_probabilities_are_as_sure_as_the_data_allow() -> None:
    sure, unsure = (fitted(noise=noise)[1] for noise in (0.2, 3.0))
    assert sure.sharpness > unsure.sharpness


def test_what_cannot_be_solved_is_refused() -> None:
    features, labels, recordings = clips()
    with pytest.raises(ValueError, match="needs a head without parameters: average, max"):
        fit_ridge(model_for("lstm"), [features], labels, recordings, num_channels=CHANNELS)
    late = LateFusion([build_head("average", feature_shape=(n,), num_frames=5) for n in CHANNELS], CHANNELS)
    with pytest.raises(ValueError, match="leave --fusion late away"):
        fit_ridge(
            ActionClassifier(late, num_classes=NUM_CLASSES), [features], labels, recordings, num_channels=CHANNELS
        )
    many = ["video"] * (MOST_CLIPS_OF_RIDGE + 1)
    with pytest.raises(ValueError, match="use --solver adamw"):
        fit_ridge(model_for(), [features], labels, many, num_channels=CHANNELS)


def test_one_recording_is_left_out_in_stretches() -> None:
    features, labels, _ = clips()
    model = model_for()
    model.observe([features])
    choice = fit_ridge(model, [features], labels, ["video"] * len(features), num_channels=CHANNELS)
    assert 0 < choice.error < 1


@pytest.mark.parametrize("change", [{"mixup": 0.2}, {"loss": "focal"}, {"ema": 0.9}, {"retrain_epochs": 3}])
def test_a_recipe_in_closed_form_takes_nothing_that_needs_gradients(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} needs the solver adamw"):
        choose_recipe("ridge", **change)


def test_auto_is_ridge_where_it_can_be(tmp_path: Path) -> None:
    def chosen(num_clips: int = 100, **changes: object) -> Recipe:
        paths = (tmp_path / "labels.csv",), (tmp_path / "features",), tmp_path / "run"
        return TrainSettings(*paths, **changes).chosen_recipe(num_clips)  # type: ignore[arg-type]

    assert chosen() == chosen(recipe="ridge") == choose_recipe("ridge")
    assert chosen(solver="ridge") == choose_recipe("ridge")
    assert chosen(head="lstm") == chosen(fusion="late") == chosen(devices=2) == choose_recipe("default")
    assert chosen(MOST_CLIPS_OF_RIDGE + 1) == chosen(solver="adamw") == choose_recipe("default")
    for change in ({"devices": 2}, {"nodes": 2}, {"fusion": "late"}):
        with pytest.raises(ValueError, match=f"leave --{next(iter(change))}|leave --devices and --nodes"):
            chosen(recipe="ridge", **change)
    assert chosen(epochs=7) == choose_recipe("default", epochs=7)


def test_the_head_follows_the_streams_and_the_recipe(tmp_path: Path) -> None:
    def chosen(streams: tuple[str, ...], recipe: str, head: str = "auto") -> str:
        paths = (tmp_path / "labels.csv",), (tmp_path / "features",), tmp_path / "run"
        return TrainSettings(*paths, head=head).chosen_head(choose_recipe(recipe), streams)

    assert chosen(("rgb", "motion"), "ridge") == "statistics"
    assert chosen(("rgb",), "ridge") == chosen(("rgb", "motion"), "default") == "difference"
    assert chosen(("rgb", "motion"), "ridge", head="average") == "average"


def test_a_run_in_closed_form_is_complete_and_the_same_again(tmp_path: Path) -> None:
    write_store(tmp_path / "features", write_csv(tmp_path / "train.csv", num_each=48))
    for name in ("one", "two"):
        train(
            TrainSettings(
                segments=(tmp_path / "train.csv",),
                features=(tmp_path / "features",),
                run=tmp_path / name,
                validation_videos=("B_1",),
            )
        )
    metrics = json.loads((tmp_path / "one" / "metrics.json").read_text())
    assert metrics["verb"]["top1"] > 90  # easy on purpose
    for name in ("model.safetensors", "metrics.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
