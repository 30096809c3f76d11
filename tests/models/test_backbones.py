import pickle
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from egoact.core.errors import ArtifactError
from egoact.engines.frame_model import FrameModel
from egoact.engines.loading import load_engine
from egoact.engines.parity import check_parity
from egoact.models.backbones import light_imports
from egoact.models.backbones.registry import (
    BACKBONES,
    Backbone,
    hash_weights,
    load_backbone,
    packaged_lite,
)
from egoact.models.backbones.spec import BackboneSpec, check_same_backbone
from egoact.models.backbones.weights import load_in_file_order
from tests.makers.machines.places import SHARED

MOBILENET = SHARED / "data" / "weights" / "mobilenet_v2_imagenet_features.safetensors"
TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, DAISY = 281, 282, 285, 967, 985  # classes of ImageNet-1k


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def mobilenet() -> Backbone:
    if not MOBILENET.is_file():
        pytest.skip(f"the weights of mobilenet_v2 are not at {MOBILENET}")
    return load_backbone("mobilenet_v2", weights=MOBILENET)


@pytest.fixture(scope="module")
def random_mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(torchvision.models.mobilenet_v2().state_dict(), path)
    return path


def run(backbone: Backbone, frames: np.ndarray, **preprocessing: Any) -> Tensor:
    chosen = {"mean": backbone.spec.mean, "std": backbone.spec.std} | preprocessing
    with torch.no_grad():
        return FrameModel(backbone.module, **chosen)(torch.from_numpy(frames.copy()))


# What a backbone says of itself.


@pytest.mark.parametrize(
    ("name", "kind", "cut"),
    [
        *(("tiny-random", kind, cut) for kind in ("pooled", "maps") for cut in (None, 0, 3)),
        ("efficientnet_lite0", "pooled", None),
        ("efficientnet_lite0", "maps", 2),
    ],
)
def test_the_spec_is_what_the_module_does(name: str, kind: Any, cut: int | None) -> None:
    backbone = load_backbone(name, kind=kind, cut=cut, size=64)
    spec = backbone.spec
    features = run(backbone, np.zeros((2, 64, 64, 3), np.uint8))
    assert (spec.name, spec.kind, spec.cut, spec.input_size) == (name, kind, cut, (64, 64))
    assert tuple(features.shape[1:]) == spec.feature_shape
    assert spec.feature_width == spec.feature_shape[0]
    assert BackboneSpec.from_dict(spec.to_dict()) == spec
    assert not backbone.module.training
    assert not any(p.requires_grad for p in backbone.module.parameters())


@pytest.mark.parametrize("cut", [None, 1])
def test_pooled_features_are_the_mean_of_the_maps(cut: int | None) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    for name in ("tiny-random", "efficientnet_lite0"):
        pooled, maps = (run(load_backbone(name, kind=kind, cut=cut, size=96), frames) for kind in ("pooled", "maps"))
        torch.testing.assert_close(pooled, maps.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)


def test_after_block_12_mobilenet_v2_has_the_maps_of_the_report(random_mobilenet: Path) -> None:
    def shape(cut: int) -> tuple[int, ...]:
        return load_backbone("mobilenet_v2", weights=random_mobilenet, kind="maps", cut=cut).spec.feature_shape

    assert shape(12) == (96, 16, 16)
    assert shape(13) == (160, 8, 8)
    assert shape(16) == (320, 8, 8)
    assert shape(0) == (16, 128, 128)


def test_a_cut_backbone_does_not_hold_what_follows(lite0: Backbone) -> None:
    cut = load_backbone("efficientnet_lite0", cut=3, kind="maps")
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    first = nn.Sequential(*list(lite0.module)[:4])
    torch.testing.assert_close(run(cut, frames), run(Backbone(lite0.spec, first), frames))
    assert sum(p.numel() for p in cut.module.parameters()) < 0.1 * sum(p.numel() for p in lite0.module.parameters())


