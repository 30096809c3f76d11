"""Which engine computes features, proven on real frames before it is trusted with a whole store."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import write_atomically
from egoact.core.sampling import Floats
from egoact.engines import Engine, check_parity, load_engine, rank_engines, tune_batch
from egoact.engines.loading import find_device, offered_pairs, set_pace
from egoact.media.pairs import Picture
from egoact.media.sources import MediaRoot, MediaSource, read_frames
from egoact.media.stacks import read_stacks
from egoact.media.stills.flow import FlowRoot, FlowSource
from egoact.models.backbones.registry import Backbone
from egoact.store.layout.manifest import MANIFEST_NAME, StoreSpec, read_manifest

NUM_FRAMES_TO_CHECK = 16
NUM_FRAMES_TO_CALIBRATE = 64
GRAPH_NAME = "quantized.graph"
_NUM_CLIPS = 16
_SECONDS_WORTH_COMPILING = 300  # compiling takes up to half a minute, and saves more than a third


@dataclass(frozen=True, eq=False)
class RealFrames:
    """Frames of the recordings that features are wanted of.

    Args:
        root: Where they are.
        segments: Which.
        size: (height, width) in pixels.
        stack: Of how many differences, `lag_seconds` apart, or flows; 1: plain frames.
        lag_seconds: Of a stack.
    """

    root: MediaRoot | FlowRoot
    segments: Sequence[Segment]
    size: tuple[int, int]
    stack: int = 1
    lag_seconds: float = 0.0

    def spread(self, count: int) -> np.ndarray | None:
        """uint8 (N, H, W, 3) of clips spread over all segments, always the same ones; None if none can be read."""
        if not self.segments:
            return None
        segments = sorted(self.segments, key=lambda s: (s.video_id, s.start_seconds, s.narration_id))
        chosen = np.linspace(0, len(segments) - 1, min(_NUM_CLIPS, len(segments))).round().astype(int)
        each = -(-count // len(chosen))
        found = list(islice(self._of([segments[i] for i in chosen], each), count))
        return np.stack(found) if found else None

    def _of(self, segments: Sequence[Segment], each: int) -> Iterator[np.ndarray]:
        """Frames of some segments; why others cannot be read is told when their turn comes."""
        for segment in segments:
            times = np.linspace(segment.start_seconds, segment.stop_seconds, each, endpoint=False)
            try:
                for _, frame in self._read(self.root.find(segment.video_id), times):
                    if isinstance(frame, np.ndarray):
                        yield frame
            except MediaError:
                continue

    def _read(self, source: MediaSource | FlowSource, times: Floats) -> Iterator[tuple[slice, Picture]]:
        if self.stack == 1:
            return read_frames(source, times, size=self.size)
        return read_stacks(source, times, count=self.stack, lag_seconds=self.lag_seconds, size=self.size)


def choose_engine(
    backbone: Backbone,
    *,
    engine: str,
    precision: str,
    device: str,
    store: Path,
    frames: RealFrames,
    num_frames: int,
) -> Engine:
    """The engine that was asked for; "auto" means that of the store, or for a new one the fastest that is as good.

    For a new store its features are compared with torch's in float32 on frames spread over all segments.
    What "auto" tries and finds wanting is passed over, and said so. Torch is compiled where it has to work for long.

    Raises:
        ValueError: An engine that is not there, or whose features are others than torch's.
        ArtifactError: The store is damaged.
    """
    made = read_manifest(store) if (store / MANIFEST_NAME).exists() else None
    if made is not None:
        engine = made.engine if engine == "auto" else engine
        precision = made.precision if precision == "auto" else precision
    device = find_device(device, engine)
    to_check = frames.spread(NUM_FRAMES_TO_CHECK) if made is None else None
    if precision == "int8":
        chosen = _load_int8(backbone, engine, device, store, made, frames)
        _check(chosen, backbone, to_check)
        tune_batch(chosen, backbone, device=device)
        return chosen
    return _fastest(backbone, engine, precision, device, to_check, num_frames=num_frames)


def _fastest(
    backbone: Backbone, engine: str, precision: str, device: str, frames: np.ndarray | None, *, num_frames: int
) -> Engine:
    """The fastest whose features are those of torch on some frames; None: the fastest."""
    speeds = rank_engines(backbone, offered_pairs(engine, precision, device), device=device)
    for speed in speeds:
        is_long = num_frames > _SECONDS_WORTH_COMPILING * speed.frames_per_second
        chosen = load_engine(
            backbone, engine=speed.engine, precision=speed.precision, device=device, is_compiled=is_long
        )
        set_pace(chosen, speed)
        is_reference = (speed.engine, speed.precision, is_long) == ("torch", "f32", False)
        try:
            _check(chosen, backbone, None if is_reference else frames)
        except ValueError as error:
            if speed == speeds[-1]:
                raise
            print(f"extract: {error}; going on with the next fastest", file=sys.stderr)
        else:
            return chosen
    raise AssertionError("the last one was taken or refused")


def _load_int8(
    backbone: Backbone, engine: str, device: str, store: Path, made: StoreSpec | None, frames: RealFrames
) -> Engine:
    """Quantised as the store was, or anew on real frames."""
    if made is not None and made.precision == "int8":
        kept = _read_graph(store, made)
        if kept is not None and engine == made.engine:
            return load_engine(backbone, engine=engine, precision="int8", device=device, calibration=kept)
    calibration = frames.spread(NUM_FRAMES_TO_CALIBRATE)
    if calibration is None:
        raise ValueError("int8 is calibrated on frames of the recordings, and not one can be read; use --precision f32")
    return load_engine(backbone, engine=engine, precision="int8", device=device, calibration=calibration)


def graph_hash(engine: Engine) -> str:
    """sha256 (hex) of an engine's quantised graph; "" if it has none."""
    return "" if engine.graph is None else hashlib.sha256(engine.graph).hexdigest()


def keep_graph(engine: Engine, store: Path) -> None:
    """Put an engine's quantised graph into a store, so that whatever is added later is computed by the same one."""
    if engine.graph is not None and not (store / GRAPH_NAME).exists():
        write_atomically(store / GRAPH_NAME, engine.graph)


def _read_graph(store: Path, made: StoreSpec) -> bytes | None:
    """The quantised graph of a store; None if it was killed before it had one."""
    path = store / GRAPH_NAME
    if not path.exists():
        return None
    graph = path.read_bytes()
    if hashlib.sha256(graph).hexdigest() != made.quantized:
        raise ArtifactError("the quantised graph of this store is damaged; extract into another folder", path=path)
    return graph


def _check(engine: Engine, backbone: Backbone, frames: np.ndarray | None) -> None:
    if frames is not None:
        check_parity(engine, backbone, frames)
