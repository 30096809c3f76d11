"""How fast engines are on this machine: measured once, remembered in the user's cache folder.

Knows nothing about accuracy: whoever takes the fastest still proves it on real frames.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from egoact.engines.engine import Engine, load_engine
from egoact.engines.speed_cache import SpeedCache

MIN_SECONDS = 0.3  # of one measurement
FIRST_BATCH = {"cpu": 16, "cuda": 128}
OTHER_BATCHES = {"cpu": (8, 32), "cuda": (32, 512)}
WORTH_MEMORY = 1.03  # a larger batch must be this much faster


@dataclass(frozen=True)
class Speed:
    """One measurement: frames a second with the best batch size."""

    engine: str
    precision: str
    batch_size: int
    frames_per_second: float


def rank_engines(
    module: nn.Module,
    pairs: Sequence[tuple[str, str]],
    *,
    input_size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: str,
) -> list[Speed]:
    """The fastest first; what this machine does not offer is left out.

    Args:
        module: As for `load_engine`.
        pairs: (engine, precision), other than int8.
        input_size: As for `load_engine`.
        mean: As for `load_engine`.
        std: As for `load_engine`.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: None of them runs here.
    """
    cache = SpeedCache(module, input_size=input_size, device=device)
    speeds: list[Speed] = []
    refusal: ValueError | None = None
    for name, precision in pairs:
        known = cache.get(name, precision)
        if known is None:
            try:
                engine = load_engine(
                    module, input_size=input_size, mean=mean, std=std, engine=name, precision=precision, device=device
                )
            except ValueError as error:
                refusal = error
                continue
            known = measure(engine, input_size=input_size, kind=device.partition(":")[0])
            cache.put(known)
        speeds.append(known)
    if refusal is not None and not speeds:
        raise refusal
    return sorted(speeds, key=lambda speed: -speed.frames_per_second)


def tune_batch(engine: Engine, module: nn.Module, *, input_size: tuple[int, int], device: str) -> None:
    """Give an engine the batch size that is best here, measured unless it is known."""
    cache = SpeedCache(module, input_size=input_size, device=device)
    known = cache.get(engine.name, engine.precision)
    if known is None:
        known = measure(engine, input_size=input_size, kind=device.partition(":")[0])
        cache.put(known)
    engine.batch_size = known.batch_size


def measure(engine: Engine, *, input_size: tuple[int, int], kind: str = "cpu") -> Speed:
    """Try some batch sizes, none under the engine's own; the smallest that is as good as any.

    Args:
        engine: A loaded engine.
        input_size: (H, W) of its frames.
        kind: "cpu" or "cuda".
    """
    batches = [size for size in sorted((FIRST_BATCH[kind], *OTHER_BATCHES[kind])) if size >= engine.batch_size]
    best: Speed | None = None
    for batch in batches:
        rate = _rate(engine, batch, input_size)
        if best is None or rate > WORTH_MEMORY * best.frames_per_second:
            best = Speed(engine.name, engine.precision, batch, rate)
    assert best is not None
    return replace(best, frames_per_second=round(best.frames_per_second, 1))


def _rate(engine: Engine, batch: int, input_size: tuple[int, int]) -> float:
    """Frames a second: the best of several runs, since others only ever slow a run down."""
    frames = np.random.default_rng(0).integers(0, 256, (batch, *input_size, 3), dtype=np.uint8)
    engine.run(frames)
    shortest = float("inf")
    begun = time.perf_counter()
    while (start := time.perf_counter()) - begun < MIN_SECONDS:
        engine.run(frames)
        shortest = min(shortest, time.perf_counter() - start)
    return batch / shortest
