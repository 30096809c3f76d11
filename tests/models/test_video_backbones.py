"""Video encoders against `transformers`' own forward pass on the same pictures; tiny random ones of its own classes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from egoact.core.errors import ArtifactError
from egoact.engines.loading import load_engine
from egoact.engines.parity import check_parity
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.video import WindowOptions, load_video_backbone
from tests.makers.data.encoders import CONFIGS, MEAN, STD, write_encoder

transformers = pytest.importorskip("transformers", reason="pip install 'egoact[video]' brings transformers")
pytestmark = pytest.mark.usefixtures("one_thread")


def pictures_for(backbone: Any, *, batch: int = 2) -> np.ndarray:
    spec = backbone.spec
    shape = (batch, spec.window.num_pictures, *spec.input_size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def own_tokens(folder: Path, pictures: np.ndarray) -> torch.Tensor:
    """What transformers gives, (B, t, h, w, D)."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    normal = (torch.tensor(pictures) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        states = model(normal.permute(0, 1, 4, 2, 3)).last_hidden_state
    config = model.config
    size = getattr(config, "crop_size", None) or config.image_size
    patch = (
        config.tubelet_size[1] if isinstance(getattr(config, "tubelet_size", 0), list | tuple) else config.patch_size
    )
    side = size // patch
    if config.model_type in ("vivit", "timesformer"):
        states = states[:, 1:]
    if config.model_type == "timesformer":
        return states.reshape(len(states), side, side, -1, states.shape[2]).permute(0, 3, 1, 2, 4)
    return states.reshape(len(states), -1, side, side, states.shape[2])


@pytest.mark.parametrize("family", CONFIGS)
def test_rows_are_means_of_transformers_own_tokens(family: str, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, family)
    for grid in (None, (2, 2, 1), (1, 4, 4)):
        backbone = load_video_backbone("hf:some/name", weights=folder, windows=WindowOptions(tokens=grid))
        pictures = pictures_for(backbone)
        tokens = own_tokens(folder, pictures)
        rows, down, across = grid or (tokens.shape[1], 1, 1)
        wanted = torch.stack(
            [
                torch.cat(
                    [part.mean((1, 2, 3)) for strip in row.chunk(down, 2) for part in strip.chunk(across, 3)],
                    1,
                )
                for row in tokens.chunk(rows, 1)
            ],
            1,
        )
        found = load_engine(backbone, engine="torch", precision="f32", device="cpu").run(pictures)
        assert found.shape[2:] == backbone.spec.feature_shape
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert BackboneSpec.from_dict(json.loads(json.dumps(backbone.spec.to_dict()))) == backbone.spec


def test_in_timesformer_a_picture_changes_most_the_tokens_of_its_own_time(tmp_path: Path) -> None:
    """The order of its tokens is not written down anywhere: time changes fastest."""
    backbone = load_video_backbone("hf:some/name", weights=write_encoder(tmp_path, "timesformer"))
    engine = load_engine(backbone, engine="torch", precision="f32", device="cpu")
    pictures = pictures_for(backbone, batch=1)
    for time in range(4):
        changed = pictures.copy()
        changed[:, time] = 255 - changed[:, time]
        moved = np.linalg.norm(engine.run(changed) - engine.run(pictures), axis=2)[0]
        assert moved.argmax() == time


def test_bf16_and_openvino_are_as_good_and_other_engines_are_refused(tmp_path: Path) -> None:
    backbone = load_video_backbone("hf:some/name", weights=write_encoder(tmp_path, "videomae"))
    check_parity(load_engine(backbone, precision="bf16", device="cpu"), backbone, pictures_for(backbone, batch=1))
    pictures = pictures_for(backbone)
    here, there = (load_engine(backbone, engine=e, precision="f32", device="cpu") for e in ("torch", "openvino"))
    np.testing.assert_allclose(there.run(pictures), here.run(pictures), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="torch and OpenVINO, not on onnxruntime"):
        load_engine(backbone, engine="onnxruntime")


def test_vjepa_takes_other_windows_and_sizes_and_videomae_does_not(tmp_path: Path) -> None:
    windows = WindowOptions(num_pictures=4, tokens=(1, 1, 1))
    folder = write_encoder(tmp_path / "a", "vjepa2")
    backbone = load_video_backbone("hf:some/name", weights=folder, size=32, windows=windows)
    assert backbone.spec.input_size == (32, 32) and backbone.spec.window.rate == 2  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="multiples of 2 pictures and of 16 pixels"):
        load_video_backbone("hf:some/name", weights=folder, size=40)
    with pytest.raises(ValueError, match="trained with num_frames 8 and takes no other, got 4"):
        load_video_backbone("hf:some/name", weights=write_encoder(tmp_path / "b", "videomae"), windows=windows)
    with pytest.raises(ValueError, match="cannot be pooled to"):
        load_video_backbone("hf:some/name", weights=folder, windows=WindowOptions(tokens=(4, 3, 1)))


def test_what_is_no_safe_video_encoder_is_refused_in_one_line(tmp_path: Path) -> None:
    def refused(folder: Path, reason: str, error: type[Exception] = ArtifactError) -> None:
        with pytest.raises(error, match=reason) as caught:
            load_video_backbone("hf:some/name", weights=folder)
        assert "\n" not in str(caught.value)

    pickled = write_encoder(tmp_path / "pickled", "videomae")
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    refused(pickled, "safetensors")
    coded = write_encoder(tmp_path / "coded", "videomae")
    config = json.loads((coded / "config.json").read_text())
    strange = config | {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (coded / "config.json").write_text(json.dumps(strange))
    (coded / "code.py").write_text("raise SystemExit('this ran')")
    refused(coded, "trust_remote_code|custom code")
    silent = write_encoder(tmp_path / "silent", "videomae")
    (silent / "preprocessor_config.json").unlink()
    refused(silent, "does not say how pictures are normalised")
    image = tmp_path / "image"
    transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1).save_pretrained(image)
    refused(image, "is a vit; the video encoders are", ValueError)
    refused(tmp_path / "nothing", "folder, with config.json")
    partial = write_encoder(tmp_path / "partial", "videomae")
    (partial / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    refused(partial, "lack 'encoder.layer.2")


def test_preprocessing_of_other_kinds_is_brought_to_the_unit_scale(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, "vivit")
    said = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 127.5, "offset": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    spec = load_video_backbone("hf:some/name", weights=folder).spec
    x = np.array([0.0, 100.0, 255.0])
    np.testing.assert_allclose((x / 255 - spec.mean[0]) / spec.std[0], (x / 127.5 - 1 - 0.5) / 0.5, atol=1e-12)
