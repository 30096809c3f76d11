"""`egoact extract` with a video encoder: from recordings to rows in a store, what is killed on the way, and a run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.errors import ArtifactError, InputError
from egoact.engines.torch_engine import TorchEngine
from egoact.media.sources import MediaSource, read_clip
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.streams import check_one_network
from egoact.store.reader import FeatureStore
from tests.makers.data.encoders import MEAN, SMALL, STD, write_encoder
from tests.makers.data.extraction import write_segments
from tests.makers.films.media import write_video

transformers = pytest.importorskip("transformers", reason="pip install 'egoact[video]' brings transformers")
pytestmark = pytest.mark.usefixtures("one_thread")
VIDEOS = ["P01_101", "P01_102"]


@pytest.fixture
def settings(tmp_path: Path) -> ExtractSettings:
    for number, video in enumerate(VIDEOS):
        write_video(tmp_path / "media" / f"{video}.mp4", num_frames=50, rate=20, first_number=50 * number)
    return ExtractSettings(
        media=(tmp_path / "media",),
        features=tmp_path / "features",
        backbone="hf:some/name",
        weights=write_encoder(tmp_path / "encoder", "vjepa2"),
        engine="torch",
        precision="f32",
        device="cpu",
        workers=1,
    )


def test_rows_are_transformers_own_tokens_of_the_pictures_at_these_moments(settings: ExtractSettings) -> None:
    assert extract(replace(settings, stride=2)) == 0
    store = FeatureStore.open(settings.features)
    assert store.spec.rate == 4 and store.index.rows[VIDEOS[0]].num_steps == 10
    model = transformers.AutoModel.from_pretrained(settings.weights).eval()
    source = MediaSource.of_file(settings.media[0] / f"{VIDEOS[1]}.mp4")
    numbers = np.arange(2 * (2 - 1), 2 * (2 - 1) + 8)  # rows 2 and 3 are the middle of a window from row 1 on
    pictures = torch.tensor(read_clip(source, (numbers + 0.5) / 8, size=(64, 64)))
    normal = (pictures / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        tokens = model(normal.permute(0, 3, 1, 2)[None]).last_hidden_state[0]
    wanted = tokens.reshape(4, 16, -1).mean(1)[1:3]
    np.testing.assert_allclose(store.shard(1)[2:4].astype(np.float32), wanted.numpy(), atol=2e-3)  # stored as float16


def test_a_killed_extraction_goes_on_and_gives_the_same(
    settings: ExtractSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counted: list[int] = []
    run = TorchEngine.run

    def counting(self: TorchEngine, frames: np.ndarray) -> np.ndarray:
        counted.append(len(frames))
        if len(counted) == 6:  # two that are timed, three of the first recording, one of the second
            raise KeyboardInterrupt
        return run(self, frames)

    monkeypatch.setattr(TorchEngine, "run", counting)
    with pytest.raises(KeyboardInterrupt):
        extract(settings)
    assert list(FeatureStore.open(settings.features).index.rows) == VIDEOS[:1]
    counted[:] = [0] * 10
    assert extract(settings) == 0
    assert sum(counted) == 2 + 3
    assert "windows of 8 pictures at 8 a second" in capsys.readouterr().out
    whole = replace(settings, features=tmp_path / "whole")
    assert extract(whole) == 0
    for number in range(2):
        found, wanted = (FeatureStore.open(each.features).shard(number) for each in (settings, whole))
        np.testing.assert_array_equal(found, wanted)


def test_a_run_learns_from_rows_of_a_video_encoder_and_says_that_it_needs_them(settings: ExtractSettings) -> None:
    folder = settings.features.parent
    table = write_segments(folder / "segments.csv", VIDEOS)
    text = table.read_text().replace("take", "put", 3)
    table.write_text(text)
    assert extract(replace(settings, segments=(table,), tokens=(4, 2, 2))) == 0
    run = folder / "run"
    options = {"num_frames": 3, "head": "probe", "head_options": ("width=8",), "epochs": 1}
    train(TrainSettings(segments=(table,), features=(settings.features,), run=run, **options))  # type: ignore[arg-type]
    config = load_run(run).config
    assert config.backbone.stream == "video" and config.backbone.num_parts == 4
    with pytest.raises(ArtifactError, match="looks at windows of video"):
        check_one_network(config.backbones, run)


def test_rows_that_know_what_comes_after_them_are_refused_where_actions_are_anticipated(
    settings: ExtractSettings,
) -> None:
    folder = settings.features.parent
    table = write_segments(folder / "segments.csv", VIDEOS, spans=[(1.5, 1.9), (1.7, 2.2), (1.8, 2.3)])
    table.write_text(table.read_text().replace("take", "put", 3))
    wanted = replace(settings, segments=(table,), gap=0.5, observe=1.0)
    assert extract(wanted) == 0
    learn = TrainSettings(
        segments=(table,),
        features=(settings.features,),
        run=folder / "run",
        gap=0.5,
        observe=1.0,
        num_frames=2,
        epochs=1,
    )
    with pytest.raises(ValueError, match="--past --stride 1"):
        train(learn)
    past = replace(wanted, past=True, stride=1, features=folder / "past")
    assert extract(past) == 0
    train(replace(learn, features=(past.features,)))


def test_an_image_encoder_goes_the_way_of_images(settings: ExtractSettings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.Dinov2Config(**SMALL, image_size=64, patch_size=16)
    transformers.Dinov2Model(config).save_pretrained(tmp_path / "dino")
    said = {"image_mean": MEAN, "image_std": STD, "size": {"height": 64, "width": 64}}
    (tmp_path / "dino" / "preprocessor_config.json").write_text(json.dumps(said))
    image = replace(settings, weights=tmp_path / "dino", streams=("rgb", "grid"))
    assert extract(image) == 0
    store = FeatureStore.open(settings.features)
    assert store.spec.backbone.stream == "rgb" and store.spec.backbone.feature_shape == (24,)
    table = write_segments(tmp_path / "segments.csv", VIDEOS)
    table.write_text(table.read_text().replace("take", "put", 3))
    run = tmp_path / "run"
    train(TrainSettings(segments=(table,), features=(settings.features,), streams=("rgb",), run=run, epochs=1))
    loaded = load_run(run, EngineChoice(tmp_path / "dino", "torch", "f32", "cpu"))
    assert loaded.engine.input_size == (64, 64)
    with pytest.raises(ValueError, match="--window, --tokens, --stride and --past are for video encoders"):
        extract(replace(image, past=True))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"engine": "onnxruntime"}, "torch and OpenVINO"),
        ({"backbone": "tiny-random", "weights": None, "past": True}, "for video encoders"),
        ({"streams": ("rgb", "motion")}, "goes without --streams"),
        ({"rate": 7}, "whole number of rows a second"),
    ],
)
def test_what_cannot_be_is_refused(settings: ExtractSettings, change: dict[str, object], reason: str) -> None:
    with pytest.raises((ValueError, InputError), match=reason):
        extract(replace(settings, **change))  # type: ignore[arg-type]
