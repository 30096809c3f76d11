"""Backbones in parts, and any image model of timm so: its blocks, numbered as timm numbers its own feature levels.

EfficientNets and MobileNetV3s are plain sequences of blocks, each of which can be cut after. All others are asked by
timm's `forward_intermediates`: every block of a vision transformer, the stem and every stage of a ResNet, every stage
of a ConvNeXt or Swin; tokens and channels-last maps come back as (B, C, h, w).
"""

import copy
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from egoact.models.backbones import weights as weight_files
from egoact.models.backbones.light_imports import import_light
from egoact.models.backbones.own_files import PROJECTION


@dataclass(frozen=True)
class Trunk:
    """What every family of backbones offers: maps after any of its blocks, and its own way to pool the last ones.

    Args:
        num_blocks: How many blocks can be cut after; they count from 0.
        layers: Block, or None for all of the backbone -> modules that turn normalised frames (B, 3, H, W) into the
            maps (B, C, h, w) after it, one after the other. They hold nothing of what follows.
        pooled: Modules that turn frames into its features (B, D).
        mean: Per channel, on the scale 0 to 1; `std` likewise.
        model: What all these modules are parts of, in the layout of weight files.
        described: Metadata of its weight file that change how it is built.
        is_sequence: Whether `layers` are its blocks one by one, and what follows them.
    """

    num_blocks: int
    layers: Callable[[int | None], list[nn.Module]]
    pooled: list[nn.Module]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    model: nn.Module
    described: Mapping[str, str] = field(default_factory=dict)
    is_sequence: bool = False


class SpatialMean(nn.Module):
    """(B, C, h, w) -> (B, C), the global average pooling of the report's Figure 7."""

    def forward(self, maps: Tensor) -> Tensor:  # noqa: D102
        return maps.mean(dim=(2, 3))


