"""Frozen video encoders of `transformers`, as modules that turn windows of pictures into rows of features.

    pictures (B, N, 3, H, W) normalised ──► encoder ──► tokens (B, t * h * w, D) ──► mean ──► rows (B, T, P * D)

Safetensors alone, and no code but that of `transformers`; a revision is part of the name. Nothing is downloaded where
a folder is given.

Shapes: B windows, N pictures, T rows, P parts of the picture, D channels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.models.backbones import weights as weight_files
from egoact.models.backbones.registry import Backbone, hash_weights
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.window import Window

PREFIX = "hf:"
_PREPROCESSING = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
_PLAIN = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Family:
    """What differs between the encoders that `transformers` has.

    Args:
        pictures: Field of its configuration with the pictures a window.
        size: With the height and width of pictures.
        is_any: Whether it takes windows and pictures of other sizes than those it was trained with.
        is_space_first: Whether time changes fastest in the order of its tokens.
        arguments: For its forward pass.
    """

    pictures: str = "num_frames"
    size: str = "image_size"
    is_any: bool = False
    is_space_first: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "vjepa2": Family("frames_per_clip", "crop_size", is_any=True, arguments={"skip_predictor": True}),
    "videomae": Family(),
    "vivit": Family(),
    "timesformer": Family(is_space_first=True),
}
PUBLISHED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "facebook/vjepa2-vitl-fpc64-256": ("vjepa2", {}),
    "MCG-NJU/videomae-base": ("videomae", {}),
    "MCG-NJU/videomae-large": (
        "videomae",
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    ),
}
"""Shapes of some encoders of the hub, for measuring their speed where the hub is out of reach."""


@dataclass(frozen=True)
class Looking:
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
    looking: Looking | None = None,
    is_random: bool = False,
) -> Backbone:
    """A frozen video encoder.

    Args:
        name: `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`; with `is_random` also `hf:FAMILY`, one of `FAMILIES`,
            and no network is needed for that, nor for those of `PUBLISHED`.
        weights: Folder with config.json, model.safetensors and the preprocessing; None: the hub, or its cache.
        size: Height and width of pictures, where the encoder takes any.
        looking: How windows are laid.
        is_random: Do without weights: random ones, for measuring speed.

    Raises:
        ValueError: No video encoder, or windows that it cannot take.
        ArtifactError: It is not there, has no safetensors, needs code of its own, or `transformers` is not installed.
    """
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    looking = looking or Looking()
    source = _Source(name, str(weights) if weights is not None else repository, revision or None, weights is not None)
    config = source.configuration(is_random=is_random)
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ValueError(f"{name} is a {config.model_type}; the video encoders are {', '.join(FAMILIES)}")
    _resize(config, family, name, size=size, num_pictures=looking.num_pictures)
    pixels, num_pictures = _square(getattr(config, family.size)), getattr(config, family.pictures)
    tubelet, patch = _patch(config)
    grid = (num_pictures // tubelet, pixels // patch, pixels // patch)
    tokens = looking.tokens or (grid[0], 1, 1)
    stride = looking.stride or tokens[0]
    context = tokens[0] - stride
    window = Window(
        num_pictures=num_pictures,
        pictures_per_second=looking.pictures_per_second,
        tubelet=tubelet,
        rows=tokens[0],
        parts=tokens[1:],
        stride=stride,
        first=context if looking.is_past else context // 2,
    )
    if any(has % wanted for has, wanted in zip(grid, tokens, strict=True)):
        raise ValueError(f"{name} gives {grid} tokens, which cannot be pooled to {tokens}")
    mean, std = _PLAIN if is_random else source.normalisation()
    model, commit = source.model(config, is_random=is_random)
    if hasattr(model, "predictor"):
        del model.predictor  # that of V-JEPA 2 says what is masked
    module = VideoEncoder(model, family, grid, tokens).eval().requires_grad_(False)
    spec = BackboneSpec(
        name=f"{PREFIX}{repository}@{commit}" if commit and not revision else name,
        weights_hash=hash_weights(module),
        input_size=(pixels, pixels),
        mean=mean,
        std=std,
        kind="pooled",
        cut=None,
        feature_shape=(tokens[1] * tokens[2] * config.hidden_size,),
        modality="video",
        window=window,
    )
    return Backbone(spec, module)


class VideoEncoder(nn.Module):
    """An encoder and the mean of its tokens over a grid: (B, N, 3, H, W) -> (B, T, P * D)."""

    def __init__(
        self, model: nn.Module, family: Family, grid: tuple[int, int, int], tokens: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.model, self.family, self.grid, self.tokens = model, family, grid, tokens

    def forward(self, pictures: Tensor) -> Tensor:  # noqa: D102
        states = self.model(pictures, **self.family.arguments).last_hidden_state
        time, height, width = self.grid
        states = states[:, states.shape[1] - time * height * width :]  # a class token would come first
        if self.family.is_space_first:
            states = states.unflatten(1, (height * width, time)).transpose(1, 2).flatten(1, 2)
        rows, down, across = self.tokens
        parts = states.unflatten(1, (rows, time // rows, down, height // down, across, width // across))
        return parts.mean((2, 4, 6)).flatten(2)


@dataclass(frozen=True)
class _Source:
    """Where an encoder comes from: a name on the hub, or a folder."""

    name: str
    place: str
    revision: str | None
    is_folder: bool

    @property
    def _where(self) -> dict[str, Any]:
        return {"revision": self.revision, "local_files_only": self.is_folder}

    def _get(self, get: Callable[[], Any]) -> Any:
        if self.is_folder and not Path(self.place).is_dir():
            raise ArtifactError("--weights of a video encoder is a folder, with config.json in it", path=self.place)
        try:
            import transformers
        except ImportError:
            raise ArtifactError(f"{self.name} needs transformers; pip install 'egoact[video]'") from None
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        return weight_files.download(get, self.name)

    def configuration(self, *, is_random: bool) -> Any:
        """Its configuration; of a random one that is named after its family, the family's own."""

        def get() -> Any:
            from transformers import AutoConfig

            if is_random and self.place in FAMILIES:
                return AutoConfig.for_model(self.place)
            if is_random and self.place in PUBLISHED:
                family, shape = PUBLISHED[self.place]
                return AutoConfig.for_model(family, **shape)
            return AutoConfig.from_pretrained(self.place, trust_remote_code=False, **self._where)

        return self._get(get)

    def model(self, config: Any, *, is_random: bool) -> tuple[nn.Module, str | None]:
        """The encoder in float32, and the commit that it is of."""

        def get() -> Any:
            from transformers import AutoModel

            if is_random:
                torch.manual_seed(0)
                return AutoModel.from_config(config), {"missing_keys": ()}
            return AutoModel.from_pretrained(
                self.place,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                **self._where,
            )

        model, report = self._get(get)
        missing = sorted(name for name in report["missing_keys"] if not name.startswith(("predictor.", "pooler.")))
        if missing:
            raise ArtifactError(f"the weights of {self.name} lack {missing[0]!r} ({len(missing)} such names)")
        return model, None if self.is_folder else getattr(config, "_commit_hash", None)

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation on the scale 0 to 1, from its preprocessing.

        Raises:
            ArtifactError: Nobody says it.
        """
        from transformers.utils import cached_file

        for file in _PREPROCESSING:
            get = partial(cached_file, self.place, file, _raise_exceptions_for_missing_entries=False, **self._where)
            found = self._get(get)
            if not found:
                continue
            try:
                said = load_json(Path(found))
                said = said.get("video_processor", said)
                if "image_mean" in said and "image_std" in said:
                    return _on_unit_scale(said)
            except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
                raise ArtifactError(f"does not say how pictures are normalised ({error})", path=found) from None
        raise ArtifactError(f"{self.name} does not say how pictures are normalised (no {_PREPROCESSING[0]})")


def _on_unit_scale(said: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(x * factor - offset - mean) / std, x from 0 to 255, as (x / 255 - mean) / std."""
    scale = 255 * said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 255.0
    offset = 1.0 if said.get("offset") and said.get("do_rescale", True) else 0.0
    is_normal = said.get("do_normalize", True)
    mean, std = (said["image_mean"], said["image_std"]) if is_normal else ([0.0] * 3, [1.0] * 3)
    return tuple((m + offset) / scale for m in mean), tuple(s / scale for s in std)


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
