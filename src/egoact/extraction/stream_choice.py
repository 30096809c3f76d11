"""Which engines compute the streams of a features folder: those of what is there already, proven as for one stream."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from egoact.engines.streams import ComputedStream, StreamEngine, build_streams
from egoact.extraction.engine_choice import RealFrames, choose_engine
from egoact.models.backbones.registry import Backbone
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.layout.manifest import read_manifest
from egoact.store.streams import is_store, list_streams, stream_path


def choose_stream_engine(
    specs: Sequence[BackboneSpec],
    backbones: Mapping[int, Backbone],
    *,
    engine: str,
    precision: str,
    device: str,
    features: Path,
    frames: RealFrames,
    num_frames: int,
) -> StreamEngine:
    """The engines that were asked for; "auto" means those of each stream's store, for a new one its neighbours'.

    Args:
        specs: Of the streams.
        backbones: Parts a side -> the network that pools so.
        engine: As `choose_engine`; so are `precision`, `device`, `frames` and `num_frames`.
        precision: int8 is for frames alone.
        device: Of the networks.
        features: The folder.
        frames: To prove it on.
        num_frames: How many there are about.

    Raises:
        ValueError: An engine that is not there, or whose features are others than torch's.
        ArtifactError: A store is damaged.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, spec in enumerate(specs):
        groups.setdefault(_known_engine(features, spec, engine, precision), []).append(number)
    streams: dict[int, ComputedStream] = {}
    for (name, kind), numbers in groups.items():
        paths = [stream_path(features, specs[number].stream) for number in numbers if specs[number].has_network]
        new = [path for path in paths if not is_store(path)]  # what is new is proven
        load = partial(
            choose_engine,
            engine=name,
            precision=kind,
            device=device,
            store=(new or paths or [features])[0],
            frames=frames,
            num_frames=num_frames,
        )
        built = build_streams([specs[number] for number in numbers], backbones, load)
        streams |= dict(zip(numbers, built, strict=True))
    return StreamEngine([streams[number] for number in range(len(specs))])


def _known_engine(features: Path, spec: BackboneSpec, engine: str, precision: str) -> tuple[str, str]:
    """With which engine and precision a stream is computed, as far as that is known."""
    own = stream_path(features, spec.stream)
    for path in (own, *list_streams(features).values()) if spec.has_network else ():
        made = read_manifest(path) if is_store(path) else None
        if made is not None and made.backbone_spec.has_network and (path == own or made.precision != "int8"):
            return made.engine if engine == "auto" else engine, made.precision if precision == "auto" else precision
    return engine, precision
