"""Image encoders of `transformers` against its own forward pass; tiny random ones of its own classes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from egoact.core.errors import ArtifactError
from egoact.engines.loading import load_engine
from egoact.engines.parity import compare_features
from egoact.models.backbones.images import IMAGE_FAMILIES
from egoact.models.backbones.registry import default_size, load_backbone
from egoact.models.backbones.video import is_video_encoder
from tests.makers.data.encoders import MEAN, SMALL, STD, write_encoder

transformers = pytest.importorskip("transformers", reason="pip install 'egoact[video]' brings transformers")
pytestmark = pytest.mark.usefixtures("one_thread")
VISION = SMALL | {"image_size": 64, "patch_size": 16, "intermediate_size": 48}
WORDS = SMALL | {"intermediate_size": 48, "vocab_size": 64}
BOTH = {"vision_config": VISION, "text_config": WORDS}
TIMM = {
    "architecture": "vit_pe_core_tiny_patch16_384",
    "model_args": {"depth": 2, "img_size": 64, "embed_dim": 48, "num_heads": 2},
    "pretrained_cfg": {"mean": MEAN, "std": STD, "input_size": [3, 64, 64]},
}
SHAPES: dict[str, dict[str, Any]] = {
    "dinov2": SMALL | {"image_size": 96, "patch_size": 16},
    "dinov3_vit": VISION | {"num_register_tokens": 2},
    "siglip": BOTH,
    "siglip_vision_model": VISION,
    "clip": BOTH,
    "clip_vision_model": VISION,
    "timm_wrapper": TIMM,
}
NAME = "hf:some/name"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for family, shape in SHAPES.items():
        folder = tmp_path_factory.mktemp(family)
        torch.manual_seed(0)
        transformers.AutoModel.from_config(transformers.AutoConfig.for_model(family, **shape)).save_pretrained(folder)
        said = {"image_mean": MEAN, "image_std": STD, "size": {"shortest_edge": 70}}
        said |= {"do_center_crop": True, "crop_size": {"height": 64, "width": 64}}
        if family != "timm_wrapper":
            (folder / "preprocessor_config.json").write_text(json.dumps(said))
        made[family] = folder
    return made


def pictures(size: int = 64, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)


def own_answer(folder: Path, frames: np.ndarray, **arguments: Any) -> Any:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = getattr(model, "vision_model", model)
    normal = (torch.tensor(frames) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        return model(pixel_values=normal.permute(0, 3, 1, 2), **arguments)


@pytest.mark.parametrize("family", IMAGE_FAMILIES)
def test_features_are_transformers_own(family: str, folders: dict[str, Path]) -> None:
    backbone = load_backbone(NAME, weights=folders[family])
    assert backbone.spec.input_size == (64, 64) and backbone.spec.modality == "rgb"
    np.testing.assert_allclose((backbone.spec.mean, backbone.spec.std), (MEAN, STD), rtol=1e-6)
    wanted = own_answer(folders[family], pictures())
    found = load_engine(backbone, engine="torch", precision="f32", device="cpu").run(pictures())
    np.testing.assert_allclose(found, wanted.pooler_output.numpy(), rtol=1e-5, atol=1e-5)
    if family == "timm_wrapper":
        return
    tokens = wanted.last_hidden_state[:, -16:].reshape(2, 4, 4, -1).permute(0, 3, 1, 2)
    maps = load_backbone(NAME, weights=folders[family], kind="maps")
    found = load_engine(maps, engine="torch", precision="f32", device="cpu").run(pictures())
    np.testing.assert_allclose(found, tokens.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("family", "engine"), [("dinov2", "onnxruntime"), ("siglip", "openvino")])
def test_other_engines_give_the_same(family: str, engine: str, folders: dict[str, Path]) -> None:
    backbone = load_backbone(NAME, weights=folders[family])
    there, here = (load_engine(backbone, engine=e, precision="f32", device="cpu") for e in (engine, "torch"))
    assert compare_features(here.run(pictures()), there.run(pictures())).cosine > 0.99999


def test_other_sizes_stretch_the_places_of_tokens(folders: dict[str, Path]) -> None:
    backbone = load_backbone(NAME, weights=folders["siglip"], size=96)
    found = load_engine(backbone, engine="torch", precision="f32", device="cpu").run(pictures(96))
    wanted = own_answer(folders["siglip"], pictures(96), interpolate_pos_encoding=True).pooler_output
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="multiples of 16 pixels, got 72"):
        load_backbone(NAME, weights=folders["siglip"], size=72)
    with pytest.raises(ValueError, match="takes pictures of 64 pixels, got 96"):
        load_backbone(NAME, weights=folders["timm_wrapper"], size=96)


def test_what_is_no_safe_image_encoder_is_refused_in_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    video = write_encoder(tmp_path / "video", "videomae")
    assert is_video_encoder(NAME, video) and not is_video_encoder(NAME, folders["dinov2"])
    with pytest.raises(ValueError, match="is a videomae, no encoder of single pictures"):
        default_size(NAME, video)
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (pickled / name).write_bytes((folders["dinov2"] / name).read_bytes())
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match="safetensors") as caught:
        load_backbone(NAME, weights=pickled)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArtifactError, match="folder, with config.json"):
        load_backbone(NAME, weights=tmp_path / "nothing")
