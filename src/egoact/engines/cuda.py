"""CUDA's hooks for `DeviceBatches`, and a network that a GPU replays as one graph; needs a GPU, and no more logic."""

from collections.abc import Callable

import torch
from torch import Tensor

from egoact.engines.device_batches import Mark, Queue


class CudaDevice:
    """Copies in a stream of their own, and work in the stream that torch uses anyway, as decoders do."""

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
