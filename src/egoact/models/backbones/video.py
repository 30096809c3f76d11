"""Frozen video encoders, as modules that turn windows of pictures into rows of features.

    pictures (B, N, 3, H, W) normalised ──► encoder ──► tokens (B, t * h * w, D) ──► mean ──► rows (B, T, P * D)

Shapes: B windows, N pictures, T rows, P parts of the picture, D channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from egoact.core.errors import ArtifactError
from egoact.models.backbones import vjepa21
from egoact.models.backbones.hub import PREFIX, PUBLISHED, Preprocessing, Source
from egoact.models.backbones.registry import Backbone, hash_weights
from egoact.models.backbones.spec import BackboneSpec, Window
from egoact.models.backbones.weights import load_named


@dataclass(frozen=True)
class Family:
    """What differs between the encoders that `transformers` has."""

    pictures: str = "num_frames"  # field of its configuration with the pictures a window
    size: str = "image_size"  # with the height and width of pictures
    is_any: bool = False  # it takes windows and pictures of other sizes than those it was trained with
    is_space_first: bool = False  # time changes fastest in the order of its tokens
    arguments: Mapping[str, Any] = field(default_factory=dict)  # for its forward pass


FAMILIES = {
    "vjepa2": Family("frames_per_clip", "crop_size", is_any=True, arguments={"skip_predictor": True}),
    "videomae": Family(),
    "vivit": Family(),
    "timesformer": Family(is_space_first=True),
}


@dataclass(frozen=True)
class WindowOptions:
    """How windows are laid over recordings; None means as the encoder was trained, or everything that it gives.

    Args:
        pictures_per_second: That are shown to it.
        num_pictures: Of a window.
        tokens: (t, h, w) that a window is pooled to; None: all of its tokens in time, of the whole picture.
        stride: Rows by which the next window is later; None: windows lie side by side.
        is_past: Keep the last rows of a window rather than those in its middle.
    """

    pictures_per_second: int = 8
    num_pictures: int | None = None
    tokens: tuple[int, int, int] | None = None
    stride: int | None = None
    is_past: bool = False


def load_video_backbone(
    name: str,
    *,
    weights: Path | None = None,
    size: int | None = None,
    windows: WindowOptions | None = None,
    is_random: bool = False,
) -> Backbone:
    """A frozen video encoder.

    Args:
        name: `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, or one of `vjepa21.SHAPES`; with `is_random` also
            `hf:FAMILY`, one of `FAMILIES`, and no network is needed for that, nor for those of `PUBLISHED`.
        weights: As `Source` has its folder; of V-JEPA 2.1 a file that `egoact import-encoder` wrote.
        size: Height and width of pictures, where the encoder takes any.
        windows: How they are laid.
        is_random: Random weights, for measuring speed.

    Raises:
        ValueError: No video encoder, or windows that it cannot take.
        ArtifactError: It is not there, has no safetensors, needs code of its own, or `transformers` is not installed.
    """
    windows = windows or WindowOptions()
    load = _load_vjepa21 if name in vjepa21.SHAPES else _load_of_hub
    encoder = load(name, weights, size, windows.num_pictures, is_random)
    grid, tubelet = encoder.grid, encoder.tubelet
    tokens = windows.tokens or (grid[0], 1, 1)
    stride = windows.stride or tokens[0]
    context = tokens[0] - stride
    window = Window(
        num_pictures=grid[0] * tubelet,
        pictures_per_second=windows.pictures_per_second,
        tubelet=tubelet,
        rows=tokens[0],
        parts=tokens[1:],
        stride=stride,
        first=context if windows.is_past else context // 2,
    )
    if any(has % wanted for has, wanted in zip(grid, tokens, strict=True)):
        raise ValueError(f"{name} gives {grid} tokens, which cannot be pooled to {tokens}")
    module = VideoEncoder(encoder, tokens).eval().requires_grad_(False)
    spec = BackboneSpec(
        name=encoder.name,
        weights_hash=hash_weights(module),
        input_size=(encoder.pixels, encoder.pixels),
        mean=encoder.mean,
        std=encoder.std,
        kind="pooled",
        cut=None,
        feature_shape=(tokens[1] * tokens[2] * encoder.width,),
        modality="video",
        window=window,
    )
    return Backbone(spec, module)


@dataclass(frozen=True)
class _Encoder:
    """What all encoders have in common: windows of `grid` (t, h, w) tokens, each of which spans `tubelet` pictures.

    The model turns pictures (B, N, 3, H, W) into tokens (B, t * h * w, D), perhaps after a class token, or gives an
    output that has them as `last_hidden_state`.
    """

    model: nn.Module
    family: Family
    name: str
    grid: tuple[int, int, int]
    tubelet: int
    pixels: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class VideoEncoder(nn.Module):
    """An encoder and the mean of its tokens over a grid: (B, N, 3, H, W) -> (B, T, P * D)."""

    def __init__(self, encoder: _Encoder, tokens: tuple[int, int, int]) -> None:
        super().__init__()
        self.model, self.family, self.grid, self.tokens = encoder.model, encoder.family, encoder.grid, tokens

    def forward(self, pictures: Tensor) -> Tensor:  # noqa: D102
        states = self.model(pictures, **self.family.arguments)
        states = states if isinstance(states, Tensor) else states.last_hidden_state
        time, height, width = self.grid
        states = states[:, states.shape[1] - time * height * width :]  # a class token would come first
        if self.family.is_space_first:
            states = states.unflatten(1, (height * width, time)).transpose(1, 2).flatten(1, 2)
        rows, down, across = self.tokens
        parts = states.unflatten(1, (rows, time // rows, down, height // down, across, width // across))
        return parts.mean((2, 4, 6)).flatten(2)


def is_video_encoder(name: str, weights: Path | None = None) -> bool:
    """Whether a backbone looks at windows of pictures; asks the hub, or the folder, where the name does not tell."""
    return name in vjepa21.SHAPES or (
        name.startswith(PREFIX) and Source(name, weights).configuration().model_type in FAMILIES
    )


def _load_of_hub(
    name: str, weights: Path | None, size: int | None, num_pictures: int | None, is_random: bool
) -> _Encoder:
    source = Source(name, weights)
    config = source.configuration(known={f: (f, {}) for f in FAMILIES} | dict(PUBLISHED) if is_random else None)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ValueError(f"{name} is a {config.model_type}; the video encoders are {', '.join(FAMILIES)}")
    _resize(config, family, name, size=size, num_pictures=num_pictures)
    pixels, pictures = _square(getattr(config, family.size)), getattr(config, family.pictures)
    tubelet, patch = _patch(config)
    plain = Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), None)
    made = plain if is_random else source.preprocessing()
    model = source.model(config, unused=("predictor.", "pooler."), is_random=is_random)
    if hasattr(model, "predictor"):
        del model.predictor  # that of V-JEPA 2 says what is masked
    grid = (pictures // tubelet, pixels // patch, pixels // patch)
    name = source.pinned_name(config)
    return _Encoder(model, family, name, grid, tubelet, pixels, config.hidden_size, made.mean, made.std)


def _load_vjepa21(
    name: str, weights: Path | None, size: int | None, num_pictures: int | None, is_random: bool
) -> _Encoder:
    if weights is None and not is_random:
        what = "which egoact import-encoder makes of the published checkpoint"
        raise ArtifactError(f"{name} needs --weights FILE, {what}")
    shape = vjepa21.SHAPES[name]
    torch.manual_seed(0)
    model = vjepa21.VJepa21(shape, num_pictures=num_pictures or vjepa21.NUM_PICTURES, pixels=size or vjepa21.PIXELS)
    if weights is not None and not is_random:
        load_named(model, weights)
    return _Encoder(
        model, Family(), name, model.grid, vjepa21.TUBELET, model.pixels, shape.width, vjepa21.MEAN, vjepa21.STD
    )


def _resize(config: Any, family: Family, name: str, *, size: int | None, num_pictures: int | None) -> None:
    for field_name, wanted in ((family.size, size), (family.pictures, num_pictures)):
        trained = getattr(config, field_name)
        if wanted is None or wanted == trained:
            continue
        if not family.is_any:
            raise ValueError(f"{name} was trained with {field_name} {trained} and takes no other, got {wanted}")
        setattr(config, field_name, wanted)
    tubelet, patch = _patch(config)
    if getattr(config, family.pictures) % tubelet or _square(getattr(config, family.size)) % patch:
        raise ValueError(f"{name} takes multiples of {tubelet} pictures and of {patch} pixels")


def _patch(config: Any) -> tuple[int, int]:
    """Pictures and pixels that a token spans."""
    tubelet = getattr(config, "tubelet_size", 1)
    if not isinstance(tubelet, int):
        return tubelet[0], tubelet[1]
    return tubelet, _square(config.patch_size)


def _square(size: Any) -> int:
    if isinstance(size, int):
        return size
    if len(set(size)) > 1:
        raise ValueError(f"only square pictures and patches are understood, got {tuple(size)}")
    return int(size[0])
