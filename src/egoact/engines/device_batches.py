"""Frames of host memory through a device that works by itself: batches are copied there while others are computed.

    host     fill 0   fill 1            fill 2     two pinned buffers, each filled again when the device has fetched it
    copies            fetch 0  fetch 1   fetch 2    into two buffers of the device, when what lay there was computed
    work                       compute 0 compute 1  features go back into pinned memory of their own

The device is a few hooks (`Device`): those of CUDA are here, tests have some that work as late as they may.

Shapes: B frames of a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from egoact.engines.frame_model import FrameModel
from egoact.engines.interface import Options, checked_frames

Finish = Callable[[], np.ndarray]  # waits for features that were begun, and gives them
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
    """Computes frames of a shape in batches; not for several threads at once.

    `compute` turns uint8 (B, ...) on the device into float32 (B, ...) there.
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
        """Begin with frames, in batches of `batch_size` at most; more can be begun before these are finished.

        They are uint8 (B, ...) of host memory, which may be changed again when this returns; or on the device, made by
        what is in the queue `work` already.
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


class DeviceEngine(ABC):
    """What engines that compute on this processor or on a GPU have in common."""

    batch_size: int
    graph: bytes | None = None
    _batches: DeviceBatches | None = None

    def __init__(self, model: FrameModel, options: Options) -> None:
        self._shape = (*model.window, *options.input_size, model.num_channels)
        self.device = torch.device(options.device)

    def _compute_on(self, device: Device | None, compute: Callable[[Tensor], Tensor]) -> None:
        """On what has such hooks; None: those of a GPU, and of a CPU none."""
        if device is None and self.device.type == "cuda":
            device = CudaDevice(self.device)
        if device is not None:
            self._batches = DeviceBatches(compute, device, shape=self._shape)

    @property
    def is_ahead(self) -> bool:
        """Whether it works beside this processor."""
        return self._batches is not None

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        return self.start(frames)()

    def start(self, frames: np.ndarray | Tensor) -> Finish:
        """Begin with frames, which may lie on the device already; gives what waits for their features."""
        if isinstance(frames, np.ndarray):
            frames = checked_frames(frames, self._shape)
        if self._batches is not None:
            return self._batches.start(frames, self.batch_size)
        found = self._run_here(frames)
        return lambda: found

    @abstractmethod
    def _run_here(self, frames: np.ndarray | Tensor) -> np.ndarray: ...


class CudaDevice:
    """Hooks of CUDA: copies in a stream of their own, work in the stream that torch uses anyway, as decoders do."""

    def __init__(self, place: torch.device) -> None:
        self.place = place
        self.copies: Queue = _Stream(torch.cuda.Stream(place))
        self.work: Queue = _Stream(torch.cuda.default_stream(place))

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Torch gives its memory to others only when all copies that were begun from it and into it are done."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)


class _Stream:
    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream

    def do(self, work: Callable[[], None]) -> None:
        with torch.cuda.stream(self._stream):
            work()

    def mark(self) -> Mark:
        mark: Mark = self._stream.record_event()
        return mark

    def wait_for(self, mark: Mark) -> None:
        assert isinstance(mark, torch.cuda.Event)
        self._stream.wait_event(mark)


def capture(compute: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
    """What replays a computation on batches of one shape, without the time that it takes to begin each of its kernels.

    The features are overwritten by the next call. Whatever torch raises says that it cannot be captured.
    """
    given = example.clone()
    stream = torch.cuda.Stream(given.device)
    stream.wait_stream(torch.cuda.current_stream(given.device))
    with torch.cuda.stream(stream):  # compilers and cuDNN choose their kernels now
        for _ in range(3):
            compute(given)
    torch.cuda.current_stream(given.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):  # others may use the GPU meanwhile
        found = compute(given)

    def replay(batch: Tensor) -> Tensor:
        given.copy_(batch)
        graph.replay()
        return found

    return replay
