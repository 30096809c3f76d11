"""Frozen image encoders of `transformers`, as trunks: pooled as they pool themselves, or their tokens as maps.

pictures (B, 3, H, W) normalised ──► encoder ──► pooled (B, D)  or  tokens ──► maps (B, D, h, w)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from egoact.models.backbones.hub import PREFIX, Preprocessing, Source
from egoact.models.backbones.trunks import Trunk


@dataclass(frozen=True)
class ImageFamily:
    """What differs between image encoders.

    Args:
        kind: Class of `transformers` that holds the encoder alone.
        resized: For the forward pass on pictures of another size than those it was trained with.
        is_timm: Whether it is one of timm's, which says nothing of its tokens.
    """

    kind: str = "AutoModel"
    resized: Mapping[str, Any] = field(default_factory=dict)
    is_timm: bool = False


_INTERPOLATED = {"interpolate_pos_encoding": True}
_SIGLIP = ImageFamily("SiglipVisionModel", _INTERPOLATED)
_CLIP = ImageFamily("CLIPVisionModel", _INTERPOLATED)
IMAGE_FAMILIES = {
    "dinov2": ImageFamily(),
    "dinov3_vit": ImageFamily(),
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "timm_wrapper": ImageFamily(is_timm=True),
}


def is_of_hub(name: str) -> bool:
    """Whether a backbone is one of `transformers`."""
    return name.startswith(PREFIX)


def pin(name: str, weights: Path | None) -> str:
    """The name with the commit that the hub has now, or its cache, where no revision was asked for."""
    source = Source(name, weights)
    return source.pinned_name(source.configuration())


def hub_size(name: str, weights: Path | None) -> int:
    """Height and width of the pictures of an encoder, as its preprocessing has them, or it was trained with."""
    source = Source(name, weights)
    config, family = _describe(source)
    return _preprocessing(source, config, family).size or _vision(config).image_size


def hub_trunk(name: str, weights: Path | None, size: int) -> Trunk:
    """An encoder in parts, which does not show its blocks; name and weights as of `Source`.

    Raises:
        ArtifactError: It is not there, has no safetensors, or needs code of its own.
        ValueError: No image encoder, or a size of pictures that it cannot take.
    """
    source = Source(name, weights)
    config, family = _describe(source)
    made = _preprocessing(source, config, family)
    vision = _vision(config)
    if family.is_timm and size != made.size:
        raise ValueError(
            f"{name} takes pictures of {made.size} pixels, got {size}; timm:{config.architecture} takes others"
        )
    if not family.is_timm and size % vision.patch_size:
        raise ValueError(f"{name} takes pictures of multiples of {vision.patch_size} pixels, got {size}")
    model = source.model(vision, kind=family.kind)
    arguments = {} if family.is_timm or size == vision.image_size else family.resized
    side = 0 if family.is_timm else size // vision.patch_size
    pooled, maps = _Pooled(model, arguments), _Maps(model, arguments, side)

    def layers(cut: int | None) -> list[nn.Module]:
        if family.is_timm:
            raise ValueError(f"{name} gives pooled features alone; timm:{config.architecture} gives maps, too")
        return [maps]

    return Trunk(0, layers, [pooled], made.mean, made.std, model)


class _Pooled(nn.Module):
    """(B, 3, H, W) -> (B, D)."""

    def __init__(self, model: nn.Module, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.arguments = model, arguments

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pixel_values=pictures, **self.arguments).pooler_output


class _Maps(_Pooled):
    """(B, 3, H, W) -> (B, D, h, w), without tokens of the class and registers."""

    def __init__(self, model: nn.Module, arguments: Mapping[str, Any], side: int) -> None:
        super().__init__(model, arguments)
        self.side = side

    def forward(self, pictures: Tensor) -> Tensor:
        tokens = self.model(pixel_values=pictures, **self.arguments).last_hidden_state
        return tokens[:, tokens.shape[1] - self.side**2 :].transpose(1, 2).unflatten(2, (self.side, self.side))


def _describe(source: Source) -> tuple[Any, ImageFamily]:
    config = source.configuration()
    family = IMAGE_FAMILIES.get(config.model_type)
    if family is None:
        names = ", ".join(IMAGE_FAMILIES)
        raise ValueError(f"{source.name} is a {config.model_type}, no encoder of single pictures, which are {names}")
    return config, family


def _vision(config: Any) -> Any:
    """Of a model of pictures and words that of its pictures."""
    return getattr(config, "vision_config", config)


def _preprocessing(source: Source, config: Any, family: ImageFamily) -> Preprocessing:
    if not family.is_timm:
        return source.preprocessing()
    said = config.pretrained_cfg
    return Preprocessing(tuple(said["mean"]), tuple(said["std"]), said["input_size"][-1])
