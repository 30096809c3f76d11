"""Several kinds of features of the same frames, by as few runs of a network as they need.

    frame ───────────────────────────► network ──► rgb (D,), grid (4 D,)
    frame - earlier frame, round 128 ► network ──► difference (D,)
    frame, earlier frame ────────────► flow ─────► motion (M,)

Shapes: B frames, H x W pixels, S streams, D_s numbers of a stream.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from egoact.engines.interface import Engine, is_ahead, start
from egoact.media.pairs import Pixels, difference_pictures
from egoact.models.backbones.spec import LAG_SECONDS, BackboneSpec, Stream

if TYPE_CHECKING:
    from egoact.media.flow.descriptors import MotionDescriptor
    from egoact.models.backbones.registry import Backbone

GRID = 2
_MOTION_BATCH = 32


@dataclass(frozen=True, eq=False)
class ComputedStream:
    """One stream, and the engine that computes it; motion has none.

    `num_parts` is how many parts a side the engine's features are of: more than the spec's where their mean is wanted.
    """

    spec: BackboneSpec
    engine: Engine | None
    num_parts: int = 1


class StreamEngine:
    """The streams of some frames, in the order in which their features are wanted; not for several threads at once.

    A `ValueError` for no stream, or streams that need frames of different sizes or times.
    """

    def __init__(self, streams: Sequence[ComputedStream]) -> None:
        if not streams:
            raise ValueError("there is no stream to compute")
        self.streams = tuple(streams)
        sizes = {spec.input_size for spec in self.specs}
        lags = {spec.lag_seconds for spec in self.specs if spec.needs_earlier}
        if len(sizes) > 1 or len(lags) > 1:
            raise ValueError(f"streams of frames of sizes {sorted(sizes)}, {sorted(lags)} s apart, are not one pass")
        self.input_size = self.specs[0].input_size
        self.lag_seconds = lags.pop() if lags else 0.0
        self._parts: dict[tuple[int, ...], StreamEngine] = {}

    @property
    def specs(self) -> tuple[BackboneSpec, ...]:
        """What the streams are."""
        return tuple(stream.spec for stream in self.streams)

    @property
    def needs_earlier(self) -> bool:
        """Whether `run` must be given the frames that were shown `lag_seconds` before."""
        return self.lag_seconds > 0

    @property
    def batch_size(self) -> int:
        """Frames at a time with which it is fastest."""
        return max((engine.batch_size for engine in self._engines), default=_MOTION_BATCH)

    @property
    def name(self) -> str:
        """What computes: "openvino", "torch", ...; "opencv" where no network does."""
        return " + ".join(dict.fromkeys(engine.name for engine in self._engines)) or "opencv"

    @property
    def precision(self) -> str:
        """Of the networks."""
        return " + ".join(dict.fromkeys(engine.precision for engine in self._engines)) or "f32"

    @property
    def is_ahead(self) -> bool:
        """Whether networks work by themselves, so that it pays to begin with frames before others are finished."""
        return any(is_ahead(engine) for engine in self._engines)

    @property
    def place(self) -> str:
        """Where networks lie: "cpu", "cuda" or "cuda:N"."""
        return next((str(engine.device) for engine in self._engines if is_ahead(engine)), "cpu")  # pyrefly: ignore[missing-attribute]

    @property
    def _engines(self) -> list[Engine]:
        return list({id(s.engine): s.engine for s in self.streams if s.engine is not None}.values())

    def only(self, numbers: Sequence[int]) -> "StreamEngine":
        """Some of its streams, by their numbers."""
        chosen = tuple(numbers)
        if chosen == tuple(range(len(self.streams))):
            return self
        if chosen not in self._parts:
            self._parts[chosen] = StreamEngine([self.streams[number] for number in chosen])
        return self._parts[chosen]

    def run(
        self, frames: Pixels, earlier: Pixels | None = None, *, lag_seconds: float | None = None
    ) -> list[np.ndarray]:
        """Compute all streams: S arrays float32 (B, D_s); maps are (B, C, h, w).

        Args:
            frames: uint8 (B, H, W, 3) RGB, of `input_size`, or a `ValueError`; may be tensors on a device.
            earlier: What was shown before each, likewise; only where `needs_earlier`.
            lag_seconds: How long before; None: as the streams say.
        """
        return self.start(frames, earlier, lag_seconds=lag_seconds)()

    def start(
        self, frames: Pixels, earlier: Pixels | None = None, *, lag_seconds: float | None = None
    ) -> Callable[[], list[np.ndarray]]:
        """Begin with all streams, as `run`; gives what waits for them."""
        before = frames if earlier is None or not self.needs_earlier else earlier
        if self.needs_earlier and (earlier is None or earlier.shape != frames.shape):
            given = "none" if earlier is None else f"shape {earlier.shape} for frames of shape {frames.shape}"
            raise ValueError(f"these streams need the frame before each frame, got {given}")
        lag = self.lag_seconds if lag_seconds is None else lag_seconds
        begun: dict[tuple[int, str], Callable[[], np.ndarray]] = {}
        each: list[Callable[[], np.ndarray]] = []
        for stream in self.streams:
            if stream.engine is None:
                motion = self._describe_motion(_of_host(frames), _of_host(before), lag_seconds=lag)
                each.append(lambda motion=motion: motion)
                continue
            key = (id(stream.engine), stream.spec.modality)
            if key not in begun:
                is_difference = stream.spec.modality == "difference" and stream.spec.stack == 1
                given = difference_pictures(frames, before) if is_difference else frames
                begun[key] = cache(start(stream.engine, given if is_ahead(stream.engine) else _of_host(given)))
            num_parts = stream.num_parts if stream.num_parts > stream.spec.grid else 1
            each.append(partial(_mean_of_parts, begun[key], num_parts))
        return lambda: [finish() for finish in each]

    @cached_property
    def _describe_motion(self) -> "MotionDescriptor":
        from egoact.media.flow.descriptors import MotionDescriptor

        return MotionDescriptor()


def stream_specs(
    names: Sequence[Stream], backbones: "Mapping[int, Backbone]", *, input_size: tuple[int, int]
) -> list[BackboneSpec]:
    """What streams of some names are, of frames of (height, width) pixels.

    `backbones` has, for the parts a side that `grids_of` says, the network that pools so.
    """
    made: dict[Stream, BackboneSpec] = {}
    for name in names:
        if name == "motion":
            made[name] = motion_spec(input_size)
        elif name == "difference":
            made[name] = replace(backbones[1].spec, modality="difference", lag_seconds=LAG_SECONDS)
        else:
            made[name] = backbones[GRID if name == "grid" else 1].spec
    return [made[name] for name in names]


def grids_of(names: Sequence[Stream]) -> tuple[int, ...]:
    """Which ways of pooling streams need of the network: parts a side, ascending; none for motion alone."""
    return tuple(sorted({GRID if name == "grid" else 1 for name in names if name != "motion"}))


def motion_spec(input_size: tuple[int, int]) -> BackboneSpec:
    """The spec of motion descriptors of frames of some size."""
    from egoact.media.flow.descriptors import METHOD_NAME, NUM_NUMBERS

    return BackboneSpec(
        name=METHOD_NAME,
        weights_hash="",
        input_size=input_size,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        kind="pooled",
        cut=None,
        feature_shape=(NUM_NUMBERS,),
        modality="motion",
        lag_seconds=LAG_SECONDS,
    )


def build_streams(
    specs: Sequence[BackboneSpec], backbones: "Mapping[int, Backbone]", load: "Callable[[Backbone], Engine]"
) -> list[ComputedStream]:
    """Put the networks of some streams on engines by `load`, none that another makes needless.

    `backbones` has a network for every grid of the specs.
    """
    from egoact.models.backbones.registry import is_mean_of_parts

    engines: dict[int, tuple[Engine, int]] = {}
    for grid in sorted({spec.grid for spec in specs if spec.has_network}, reverse=True):
        finer = [each for each in engines if grid == 1 and is_mean_of_parts(backbones[1], backbones[each])]
        engines[grid] = engines[finer[0]] if finer else (load(backbones[grid]), grid)
    return [
        ComputedStream(spec, *engines[spec.grid]) if spec.has_network else ComputedStream(spec, None) for spec in specs
    ]


def one_stream(spec: BackboneSpec, engine: Engine) -> StreamEngine:
    """A network's own features alone."""
    return StreamEngine([ComputedStream(spec, engine, spec.grid)])


def _of_host(frames: Pixels) -> np.ndarray:
    return frames if isinstance(frames, np.ndarray) else np.asarray(frames.cpu())


def _mean_of_parts(finish: Callable[[], np.ndarray], num_parts: int) -> np.ndarray:
    features = finish()
    return features if num_parts == 1 else features.reshape(len(features), num_parts**2, -1).mean(axis=1)
