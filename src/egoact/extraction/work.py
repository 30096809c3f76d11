"""What an extraction is, before anybody has begun: the moments, the recordings, and how their engine is chosen."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from egoact.core import defaults
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
from egoact.store.layout.manifest import StoreSpec
from egoact.store.streams import stream_path
from egoact.store.writer import StoreWriter

Choose = Callable[[WantedMoments, MediaRoot | FlowRoot, Path], StreamEngine]


@dataclass(frozen=True, eq=False)
class Work:
    """An extraction that may be done here, or in parts elsewhere: it can be pickled.

    Args:
        wanted: The moments.
        root: Their recordings, or the optical flow of them.
        choose: Chooses an engine for them; the one of a features folder, where it has one.
        dtype: Of features on disk.
        weights: File that the backbone was loaded from.
        decoder: See `choose_decoders`.
    """

    wanted: WantedMoments
    root: MediaRoot | FlowRoot
    choose: Choose
    dtype: StoredDtype
    weights: Path | None
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
