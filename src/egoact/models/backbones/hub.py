"""Encoders of `transformers`: where they come from, their configuration, weights and preprocessing.

Safetensors alone, and no code but that of `transformers`. Nothing is downloaded where a folder is given.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.models.backbones import weights as weight_files

PREFIX = "hf:"
PUBLISHED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "facebook/vjepa2-vitl-fpc64-256": ("vjepa2", {}),
    "MCG-NJU/videomae-base": ("videomae", {}),
    "MCG-NJU/videomae-large": (
        "videomae",
        {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    ),
}
"""Shapes of some encoders of the hub, for measuring their speed where the hub is out of reach."""
_PREPROCESSING = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True)
class Source:
    """Where an encoder comes from: the hub, `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`, or its cache; or a folder.

    The folder has config.json, model.safetensors and the preprocessing.
    """

    name: str
    folder: Path | None = None

    @property
    def place(self) -> str:
        """For `from_pretrained`."""
        return self.name.removeprefix(PREFIX).partition("@")[0] if self.folder is None else str(self.folder)

    @property
    def _revision(self) -> str | None:
        return self.name.partition("@")[2] or None

    @property
    def _where(self) -> dict[str, Any]:
        return {"revision": self._revision, "local_files_only": self.folder is not None}

    def _get(self, get: Callable[[Any], Any]) -> Any:
        """By `transformers`."""
        if self.folder is not None and not self.folder.is_dir():
            raise ArtifactError("--weights of such an encoder is a folder, with config.json in it", path=self.place)
        try:
            import transformers
        except ImportError:
            raise ArtifactError(f"{self.name} needs transformers; pip install 'egoact[video]'") from None
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        return weight_files.download(lambda: get(transformers), self.name)

    def configuration(self, *, known: Mapping[str, tuple[str, Mapping[str, Any]]] | None = None) -> Any:
        """Its configuration; of those that are `known` no file is needed."""
        if known is not None and self.place in known:
            family, shape = known[self.place]
            return self._get(lambda library: library.AutoConfig.for_model(family, **shape))
        given = {"trust_remote_code": False, **self._where}
        return self._get(lambda library: library.AutoConfig.from_pretrained(self.place, **given))

    def pinned_name(self, config: Any) -> str:
        """Its name with the revision that was asked for, or the commit that was found."""
        commit = None if self.folder is not None or self._revision else getattr(config, "_commit_hash", None)
        return f"{self.name}@{commit}" if commit else self.name

    def model(
        self, config: Any, *, kind: str = "AutoModel", unused: tuple[str, ...] = (), is_random: bool = False
    ) -> nn.Module:
        """The encoder in float32.

        `kind` is its class of `transformers`; `unused` are beginnings of names that need not be there; `is_random` does
        without weights. An `ArtifactError` where there are no safetensors, or tensors are missing.
        """

        def get(library: Any) -> Any:
            made = getattr(library, kind)
            if is_random:
                torch.manual_seed(0)
                return made.from_config(config), {"missing_keys": ()}
            return made.from_pretrained(
                self.place,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                **self._where,
            )

        model, report = self._get(get)
        missing = sorted(name for name in report["missing_keys"] if not name.startswith(unused))
        if missing:
            raise ArtifactError(f"the weights of {self.name} lack {missing[0]!r} ({len(missing)} such names)")
        return model

    def preprocessing(self) -> "Preprocessing":
        """How its pictures are made; an `ArtifactError` where nobody says it."""

        def find(library: Any, file: str) -> Any:
            return library.utils.cached_file(
                self.place, file, _raise_exceptions_for_missing_entries=False, **self._where
            )

        for file in _PREPROCESSING:
            found = self._get(partial(find, file=file))
            if not found:
                continue
            try:
                said = load_json(Path(found))
                said = said.get("video_processor", said.get("image_processor", said))
                if "image_mean" in said and "image_std" in said:
                    return Preprocessing(*_on_unit_scale(said), _pixels(said))
            except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
                raise ArtifactError(f"does not say how pictures are normalised ({error})", path=found) from None
        raise ArtifactError(f"{self.name} does not say how pictures are normalised (no {_PREPROCESSING[0]})")


@dataclass(frozen=True)
class Preprocessing:
    """Of pictures: mean and standard deviation on the scale 0 to 1, and height and width, pixels, where it says so."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int | None


def _pixels(said: Mapping[str, Any]) -> int | None:
    """Of square pictures, after a crop where there is one."""
    size = said.get("crop_size") if said.get("do_center_crop") else said.get("size")
    if isinstance(size, Mapping):
        sides = {size[name] for name in ("height", "width", "shortest_edge") if name in size}
        size = sides.pop() if len(sides) == 1 else None
    return size if isinstance(size, int) else None


def _on_unit_scale(said: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(x * factor - offset - mean) / std, x from 0 to 255, as (x / 255 - mean) / std."""
    scale = 255 * said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 255.0
    offset = 1.0 if said.get("offset") and said.get("do_rescale", True) else 0.0
    is_normal = said.get("do_normalize", True)
    mean, std = (said["image_mean"], said["image_std"]) if is_normal else ([0.0] * 3, [1.0] * 3)
    return tuple((m + offset) / scale for m in mean), tuple(s / scale for s in std)