def test_the_tiny_one_is_always_the_same() -> None:
    torch.manual_seed(1)
    first = load_backbone("tiny-random", size=64).spec
    torch.manual_seed(2)
    assert load_backbone("tiny-random", size=64).spec == first
    assert first.weights_hash == load_backbone("tiny-random", size=128).spec.weights_hash


def test_the_hash_knows_values_names_and_shapes(tmp_path: Path, random_mobilenet: Path) -> None:
    state = load_file(random_mobilenet)
    before = load_backbone("mobilenet_v2", weights=random_mobilenet, size=32).spec.weights_hash
    assert re.fullmatch(r"[0-9a-f]{64}", before)
    assert load_backbone("mobilenet_v2", weights=random_mobilenet, size=32).spec.weights_hash == before
    state["features.17.conv.0.1.bias"][3] += 1e-6
    save_file(state, tmp_path / "other.safetensors")
    assert load_backbone("mobilenet_v2", weights=tmp_path / "other.safetensors", size=32).spec.weights_hash != before
    flat, square = nn.Linear(6, 1, bias=False), nn.Linear(3, 2, bias=False)
    square.weight.data = flat.weight.data.view(2, 3)
    assert hash_weights(flat) != hash_weights(square)
    assert hash_weights(nn.Sequential(flat)) != hash_weights(flat)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"feature_shape": (8, 2, 2)}, r"pooled features cannot have shape \(8, 2, 2\)"),
        ({"kind": "maps"}, r"maps features cannot have shape \(32,\)"),
        ({"std": (0.5, 0.0, 0.5)}, r"std must be positive"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        replace(load_backbone("tiny-random", size=64).spec, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"weights_hash": "f" * 64},
        {"input_size": (224, 224)},
        {"mean": (0.485, 0.456, 0.406)},
        {"std": (0.25, 0.25, 0.25)},
        {"cut": 3},
        {"feature_shape": (64,)},
    ],
)
def test_features_of_another_backbone_are_refused_with_what_differs(change: dict[str, Any]) -> None:
    spec = load_backbone("tiny-random", size=64).spec
    check_same_backbone(BackboneSpec.from_dict(spec.to_dict()), spec, path=Path("store"))
    (field,) = change
    shown = "backbone" if field == "name" else field
    with pytest.raises(ArtifactError, match=rf"^store: its features have {shown} "):
        check_same_backbone(replace(spec, **change), spec, path=Path("store"))


# Names and arguments.


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (
            "resnet",
            {},
            r"unknown backbone 'resnet'; there are .*mobilenet_v2, tiny-random, timm:NAME and hf:OWNER/NAME",
        ),
        ("tiny-random", {"cut": 4}, r"tiny-random has blocks 0 to 3, cut after block 4 is not possible"),
        ("tiny-random", {"cut": -1}, r"cut after block -1"),
        ("tiny-random", {"size": 31}, r"size must be at least 32 pixels, got 31"),
        ("timm:resnet5O", {}, r"timm has no model 'resnet5O'; close to it: .*\bresnet50\b"),
        ("timm:mobilnetv3_smal_100", {}, r"close to it: .*\bmobilenetv3_small_100\b"),
        ("timm:???", {}, r"timm has no model '\?\?\?'$"),
    ],
)
def test_impossible_arguments_are_refused(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        load_backbone(name, **options)


def test_every_name_of_the_table_is_in_the_error() -> None:
    with pytest.raises(ValueError) as refusal:
        load_backbone("")
    assert all(name in str(refusal.value) for name in BACKBONES)


# Files of weights.


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("mobilenet_v2", damage) for damage in ("missing", "empty", "cut off", "pickle", "torch pickle", "folder")),
        ("efficientnet_lite0", "torch pickle"),
        ("timm:resnet18", "torch pickle"),
    ],
)
def test_a_file_that_is_no_safetensors_is_refused_in_one_line(
    name: str, damage: str, tmp_path: Path, random_mobilenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "given.safetensors"
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut off":
        path.write_bytes(random_mobilenet.read_bytes()[:100_000])
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif damage == "torch pickle":
        torch.save({"features.0.0.weight": torch.zeros(1), "evil": Evil()}, path)
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(ArtifactError) as refusal:
        load_backbone(name, weights=path)
    assert str(refusal.value).startswith(f"{path}: ") and "\n" not in str(refusal.value)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("features.3.conv.0.0.weight"), r"lacks 'features\.3\.conv\.0\.0\.weight' \(1 such"),
        (lambda state: state.update(stem=torch.zeros(3)), r"has the unknown 'stem' \(1 such"),
        (lambda state: state.update({"features.0.0.weight": torch.zeros(32, 1, 3, 3)}), r"size mismatch"),
    ],
)
def test_weights_of_another_model_are_refused(change: Any, told: str, tmp_path: Path, random_mobilenet: Path) -> None:
    state = load_file(random_mobilenet)
    change(state)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError, match=rf"not for this model.*{told}") as refusal:
        load_backbone("mobilenet_v2", weights=tmp_path / "other.safetensors")
    assert "\n" not in str(refusal.value)
    with pytest.raises(ArtifactError, match="not for this model"):
        load_backbone("efficientnet_lite0", weights=random_mobilenet)


