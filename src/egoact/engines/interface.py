"""What every engine is: uint8 frames of one size in, float32 features out.

    frames uint8 (B, H, W, 3) RGB ──► normalise ──► module ──► float32 (B, D) or (B, C, h, w)

Frames stay uint8 until they are inside the engine; the normalisation is part of its graph.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Engine(Protocol):
    """Runs a frozen module on batches of frames.

    `run` takes uint8 (B, H, W, 3) RGB, or stacks of C channels, and gives float32 (B, D) or (B, C, h, w). It is fastest
    with `batch_size` frames at a time. `graph` is what int8 made of the module with its calibration, to be kept with
    the features; None in other precisions.
    """

    name: str
    precision: str
    batch_size: int
    graph: bytes | None

    def run(self, frames: np.ndarray) -> np.ndarray: ...  # noqa: D102


def start(engine: Engine, frames: Any) -> Callable[[], np.ndarray]:
    """Begin with frames, as `run`; gives what waits for their features. Only an engine that is ahead takes tensors."""
    if is_ahead(engine):
        return engine.start(frames)  # pyrefly: ignore[missing-attribute]
    found = engine.run(frames)
    return lambda: found


def is_ahead(engine: Engine) -> bool:
    """Whether it works by itself, so that the next frames may be begun before these are finished."""
    return getattr(engine, "is_ahead", False)


@dataclass(frozen=True)
class EngineChoice:
    """What was asked for to compute features.

    Args:
        weights: File of the backbone's weights instead of the published ones, or of those that a run carries.
        engine: As `load_engine`.
        precision: As `load_engine`; "auto" is that of the features which are there already, or which a run was trained
            on, where this machine has it: they were found to be as good as float32's when they were extracted.
        device: As `load_engine`.
    """

    weights: Path | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"

    def filled_in(self, engine: str, precision: str) -> "EngineChoice":
        """The same, with these where it says "auto"."""
        own, kind = self.engine, self.precision
        return replace(self, engine=engine if own == "auto" else own, precision=precision if kind == "auto" else kind)


@dataclass(frozen=True, eq=False)
class Options:
    """What an engine is told besides the model; see `load_engine`."""

    input_size: tuple[int, int]
    precision: str = "auto"
    device: str = "cpu"
    calibration: np.ndarray | bytes | None = None
    is_compiled: bool = False

    def int8_graph(self, quantize: Callable[[np.ndarray], bytes]) -> bytes:
        """The graph that was given as calibration, or what `quantize` makes of real frames that were."""
        if self.calibration is None:
            raise ValueError("int8 is calibrated on real frames, and none were given")
        if isinstance(self.calibration, bytes):
            return self.calibration
        return quantize(checked_frames(self.calibration, (*self.input_size, 3)))


def checked_frames(frames: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Frames of a shape as one block of memory; floats are refused: they would give features too, only wrong ones."""
    if frames.dtype != np.uint8 or frames.shape[1:] != shape or not len(frames):
        wanted = f"uint8 of shape (B, {', '.join(map(str, shape))})"
        raise ValueError(f"frames must be {wanted}, got {frames.dtype} of shape {frames.shape}")
    return np.ascontiguousarray(frames)


def num_wide(num_convolutions: int) -> int:
    """How many convolutions from the input on int8 leaves alone: they have few channels and the most pixels."""
    return min(4, -(-num_convolutions // 4))
