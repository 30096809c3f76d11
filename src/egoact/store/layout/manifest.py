"""What a feature store says about its features, and the fingerprint of that: `manifest.json`.

Two stores with the same fingerprint hold interchangeable features; a store is only ever appended to by the same one.
"""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core import defaults
from egoact.core.bounds import MOST_RATE, check_inside, check_name, check_whole, load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.layout.encoding import DTYPES, shard_layout

FORMAT_VERSION = 2
MANIFEST_NAME = "manifest.json"
NO_STORE = "there is no feature store here (no manifest.json); make one with egoact extract"
_LEFT_OUT = {"quantized": ""} | {f.name: f.default for f in fields(BackboneSpec) if f.default is not MISSING}
"""Fields that a manifest has only where they are not these."""
RESIZE = "squash-area"  # to input_size whatever the aspect ratio, every source pixel weighted by its area


@dataclass(frozen=True)
class StoreSpec:
    """How features were made; checks itself. In files the backbone's fields lie beside these, its name as backbone."""

    backbone: BackboneSpec
    engine: str  # what computed them: "torch", "onnxruntime", "openvino", "tensorrt"; of motion "opencv"
    precision: str  # "f32", "bf16", "f16" or "int8"
    rate: int = defaults.RATE  # steps a second; moments that were asked for exactly lie between them
    resize: str = RESIZE  # how frames were brought to `input_size`
    dtype: str = "float16"  # of the features on disk; for maps also "int8" with a scale for each channel
    quantized: str = ""  # sha256 (hex) of the quantised graph that computed int8 features
    format_version: int = FORMAT_VERSION  # of the store's layout

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"format_version {self.format_version} is not {FORMAT_VERSION}, the one understood here")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.dtype == "int8" and self.backbone.kind != "maps":
            raise ValueError("dtype int8 is for maps: pooled features have one number a channel, and nothing to scale")
        check_whole("rate, in steps a second,", self.rate, most=MOST_RATE)
        for name in ("engine", "precision", "resize", "quantized"):
            check_name(name, getattr(self, name))

    def layout(self, num_moments: int) -> tuple[np.dtype, tuple[int, ...]]:
        """Element type and shape of a shard on disk."""
        return shard_layout(self.dtype, (num_moments,), self.backbone.feature_shape)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) of all fields."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values; what only int8, flow, or a stream beside plain frames has is left out elsewhere."""
        values = json.loads(json.dumps(self._all_fields()))
        return {name: value for name, value in values.items() if name not in _LEFT_OUT or value != _LEFT_OUT[name]}

    def _all_fields(self) -> dict[str, Any]:
        """Those of the backbone beside its own, in the order in which files have them."""
        own = asdict(self)
        made, version = own.pop("backbone"), own.pop("format_version")
        always = {"backbone": made.pop("name")} | {name: made.pop(name) for name in [*made] if name not in _LEFT_OUT}
        return {**always, **own, **made, "format_version": version}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "StoreSpec":
        """Back from JSON; a `ValueError` for missing, unknown or impossible values."""
        names = {field.name for each in (cls, BackboneSpec) for field in fields(each)} - {"name"}
        if names != values.keys() | _LEFT_OUT.keys():
            missing, unknown = sorted(names - values.keys()), sorted(values.keys() - names)
            raise ValueError(f"fields missing: {missing or 'none'}, unknown: {unknown or 'none'}")
        own = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        made = {name: value for name, value in values.items() if name not in own}
        try:
            return cls(**own | {"backbone": BackboneSpec.from_dict(made | {"name": own["backbone"]})})
        except (TypeError, KeyError) as error:
            raise ValueError(f"a field has a value of the wrong type ({error})") from None

    def differences(self, other: "StoreSpec") -> list[str]:
        """Where two specs differ, each as "cut 12, not 5": own value first."""

        def short(value: object) -> str:
            text = str(value)
            return f"{text[:12]}..." if len(text) > 60 else text

        mine, theirs = self._all_fields(), other._all_fields()
        return [f"{name} {short(mine[name])}, not {short(theirs[name])}" for name in mine if mine[name] != theirs[name]]


def read_manifest(folder: Path) -> StoreSpec:
    """The spec of the store in `folder`; an `ArtifactError` for no store, a damaged manifest, or a later format."""
    path = folder / MANIFEST_NAME
    try:
        check_inside(path, folder)
        values = load_json(path)
    except FileNotFoundError:
        raise ArtifactError(NO_STORE, path=folder) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the manifest cannot be read ({error})", path=path) from None
    try:
        if values["spec"]["format_version"] < FORMAT_VERSION:
            reason = "this feature store was made by an earlier version of egoact, which kept clips instead of moments"
            how = f"delete it and run egoact extract --segments CSV --media FOLDER --features {folder}"
            raise ArtifactError(f"{reason}; {how}", path=path)
        spec = StoreSpec.from_dict(values["spec"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"the manifest is damaged or of another version: {error}", path=path) from None
    if values.get("fingerprint") != spec.fingerprint:
        raise ArtifactError("the manifest was changed by hand: its fingerprint does not fit", path=path)
    return spec


def write_manifest(folder: Path, spec: StoreSpec) -> None:
    """Write the spec and its fingerprint, atomically."""
    text = json.dumps({"fingerprint": spec.fingerprint, "spec": spec.to_dict()}, indent=2) + "\n"
    write_atomically(folder / MANIFEST_NAME, text.encode())