def test_only_the_features_of_a_file_are_needed_and_taken(tmp_path: Path, random_mobilenet: Path) -> None:
    state = load_file(random_mobilenet)
    only = {name: values for name, values in state.items() if name.startswith("features.")}
    assert len(only) < len(state)
    save_file(only, tmp_path / "features.safetensors")
    whole, part = (
        load_backbone("mobilenet_v2", weights=path, size=64).spec
        for path in (random_mobilenet, tmp_path / "features.safetensors")
    )
    assert whole == part
    assert whole.mean == (0.485, 0.456, 0.406), "torchvision's own preprocessing"


def test_packaged_weights_can_be_given_as_a_file(tmp_path: Path, lite0: Backbone) -> None:
    model = timm.create_model("tf_efficientnet_lite0")
    load_in_file_order(model, packaged_lite(0))
    save_file(model.state_dict(), tmp_path / "lite0.safetensors")
    assert load_backbone("efficientnet_lite0", weights=tmp_path / "lite0.safetensors").spec == lite0.spec


def test_weights_in_another_order_are_refused(tmp_path: Path) -> None:
    values = torch.load(packaged_lite(0), weights_only=True)
    names = list(values)
    torch.save({name: values[name] for name in names[1:] + names[:1]}, tmp_path / "turned.pth")
    with pytest.raises(ArtifactError, match="do not fit the model in file order"):
        load_in_file_order(timm.create_model("tf_efficientnet_lite0"), tmp_path / "turned.pth")


def test_timm_models_take_a_file_and_their_own_preprocessing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.safetensors")
    pooled, maps = (
        load_backbone("timm:resnet18", weights=tmp_path / "resnet18.safetensors", kind=kind, size=96)
        for kind in ("pooled", "maps")
    )
    assert pooled.spec.feature_shape == (512,) and maps.spec.feature_shape == (512, 3, 3)
    assert pooled.spec.mean == (0.485, 0.456, 0.406) and pooled.spec.std == (0.229, 0.224, 0.225)
    frames = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    torch.testing.assert_close(run(pooled, frames), run(maps, frames).mean(dim=(2, 3)), rtol=1e-4, atol=1e-4)


# A family each: tokens, channels last, stages, and blocks in a row.
FAMILIES = {"test_vit": 6, "test_convnext": 4, "resnet18": 5, "regnetx_002": 5, "mobilenetv3_small_050": 12}


@pytest.fixture(scope="module", params=FAMILIES)
def of_timm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """Name, file of random weights, and timm's own model with them."""
    torch.manual_seed(0)
    size = {"img_size": 64} if "vit" in request.param else {}
    model = timm.create_model(request.param, num_classes=0, **size).eval()
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(model.state_dict(), path)
    return request.param, path, model