class SpatialGrid(nn.Module):
    """(B, C, h, w) -> (B, n * n * C): the mean of each of n x n parts, row by row.

    Parts overlap where n does not divide h or w. As `torch.nn.AdaptiveAvgPool2d`, in what every engine knows.
    """

    def __init__(self, num_parts: int) -> None:
        super().__init__()
        self.num_parts = num_parts

    def forward(self, maps: Tensor) -> Tensor:  # noqa: D102
        number = self.num_parts
        rows, columns = (
            [slice(i * size // number, -(-(i + 1) * size // number)) for i in range(number)] for size in maps.shape[2:]
        )
        return torch.cat([maps[:, :, row, column].mean(dim=(2, 3)) for row in rows for column in columns], dim=1)


def sequential_trunk(
    blocks: list[nn.Module],
    head: nn.Module,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    model: nn.Module,
    pool: nn.Module | None = None,
    described: Mapping[str, str] | None = None,
) -> Trunk:
    """A family whose blocks come one after the other, and `head` after the last; all are parts of `model`."""

    def layers(cut: int | None) -> list[nn.Module]:
        return [*blocks, head] if cut is None else blocks[: cut + 1]

    pooled = [*blocks, head, pool or SpatialMean()]
    return Trunk(len(blocks), layers, pooled, mean, std, model, described or {}, is_sequence=True)


def project(trunk: Trunk, projection: nn.Conv2d) -> Trunk:
    """The trunk with a 1 x 1 convolution after its maps, to as many features as another backbone gives.

    Its model holds the convolution from now on.
    """
    trunk.model.add_module(PROJECTION, projection)

    def layers(cut: int | None) -> list[nn.Module]:
        found = trunk.layers(cut)
        return found if cut is not None else [*found[:-1], nn.Sequential(found[-1], projection)]

    return replace(trunk, layers=layers, pooled=[*layers(None), SpatialMean()])


def widen(trunk: Trunk, num_channels: int) -> Trunk:
    """The same backbone for stacks of differences or of flow, of so many channels: cross-modality initialisation.

    Every filter of the first convolution is averaged over red, green and blue, and repeated for every channel of the
    stack, times 3 / C: a stack of C equal grey pictures gives what the network gives of that picture, where its
    normalisation is the same for red, green and blue. A `ValueError` where the first layer is no such convolution, or
    that of another stack.

    Source: Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859, section 3.3; without the factor, which the
    first batch norm has to learn there.
    """
    first = next((m for m in trunk.model.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    if not trunk.is_sequence or not isinstance(first, nn.Conv2d) or first.groups > 1:
        raise ValueError("this backbone is not made of blocks in a row that begin with a convolution")
    if first.in_channels == num_channels == 3:
        return trunk
    if first.in_channels != num_channels:
        if first.in_channels != 3:
            raise ValueError(f"these weights take pictures of {first.in_channels} channels, not of {num_channels}")
        with torch.no_grad():
            grey = first.weight.mean(dim=1, keepdim=True) * (3 / num_channels)
            first.weight = nn.Parameter(grey.repeat(1, num_channels, 1, 1), first.weight.requires_grad)
        first.in_channels = num_channels
    mean, std = ((sum(values) / 3,) * num_channels for values in (trunk.mean, trunk.std))
    return replace(trunk, mean=mean, std=std)


def timm_trunk(name: str, weights: Path | None, size: int) -> Trunk:
    """A model by its name in timm, with downloaded weights or those of a file."""
    model = _load(name, weights, size)
    mean, std = tuple(model.pretrained_cfg["mean"]), tuple(model.pretrained_cfg["std"])
    timm_models = import_light("timm.models")
    if isinstance(model, timm_models.EfficientNet | timm_models.MobileNetV3):
        return efficientnet_trunk(model, mean=mean, std=std)
    number = _num_levels(model, size)

    def layers(cut: int | None) -> list[nn.Module]:
        if cut is not None:
            return [_Level(model, cut, norm=False)]
        features = _Features(model)
        with torch.no_grad():
            shape = features(torch.zeros(1, 3, size, size)).shape
        if number and not (len(shape) == 4 and shape[1] == model.num_features):
            # Tokens, or maps with their channels last, where the last level gives them as they are needed.
            return [_Level(model, number - 1, norm=True)]
        return [features]

    return Trunk(number, layers, [_Features(model), _Pool(model)], mean, std, model)


def efficientnet_trunk(model: Any, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Trunk:
    """The inverted-residual blocks of a timm EfficientNet or MobileNetV3 one by one; the stem goes with the first."""
    first, *blocks = (block for stage in model.blocks for block in stage)
    blocks = [nn.Sequential(model.conv_stem, model.bn1, first), *blocks]
    has_head = hasattr(model, "conv_head") and hasattr(model, "bn2")
    head = nn.Sequential(model.conv_head, model.bn2) if has_head else nn.Identity()
    pool = SpatialMean() if has_head else _Pool(model)
    return sequential_trunk(blocks, head, pool=pool, mean=mean, std=std, model=model)


class _Part(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model


class _Features(_Part):
    """All of a model before its pooling."""

    def forward(self, frames: Tensor) -> Tensor:
        return self.model.forward_features(frames)


class _Pool(_Part):
    """What a model does between its feature map and its classifier."""

    def forward(self, features: Tensor) -> Tensor:
        return self.model.forward_head(features, pre_logits=True)


class _Level(nn.Module):
    """The maps of one feature level, in a copy of the model without what follows: (B, 3, H, W) -> (B, C, h, w)."""

    def __init__(self, model: Any, level: int, *, norm: bool) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        self.model.prune_intermediate_layers([level], prune_norm=not norm, prune_head=True)
        self.level, self.norm = level, norm

    def forward(self, frames: Tensor) -> Tensor:
        found = self.model.forward_intermediates(
            frames, indices=[self.level], norm=self.norm, stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        return found[0]


def timm_size(name: str) -> int:
    """Height and width of the pictures that a model of timm was trained with; of unknown ones 256."""
    timm = import_light("timm")
    _check_name(name)
    published = timm.get_pretrained_cfg(name)
    return 256 if published is None else published.input_size[-1]


def _check_name(name: str) -> None:
    timm = import_light("timm")
    if not timm.is_model(name):
        close = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=5))
        raise ValueError(f"timm has no model {name!r}" + (f"; close to it: {close}" if close else ""))


def _load(name: str, weights: Path | None, size: int) -> Any:
    timm = import_light("timm")
    _check_name(name)

    def create(pretrained: bool) -> Any:
        try:
            return timm.create_model(name, pretrained=pretrained, img_size=size, num_classes=0)
        except TypeError:  # convolutional models take any size and no img_size argument
            return timm.create_model(name, pretrained=pretrained, num_classes=0)

    if weights is None:
        return weight_files.download(lambda: create(True), f"timm:{name}").eval()
    with weight_files.Undrawn():
        model = create(False)
    weight_files.load_named(model, weights, ignore=("classifier.", "head.fc.", "fc.", "head."))
    return model.eval()


def _num_levels(model: Any, size: int) -> int:
    """How many feature levels a model tells of; 0: it cannot be cut."""
    if not hasattr(model, "forward_intermediates") or not hasattr(model, "prune_intermediate_layers"):
        return 0
    with torch.no_grad():
        return len(model.forward_intermediates(torch.zeros(1, 3, size, size), intermediates_only=True))
