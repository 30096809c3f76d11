"""OpenVINO as an engine: the fastest on x86 and ARM processors."""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.openvino_graphs import convert, openvino_core, pack, unpack
from egoact.engines.graphs.openvino_precision import prepare_bf16, quantize
from egoact.engines.interface import Options, checked_frames

_MOST_FRAMES = 4  # of one inference: what a layer gives to the next should stay in the cache


class OpenVinoEngine:
    """The module converted straight from torch.

    A batch is cut into small parts, which go through as many streams as OpenVINO thinks good for this processor: a core
    that keeps its own few frames in its cache is faster than two that share the work on many. One frame alone has all
    cores.
    """

    name = "openvino"

    def __init__(self, model: FrameModel, options: Options) -> None:
        offered = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._shape = (*model.window, *options.input_size, model.num_channels)
        self.precision = _choose(options.precision, offered)
        self.batch_size = 1 if model.window else 32  # a window is a batch of pictures by itself
        self.graph: bytes | None = None
        self._hint = self.precision
        if self.precision == "int8":
            self.graph = options.int8_graph(lambda frames: pack(quantize(convert(model, options.input_size), frames)))
            self._graph = unpack(self.graph)
            self._hint = "bf16" if "BF16" in offered else "f32"  # of what stays
        else:
            self._graph = convert(model, options.input_size)
            if self.precision == "bf16":
                self._graph = prepare_bf16(self._graph)
        self._streams: dict[str, _Streams] = {}

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        hint = "LATENCY" if len(frames) == 1 else "THROUGHPUT"
        if hint not in self._streams:
            self._streams[hint] = _Streams(self._graph, self._hint, hint)
        return self._streams[hint].run(checked_frames(frames, self._shape))


class _Streams:
    """A graph of frames in one stream ("LATENCY"), or in several that work at the same time ("THROUGHPUT")."""

    def __init__(self, graph: Any, precision: str, hint: str) -> None:
        hints = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision}
        compiled = openvino_core().compile_model(graph, "CPU", hints)
        self._count = 1 if hint == "LATENCY" else compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._free: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self._count):
            self._free.put(compiled.create_infer_request())
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="openvino")

    def run(self, frames: np.ndarray) -> np.ndarray:
        """As the engine."""
        rounds = -(-len(frames) // (self._count * _MOST_FRAMES))
        chunks = np.array_split(frames, min(rounds * self._count, len(frames)))
        return np.concatenate(list(self._threads.map(self._infer, chunks)))

    def _infer(self, frames: np.ndarray) -> np.ndarray:
        """In whichever stream is free."""
        request = self._free.get()
        try:
            request.infer([frames], share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._free.put(request)


def _choose(precision: str, offered: list[str]) -> str:
    if precision == "auto":
        return "bf16" if "BF16" in offered else "f32"
    if precision == "bf16" and "BF16" not in offered:
        raise ValueError("this processor has no bf16 instructions; use --precision f32")
    if precision == "f16":
        raise ValueError("engine openvino offers precision f32, bf16 and int8, not f16")
    return precision