@pytest.mark.parametrize("cut", [0, 2, -1])
def test_any_block_of_any_family_gives_the_maps_that_timm_itself_has_there(
    cut: int, of_timm: tuple[str, Path, Any]
) -> None:
    name, path, model = of_timm
    cut %= FAMILIES[name]
    maps, pooled = (
        load_backbone(f"timm:{name}", weights=path, kind=kind, cut=cut, size=64) for kind in ("maps", "pooled")
    )
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        if name.startswith("mobilenetv3"):  # timm tells of its five stages only; here every block counts
            expected = nn.Sequential(model.conv_stem, model.bn1, *[b for s in model.blocks for b in s][: cut + 1])(
                images
            )
        else:
            expected = model.forward_intermediates(images, intermediates_only=True)[cut]
        found, mean = maps.module(images), pooled.module(images)
    assert found.std() > 0
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(mean, expected.mean((2, 3)))
    assert maps.spec.feature_shape == tuple(expected.shape[1:])
    if cut < FAMILIES[name] - 1:
        assert sum(p.numel() for p in maps.module.parameters()) < sum(p.numel() for p in model.parameters())


def test_there_is_no_block_after_the_last(of_timm: tuple[str, Path, Any]) -> None:
    name, path, _ = of_timm
    with pytest.raises(ValueError, match=f"blocks 0 to {FAMILIES[name] - 1}, cut after block {FAMILIES[name]} is not"):
        load_backbone(f"timm:{name}", weights=path, cut=FAMILIES[name], size=64)


def test_maps_of_a_whole_model_are_what_it_pools(of_timm: tuple[str, Path, Any]) -> None:
    name, path, model = of_timm
    maps = load_backbone(f"timm:{name}", weights=path, kind="maps", size=64)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features, found = model.forward_features(images), maps.module(images)
    if features.ndim == 3:  # the tokens of the image, without the one of the class
        features = features[:, model.num_prefix_tokens :].transpose(1, 2).unflatten(2, found.shape[2:])
    torch.testing.assert_close(found, features)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_engines_run_a_cut_vision_transformer(engine: str, tmp_path: Path, photos: dict[str, np.ndarray]) -> None:
    model = timm.create_model("test_vit", img_size=64, num_classes=0)
    save_file(model.state_dict(), tmp_path / "vit.safetensors")
    backbone = load_backbone("timm:test_vit", weights=tmp_path / "vit.safetensors", size=64, kind="maps", cut=3)
    loaded = load_engine(backbone, engine=engine, precision="f32")
    frames = np.stack([photo[:64, :64] for photo in photos.values()])
    assert check_parity(loaded, backbone, frames).lowest > 0.9999
    assert loaded.run(frames).shape == (len(frames), *backbone.spec.feature_shape)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No network, nothing downloaded before, and no waiting between attempts."""

    def unreachable(*args: Any, **kwargs: Any) -> NoReturn:
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    monkeypatch.setattr("socket.socket.connect", unreachable)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    before = torch.hub.get_dir()
    torch.hub.set_dir(tmp_path)
    yield
    torch.hub.set_dir(before)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["timm:resnet18"])
def test_without_a_network_one_line_tells_what_to_do(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArtifactError) as refusal:
        load_backbone(name)
    message = str(refusal.value)
    assert message.startswith(f"cannot get the weights of {name} (") and "\n" not in message
    assert message.endswith("give them with --weights FILE")
    assert "etry" not in capfd.readouterr().err


def test_a_model_that_nobody_published_weights_of_says_the_same() -> None:
    published = {name.split(".")[0] for name in timm.list_models(pretrained=True)}
    without = next(name for name in timm.list_models("mobilenetv3*") if name not in published)
    with pytest.raises(ArtifactError, match=rf"cannot get the weights of timm:{without} .*--weights FILE"):
        load_backbone(f"timm:{without}")


@pytest.mark.usefixtures("offline")
def test_the_default_backbone_needs_no_network() -> None:
    assert load_backbone("efficientnet_lite0", size=64).spec.feature_shape == (1280,)


# Real photos.


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    """ImageNet's own, over the features of `lite0`."""
    model = timm.create_model("tf_efficientnet_lite0")
    load_in_file_order(model, packaged_lite(0))
    return model.classifier.requires_grad_(False)


