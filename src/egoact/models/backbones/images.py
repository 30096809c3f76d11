"""Frozen image encoders of `transformers`, as trunks: pooled as they pool themselves, or their tokens as maps.

pictures (B, 3, H, W) normalised ──► encoder ──► pooled (B, D)  or  tokens ──► maps (B, D, h, w)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from egoact.models.backbones.hub import PREFIX, Preprocessing, Source
from egoact.models.backbones.trunks import Trunk

IMAGE_FAMILIES = {
    "dinov2": "AutoModel",
    "dinov3_vit": "AutoModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "timm_wrapper": "AutoModel",
}
"""Type of a model -> class of `transformers` that holds the encoder alone."""
_TIMM = "timm_wrapper"  # says nothing of its tokens


def is_of_hub(name: str) -> bool:
    """Whether a backbone is one of `transformers`."""
    return name.startswith(PREFIX)


def pin(name: str, weights: Path | None) -> str:
    """The name with the commit that the hub has now, or its cache, where no revision was asked for."""
    source = Source(name, weights)
    return source.pinned_name(source.configuration())


def hub_size(name: str, weights: Path | None) -> int:
    """Height and width of the pictures of an encoder, as its preprocessing has them, or it was trained with."""
    _, vision, made = _describe(Source(name, weights))
    return made.size or vision.image_size


def hub_trunk(name: str, weights: Path | None, size: int) -> Trunk:
    """An encoder in parts, which does not show its blocks; name and weights as of `Source`.

    An `ArtifactError` where it is not there, has no safetensors, or needs code of its own; a `ValueError` for no image
    encoder, or a size of pictures that it cannot take.
    """
    source = Source(name, weights)
    config, vision, made = _describe(source)
    kind, is_timm = IMAGE_FAMILIES[config.model_type], config.model_type == _TIMM
    if is_timm and size != made.size:
        only = f"{name} takes pictures of {made.size} pixels"
        raise ValueError(f"{only}, got {size}; timm:{config.architecture} takes others")
    if not is_timm and size % vision.patch_size:
        raise ValueError(f"{name} takes pictures of multiples of {vision.patch_size} pixels, got {size}")
    model = source.model(vision, kind=kind)
    is_told = (
        kind != "AutoModel" and size != vision.image_size
    )  # DINO finds out by itself that pictures have other sizes
    arguments = {"interpolate_pos_encoding": True} if is_told else {}
    pooled, maps = _Pooled(model, arguments), _Maps(model, arguments, 0 if is_timm else size // vision.patch_size)

    def layers(cut: int | None) -> list[nn.Module]:
        if is_timm:
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


def _describe(source: Source) -> tuple[Any, Any, Preprocessing]:
    """Its configuration, that of its pictures, where it has one of words, too, and how pictures are made."""
    config = source.configuration()
    if config.model_type not in IMAGE_FAMILIES:
        names = ", ".join(IMAGE_FAMILIES)
        raise ValueError(f"{source.name} is a {config.model_type}, no encoder of single pictures, which are {names}")
    if config.model_type != _TIMM:
        return config, getattr(config, "vision_config", config), source.preprocessing()
    said = config.pretrained_cfg
    return config, config, Preprocessing(tuple(said["mean"]), tuple(said["std"]), said["input_size"][-1])
