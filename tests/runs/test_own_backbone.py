"""Runs and stores that carry the weights of their own backbone."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.commands.using.predict import PredictSettings, predict
from egoact.core.errors import ArtifactError
from egoact.models.backbones.own_files import FILE_NAME, OwnFile, describe_own_file, narrow, write_own_file
from egoact.models.backbones.registry import default_size, load_backbone, load_trunk
from egoact.runs.loading import load_run
from tests.makers.data.recordings import film_recordings


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The tiny backbone with other weights, and fewer channels inside."""
    trunk = load_trunk("tiny-random", weights=None, size=32)
    widths = (3, 8, 12, 20, 32)
    blocks = [nn.Conv2d(widths[i], widths[i + 1], 3, stride=2, padding=1) for i in range(4)]
    torch.manual_seed(1)
    narrow(
        trunk.model, {f"{i}.0.{name}": value for i, b in enumerate(blocks) for name, value in b.state_dict().items()}
    )
    for parameter in trunk.model.parameters():
        nn.init.normal_(parameter, std=0.2)
    write_own_file(
        tmp_path / "own.safetensors", trunk.model, OwnFile("tiny-random", 32, "a test"), described={"a": "b"}
    )
    return tmp_path / "own.safetensors"


def fill(folder: Path, weights: Path | None, *, streams: Sequence[str] = ("rgb",)) -> Path:
    features = folder / f"features-{'own' if weights else 'published'}"
    chosen = ExtractSettings(
        media=(folder / "videos",),
        features=features,
        backbone="tiny-random",
        weights=weights,
        size=None if weights else 32,
        engine="torch",
        streams=streams,  # type: ignore[arg-type]
    )
    assert extract(chosen) == 0
    return features


def test_a_narrower_file_makes_a_narrower_backbone(own: Path) -> None:
    backbone = load_backbone("tiny-random", weights=own)
    assert default_size("tiny-random", own) == 32 and backbone.spec.input_size == (32, 32)
    assert [block[0].out_channels for block in list(backbone.module)[:4]] == [8, 12, 20, 32]  # type: ignore[index]
    assert backbone.spec.weights_hash != load_backbone("tiny-random", size=32).spec.weights_hash
    assert torch.equal(backbone.module[1][0].weight, load_file(own)["1.0.weight"])  # type: ignore[index]
    assert describe_own_file(own) == OwnFile("tiny-random", 32, "a test")


def test_a_file_of_another_backbone_is_refused_by_name(own: Path) -> None:
    with pytest.raises(ArtifactError, match="these weights are of tiny-random, not of efficientnet_lite0"):
        load_backbone("efficientnet_lite0", weights=own)


def test_a_run_carries_the_backbone_that_its_features_were_made_with(own: Path, tmp_path: Path) -> None:
    film_recordings(tmp_path)
    features = fill(tmp_path, own, streams=("rgb", "difference"))
    assert (features / FILE_NAME).read_bytes() == own.read_bytes()
    run = tmp_path / "own-run"
    kept = TrainSettings((tmp_path / "labels.csv",), (features,), run, validation_videos=("kitchen_3",), epochs=1)
    train(kept)
    train_timeline(TrainTimelineSettings((tmp_path / "labels.csv",), (features,), tmp_path / "own-timeline", rate=8))
    own.unlink()
    shutil.rmtree(features)
    for path in (run, run / "best", run / "last"):
        assert load_run(path).engine.run(*np.zeros((2, 1, 32, 32, 3), np.uint8))[0].shape == (1, 32)
    out, timeline = tmp_path / "timeline", tmp_path / "own-timeline"
    assert predict(PredictSettings(tmp_path / "videos/kitchen_9.mp4", run=timeline, out=out, engine="torch")) == 0
    assert (out / "timeline.csv").is_file()
    (run / FILE_NAME).unlink()
    with pytest.raises(ArtifactError, match="features have weights_hash .*, the run needs"):
        _ = load_run(run).engine


def test_published_weights_are_not_carried(tmp_path: Path) -> None:
    film_recordings(tmp_path)
    assert not (fill(tmp_path, None) / FILE_NAME).exists()