@pytest.mark.parametrize(
    ("photo", "classes"), [("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT}), ("coffee", {ESPRESSO}), ("flower", {DAISY})]
)
def test_real_photos_are_recognised_and_less_so_when_normalised_wrongly(
    photo: str, classes: set[int], lite0: Backbone, classifier: nn.Module, photos: dict[str, np.ndarray]
) -> None:
    def classify(**preprocessing: Any) -> Tensor:
        return classifier(run(lite0, photos[photo][None], **preprocessing)).softmax(1)[0]

    found = classify()
    assert classes <= set(found.topk(5).indices.tolist())
    assert int(found.argmax()) in classes
    right = found[list(classes)].sum()
    unscaled = classify(mean=(0, 0, 0), std=(1, 1, 1))
    assert unscaled[list(classes)].sum() < right - 0.02
    raw = classify(mean=(0, 0, 0), std=(1 / 255,) * 3)
    assert raw[list(classes)].sum() < 0.2 * right
    assert not classes & set(raw.topk(5).indices.tolist())


def crops(photo: np.ndarray) -> np.ndarray:
    """Two overlapping views of 224 pixels, brought back to 256."""
    import cv2

    return np.stack([cv2.resize(photo[a : a + 224, a : a + 224], (256, 256)) for a in (0, 32)])


def cosines(features: Tensor) -> np.ndarray:
    unit = nn.functional.normalize(features.double(), dim=1).numpy()
    return unit @ unit.T


def check_crops_find_each_other(backbone: Backbone, photos: dict[str, np.ndarray]) -> np.ndarray:
    similar = cosines(run(backbone, np.concatenate([crops(photo) for photo in photos.values()])))
    same = np.kron(np.eye(len(photos)), np.ones((2, 2))).astype(bool)
    pairs = same & ~np.eye(len(similar), dtype=bool)
    assert similar[pairs].min() > similar[~same].max() + 0.1
    nearest = np.where(np.eye(len(similar)), -1, similar).argmax(1)
    assert (nearest // 2 == np.arange(len(similar)) // 2).all()
    return similar


def test_two_views_of_a_photo_are_closer_than_two_photos(lite0: Backbone, photos: dict[str, np.ndarray]) -> None:
    check_crops_find_each_other(lite0, photos)


def test_mobilenet_v2_sees_what_the_other_backbone_sees(
    mobilenet: Backbone, lite0: Backbone, photos: dict[str, np.ndarray]
) -> None:
    assert mobilenet.spec.mean == mobilenet.spec.std == (0.5, 0.5, 0.5)
    assert mobilenet.spec.feature_shape == (1280,)
    ours, others = (check_crops_find_each_other(backbone, photos) for backbone in (mobilenet, lite0))
    off_diagonal = ~np.eye(len(ours), dtype=bool)
    assert np.corrcoef(ours[off_diagonal], others[off_diagonal])[0, 1] > 0.7


def test_mobilenet_v2_without_normalisation_tells_photos_apart_worse(
    mobilenet: Backbone, photos: dict[str, np.ndarray]
) -> None:
    frames = np.stack(list(photos.values()))
    different = ~np.eye(len(frames), dtype=bool)
    right = cosines(run(mobilenet, frames))[different].mean()
    wrong = cosines(run(mobilenet, frames, mean=(0, 0, 0), std=(1 / 255,) * 3))[different].mean()
    assert wrong > right + 0.1, f"mean cosine between photos {right:.2f}, without normalisation {wrong:.2f}"


def test_what_asks_more_of_the_compiler_than_can_wait_gets_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, bool]] = []
    monkeypatch.setattr(torch.compiler, "disable", lambda function=None, **options: asked.append(options))
    monkeypatch.delitem(sys.modules, "torch._dynamo.utils", raising=False)
    with light_imports._compiler_left_out():
        torch.compiler.disable(abs)
        assert asked == [] and "torch._dynamo.utils" in sys.modules
        torch.compiler.disable(recursive=False)
        assert asked == [{"recursive": False}] and "torch._dynamo.utils" not in sys.modules
