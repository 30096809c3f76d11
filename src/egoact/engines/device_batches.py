"""Frames of host memory through a device that works by itself: batches are copied there while others are computed.

    host     fill 0   fill 1            fill 2     two pinned buffers, each filled again when the device has fetched it
    copies            fetch 0  fetch 1   fetch 2    into two buffers of the device, when what lay there was computed
    work                       compute 0 compute 1  features go back into pinned memory of their own

The device is a few hooks (`Device`): `engines/cuda.py` has those of CUDA, tests some that work as late as they may.

Shapes: B frames of a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

Finish = Callable[[], np.ndarray]
"""Waits for features that were begun, and gives them."""
NUM_BUFFERS = 2


class Mark(Protocol):
    """A place in a queue."""

    def synchronize(self) -> None:
        """Wait until the device has done what is before it."""


class Queue(Protocol):
    """What a device does one after the other, while other queues go on."""

    def do(self, work: Callable[[], None]) -> None:
        """Do this after all that is there."""

    def mark(self) -> Mark:
        """The place behind all that is there."""

    def wait_for(self, mark: Mark) -> None:
        """Do what comes next only when the device has passed a mark, of another queue."""


class Device(Protocol):
    """Where a network lies.

    `copies` fetches frames, `work` computes; `pinned` makes host memory that the device reads and writes by itself.
    """

    place: torch.device
    copies: Queue
    work: Queue

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor: ...  # noqa: D102


@dataclass(eq=False)
class _Buffer:
    host: Tensor
    device: Tensor
    computed: Mark
    fetched: Mark | None = None


@dataclass(eq=False)
class _Found:
    """Features of a batch, which are there when the device has passed the mark."""

    features: list[Tensor]
    mark: Mark

    def wait(self) -> np.ndarray:
        self.mark.synchronize()
        return self.features[0].numpy()


class DeviceBatches:
    """Computes frames in batches; not for several threads at once.

    Args:
        compute: uint8 (B, ...) on the device -> float32 (B, ...) there.
        device: Its hooks.
        shape: Of a frame.
    """

    def __init__(self, compute: Callable[[Tensor], Tensor], device: Device, *, shape: tuple[int, ...]) -> None:
        self._compute, self._device, self._shape = compute, device, shape
        self._buffers: list[_Buffer] = []
        self._turn = 0

    def _make_buffers(self, batch_size: int) -> None:
        self._buffers = []  # they make room for new ones
        device, whole = self._device, (batch_size, *self._shape)
        hosts = [device.pinned(whole, torch.uint8) for _ in range(NUM_BUFFERS)]
        devices = [torch.empty(whole, dtype=torch.uint8, device=device.place) for _ in range(NUM_BUFFERS)]
        mark = device.work.mark()  # torch gives memory away that what is there may still use
        self._buffers = [_Buffer(*pair, mark) for pair in zip(hosts, devices, strict=True)]

    def start(self, frames: np.ndarray | Tensor, batch_size: int) -> Finish:
        """Begin with frames; more can be begun before these are finished.

        Args:
            frames: uint8 (B, ...) of host memory, which may be changed again when this returns; or on the device, made
                by what is in the queue `work` already.
            batch_size: Most frames of a batch.
        """
        found = [self._begin(frames[i : i + batch_size], batch_size) for i in range(0, len(frames), batch_size)]
        return lambda: found[0].wait() if len(found) == 1 else np.concatenate([each.wait() for each in found])

    def _begin(self, frames: np.ndarray | Tensor, batch_size: int) -> _Found:
        if isinstance(frames, Tensor):
            return self._work(frames)
        if not self._buffers or len(self._buffers[0].host) != batch_size:
            self._make_buffers(batch_size)
        buffer = self._buffers[self._turn]
        self._turn = (self._turn + 1) % NUM_BUFFERS
        part = slice(0, len(frames))
        if buffer.fetched is not None:
            buffer.fetched.synchronize()
        buffer.host[part].copy_(torch.from_numpy(np.require(frames, requirements=["C", "W"])))
        copies, work = self._device.copies, self._device.work
        copies.wait_for(buffer.computed)
        copies.do(lambda: _copy(buffer.host[part], buffer.device[part]))
        buffer.fetched = copies.mark()
        work.wait_for(buffer.fetched)
        found = self._work(buffer.device[part])
        buffer.computed = found.mark
        return found

    def _work(self, frames: Tensor) -> _Found:
        found: list[Tensor] = []

        def compute() -> None:
            features = self._compute(frames)
            found.append(self._device.pinned(tuple(features.shape), features.dtype))
            _copy(features, found[0])

        self._device.work.do(compute)
        return _Found(found, self._device.work.mark())


def _copy(source: Tensor, target: Tensor) -> None:
    target.copy_(source, non_blocking=True)
