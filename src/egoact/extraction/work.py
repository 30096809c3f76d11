"""What an extraction is before anybody has begun: moments, recordings, a network; or that it is done."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from egoact.core import defaults
from egoact.engines.interface import Engine
from egoact.engines.streams import StreamEngine
from egoact.extraction.decoding import Decoder, Decoders, choose_decoders
from egoact.extraction.engine_choice import graph_hash, keep_graph
from egoact.extraction.extraction import Extraction
from egoact.extraction.networks import ImageNetwork, VideoNetwork
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


@dataclass(frozen=True, eq=False)
class Work:
    """An extraction that may be done here, or in parts elsewhere: it can be pickled."""

    wanted: WantedMoments
    root: MediaRoot | FlowRoot  # their recordings, or the optical flow of them
    network: ImageNetwork | VideoNetwork
    dtype: StoredDtype
    decoder: Decoder = "pyav"

    def go(self, features: Path, *, num_workers: int) -> int:
        """Fill a features folder of this machine; gives the number of segments, or whole recordings, that failed."""
        engine = self.load(features)
        decoders = self.open_decoders(engine, num_workers=num_workers)
        with self.open_stores(engine, features) as writers:
            return Extraction(self.wanted, self.root, engine, writers, num_workers, decoders=decoders).go()

    def is_finished(self, features: Path) -> bool:
        """Whether nothing is missing, and what is there was made as it would be made now; no network is loaded for it.

        Raises:
            ArtifactError: A store is damaged.
        """
        if isinstance(self.network, VideoNetwork):  # which is loaded already
            return False
        wanted, root = self.wanted, self.root
        without_camera = isinstance(root, FlowRoot) and root.is_without_camera(wanted.video_ids)
        facts = (wanted.rate, self.dtype, without_camera)
        for stream in self.network.stream_names:
            path = stream_path(features, stream)
            if not (is_store(path) and (path / INDEX_NAME).exists()):
                return False
            made = read_manifest(path)
            same = (made.rate, made.dtype, made.backbone.without_camera) == facts
            if not (same and self.network.has_made(made, stream)):
                return False
            index = StoreIndex.read(path).rows
            rows = [index.get(video_id) for video_id in wanted.video_ids]
            if any(r is None or not (path / SHARDS_NAME / r.shard).exists() or len(wanted.missing(r)) for r in rows):
                return False
        return True

    def open_decoders(self, engine: StreamEngine, *, num_workers: int) -> Decoders | None:
        """What decodes recordings besides PyAV."""
        is_whole = self.wanted.is_whole
        return choose_decoders(self.decoder, place=engine.place, num_workers=num_workers, is_whole=is_whole)

    def load(self, features: Path) -> StreamEngine:
        """What computes the features."""
        return self.network.choose(self.wanted, self.root, features)

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
            carry(self.network.choice.weights, features)
            yield writers


def plan_store(
    backbone: BackboneSpec, engine: Engine | None, *, rate: int = defaults.RATE, dtype: StoredDtype = "float16"
) -> StoreSpec:
    """What the manifest of a store says of its features, see `StoreSpec`; motion has no engine."""
    return StoreSpec(
        backbone,
        engine="opencv" if engine is None else engine.name,
        precision="f32" if engine is None else engine.precision,
        rate=rate,
        quantized="" if engine is None else graph_hash(engine),
        dtype=dtype,
    )
