"""Which engines compute features, proven on real frames before they are trusted with whole stores."""

import hashlib
import sys
import timeit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import write_atomically
from egoact.core.sampling import sample_uniform
from egoact.engines.interface import Engine, EngineChoice
from egoact.engines.loading import find_device, load_engine, offered_pairs, rank_engines, set_pace, tune_batch
from egoact.engines.parity import check_parity
from egoact.engines.streams import ComputedStream, StreamEngine, build_streams
from egoact.media.pairs import Picture, read_stacks
from egoact.media.sources import MediaRoot, read_clip, read_frames
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.registry import Backbone
from egoact.models.backbones.spec import BackboneSpec
from egoact.store.layout.manifest import StoreSpec, read_manifest
from egoact.store.streams import is_store, list_streams, stream_path

NUM_FRAMES_TO_CHECK = 16
NUM_FRAMES_TO_CALIBRATE = 64
GRAPH_NAME = "quantized.graph"
_NUM_CLIPS = 16
_SECONDS_WORTH_COMPILING = 300  # compiling takes up to half a minute, and saves more than a third
_SECONDS_WORTH_COMPILING_VIDEO = 600  # an encoder of 24 blocks takes one to three minutes to compile


@dataclass(frozen=True, eq=False)
class RealFrames:
    """Frames of the recordings that features are wanted of."""

    root: MediaRoot | FlowRoot
    segments: Sequence[Segment]
    size: tuple[int, int]  # (height, width) in pixels
    stack: int = 1  # of how many differences, `lag_seconds` apart, or flows; 1: plain frames
    lag_seconds: float = 0.0

    def spread(self, count: int) -> np.ndarray | None:
        """uint8 (N, H, W, 3) of clips spread over all segments, always the same ones; None if none can be read."""
        chosen = self._choose(_NUM_CLIPS)
        found = list(islice(self._of(chosen, each=-(-count // max(len(chosen), 1))), count))
        return np.stack(found) if found else None

    def clips(self, count: int, *, num_frames: int) -> np.ndarray:
        """uint8 (N, T, H, W, 3): whole clips spread over the segments; those that cannot be read are passed over.

        Raises:
            MediaError: There is not one; says why the first cannot be read.
        """
        found: list[np.ndarray] = []
        refusal: MediaError | None = None
        for segment in self._choose(count):
            try:
                found.append(self.clip(segment, num_frames=num_frames))
            except MediaError as error:
                refusal = refusal or error
        if refusal is not None and not found:
            raise refusal
        return np.stack(found)

    def clip(self, segment: Segment, *, num_frames: int) -> np.ndarray:
        """uint8 (T, H, W, 3) at the middles of equal bins of a segment; a `MediaError` where one cannot be read."""
        times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=num_frames)
        return read_clip(self.root.find(segment.video_id), times, size=self.size)

    def _choose(self, count: int) -> list[Segment]:
        segments = sorted(self.segments, key=lambda s: (s.video_id, s.start_seconds, s.narration_id))
        chosen = np.linspace(0, len(segments) - 1, min(count, len(segments))).round().astype(int)
        return [segments[i] for i in chosen]

    def _of(self, segments: Sequence[Segment], *, each: int) -> Iterator[np.ndarray]:
        """Frames of some segments; why others cannot be read is told when their turn comes."""
        read: Callable[..., Iterator[tuple[slice, Picture]]] = read_frames
        if self.stack > 1:
            read = partial(read_stacks, count=self.stack, lag_seconds=self.lag_seconds)
        for segment in segments:
            times = np.linspace(segment.start_seconds, segment.stop_seconds, each, endpoint=False)
            with suppress(MediaError):
                for _, frame in read(self.root.find(segment.video_id), times, size=self.size):
                    if isinstance(frame, np.ndarray):
                        yield frame


def choose_engine(
    backbone: Backbone, *, choice: EngineChoice, store: Path, frames: RealFrames, num_frames: int
) -> Engine:
    """The engine that was asked for; "auto" means that of the store, or for a new one the fastest that is as good.

    For a new store its features are compared with torch's in float32 on frames spread over all segments.
    What "auto" tries and finds wanting is passed over, and said so. Torch is compiled where it has to work for long.

    Raises:
        ValueError: An engine that is not there, or whose features are others than torch's.
        ArtifactError: The store is damaged.
    """
    made = read_manifest(store) if is_store(store) else None
    if made is not None:
        choice = choice.filled_in(made.engine, made.precision)
    choice = replace(choice, device=find_device(choice.device, choice.engine))
    to_check = frames.spread(NUM_FRAMES_TO_CHECK) if made is None else None
    if choice.precision == "int8":
        chosen = _load_int8(backbone, choice, store, made, frames)
        if to_check is not None:
            check_parity(chosen, backbone, to_check)
        tune_batch(chosen, backbone, device=choice.device)
        return chosen
    return _fastest(backbone, choice, to_check, num_frames=num_frames)


def _fastest(backbone: Backbone, choice: EngineChoice, frames: np.ndarray | None, *, num_frames: int) -> Engine:
    """The fastest whose features are those of torch on some frames; None: the fastest."""
    device = choice.device
    speeds = rank_engines(backbone, offered_pairs(choice.engine, choice.precision, device), device=device)
    for speed in speeds:
        is_long = num_frames > _SECONDS_WORTH_COMPILING * speed.frames_per_second
        chosen = load_engine(
            backbone, engine=speed.engine, precision=speed.precision, device=device, is_compiled=is_long
        )
        set_pace(chosen, speed)
        is_reference = (speed.engine, speed.precision, is_long) == ("torch", "f32", False)
        try:
            if frames is not None and not is_reference:
                check_parity(chosen, backbone, frames)
            return chosen
        except ValueError as error:
            if speed == speeds[-1]:
                raise
            print(f"extract: {error}; going on with the next fastest", file=sys.stderr)
    raise AssertionError("the last one was taken or refused")


def _load_int8(
    backbone: Backbone, choice: EngineChoice, store: Path, made: StoreSpec | None, frames: RealFrames
) -> Engine:
    """Quantised as the store was, or anew on real frames."""
    calibration: bytes | np.ndarray | None = None
    if made is not None and (made.engine, made.precision) == (choice.engine, "int8"):
        calibration = _read_graph(store, made)
    if calibration is None:
        calibration = frames.spread(NUM_FRAMES_TO_CALIBRATE)
    if calibration is None:
        raise ValueError("int8 is calibrated on frames of the recordings, and not one can be read; use --precision f32")
    kind, device = choice.precision, choice.device
    return load_engine(backbone, engine=choice.engine, precision=kind, device=device, calibration=calibration)


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


def choose_stream_engine(
    specs: Sequence[BackboneSpec],
    backbones: Mapping[int, Backbone],
    *,
    choice: EngineChoice,
    features: Path,
    frames: RealFrames,
    num_frames: int,
) -> StreamEngine:
    """The engines that were asked for; "auto" means those of each stream's store, for a new one its neighbours'.

    `backbones` are by parts a side, `features` is the folder of all streams, all else as `choose_engine`.
    """
    groups: dict[EngineChoice, list[int]] = {}
    for number, spec in enumerate(specs):
        groups.setdefault(_known_choice(features, spec, choice), []).append(number)
    streams: dict[int, ComputedStream] = {}
    for known, numbers in groups.items():
        paths = [stream_path(features, specs[number].stream) for number in numbers if specs[number].has_network]
        new = [path for path in paths if not is_store(path)]  # what is new is proven
        store = (new or paths or [features])[0]
        load = partial(choose_engine, choice=known, store=store, frames=frames, num_frames=num_frames)
        built = build_streams([specs[number] for number in numbers], backbones, load)
        streams |= dict(zip(numbers, built, strict=True))
    return StreamEngine([streams[number] for number in range(len(specs))])


def _known_choice(features: Path, spec: BackboneSpec, choice: EngineChoice) -> EngineChoice:
    """With which engine and precision a stream is computed, as far as that is known."""
    own = stream_path(features, spec.stream)
    for path in (own, *list_streams(features).values()) if spec.has_network else ():
        made = read_manifest(path) if is_store(path) else None
        if made is not None and made.backbone.has_network and (path == own or made.precision != "int8"):
            return choice.filled_in(made.engine, made.precision)
    return choice


def choose_video_engine(
    backbone: Backbone, *, choice: EngineChoice, store: Path, frames: RealFrames, num_rows: int
) -> Engine:
    """Torch, or OpenVINO where it is asked for, in the precision of the store or the one that was asked for.

    "auto" is torch; for a new store f32 on a CPU, half precision on a GPU. Torch is compiled where it has to work for
    long. All but plain torch in f32 is proven on real frames. Prints how many windows there are for about `num_rows`
    rows of features, how large these are, and about how long they take.

    Raises:
        ValueError: Another engine, or features that are others than torch's in f32.
    """
    window = backbone.spec.window
    assert window is not None
    is_new = not is_store(store)
    known = choice if is_new else choice.filled_in("auto", read_manifest(store).precision)
    device = find_device(choice.device, choice.engine)
    load = partial(load_engine, backbone, engine=known.engine, precision=known.precision, device=device)
    chosen = load()
    seconds = _seconds_a_window(chosen, window.num_pictures, backbone.spec.input_size)
    num_windows = -(-num_rows // window.stride)
    size = 2 * num_rows * backbone.spec.feature_width
    print(
        f"extract: about {num_windows:,} windows of {window.num_pictures} pictures at "
        f"{window.pictures_per_second} a second; {num_rows:,} rows of features, {window.rate} a second, "
        f"{size / 1e9:.2f} GB; about {num_windows * seconds / 3600:.2f} hours "
        f"({seconds:.2f} s a window, {chosen.name} {chosen.precision})",
        flush=True,
    )
    is_long = chosen.name == "torch" and num_windows * seconds > _SECONDS_WORTH_COMPILING_VIDEO
    if is_long:
        chosen = load(is_compiled=True)
    if is_new and (is_long or chosen.name != "torch" or chosen.precision != "f32"):
        found = frames.spread(window.num_pictures)
        if found is not None and len(found) == window.num_pictures:
            check_parity(chosen, backbone, found[None])
    return chosen


def _seconds_a_window(engine: Engine, num_pictures: int, size: tuple[int, int]) -> float:
    """The faster of two batches, since others only ever slow one down."""
    shape = (engine.batch_size, num_pictures, *size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return min(timeit.repeat(partial(engine.run, pictures), number=1, repeat=2)) / engine.batch_size
