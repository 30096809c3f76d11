"""OpenVINO as an engine: the fastest on x86 and ARM processors."""

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from egoact.engines.engine import Options, checked_frames
from egoact.engines.frame_model import FrameModel
from egoact.engines.openvino_graphs import convert, keep_depthwise_sums, pack, quantize, unpack
from egoact.engines.quiet_openvino import import_openvino

_MOST_FRAMES = 4  # of one inference: what a layer gives to the next should stay in the cache


class OpenVinoEngine:
    """The module converted straight from torch.

    A batch is cut into small parts, which go through as many streams as OpenVINO thinks good for this processor: a core
    that keeps its own few frames in its cache is faster than two that share the work on many. One frame alone has all
    cores.

    In "mixed" the first block of the module is in float32, and all that follows in bf16: its few channels see the most
    pixels, and what they lose is lost for all that follows. It costs a third of the speed of bf16, and backbones that
    bf16 takes too far from their features may stay close to them (`docs/LOG.md`).
    """

    name = "openvino"

    def __init__(self, model: FrameModel, options: Options) -> None:
        self._core = import_openvino().Core()
        offered = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.input_size = options.input_size
        self.precision = _choose(options.precision, offered)
        self.batch_size = 32
        self.graph: bytes | None = None
        if self.precision == "int8":
            calibration = options.calibration_or_raise()
            quantized = (
                calibration
                if isinstance(calibration, bytes)
                else pack(quantize(convert(model, options.input_size), calibration))
            )
            self.graph = quantized
            parts = [(unpack(self._core, quantized), "bf16" if "BF16" in offered else "f32")]
        elif self.precision == "mixed":
            parts = self._mixed(model)
        else:
            parts = [(convert(model, options.input_size), self.precision)]
        if self.precision in ("mixed", "bf16"):
            keep_depthwise_sums(parts[-1][0])
        self._parts = parts
        self._streams: dict[str, _Streams] = {}

    def _mixed(self, model: FrameModel) -> list[tuple[Any, str]]:
        halves = model.split()
        if halves is None:
            raise ValueError("precision mixed needs a backbone with a small first block; use bf16 or f32")
        first = convert(halves[0], self.input_size)
        return [(first, "f32"), (convert(halves[1], first.output(0).partial_shape), "bf16")]

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        hint = "LATENCY" if len(frames) == 1 else "THROUGHPUT"
        if hint not in self._streams:
            self._streams[hint] = _Streams(self._core, self._parts, hint)
        return self._streams[hint].run(checked_frames(frames, self.input_size))


class _Streams:
    """Graphs, one behind the other, in one or more streams that work at the same time.

    Args:
        core: Of OpenVINO.
        parts: (graph, precision).
        hint: "LATENCY" for one stream, "THROUGHPUT" for several.
    """

    def __init__(self, core: Any, parts: list[tuple[Any, str]], hint: str) -> None:
        compiled = [
            core.compile_model(graph, "CPU", {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision})
            for graph, precision in parts
        ]
        self._count = 1
        if hint != "LATENCY":
            self._count = min(c.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") for c in compiled)
        self._free: SimpleQueue[list[Any]] = SimpleQueue()
        for _ in range(self._count):
            self._free.put([c.create_infer_request() for c in compiled])
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="openvino")

    def run(self, frames: np.ndarray) -> np.ndarray:
        """As the engine."""
        rounds = -(-len(frames) // (self._count * _MOST_FRAMES))
        chunks = np.array_split(frames, min(rounds * self._count, len(frames)))
        return np.concatenate(list(self._threads.map(self._infer, chunks)))

    def _infer(self, values: np.ndarray) -> np.ndarray:
        """Through all graphs, in whichever stream is free."""
        requests = self._free.get()
        try:
            for request in requests:
                request.infer([values], share_inputs=True)
                values = request.get_output_tensor(0).data
            return np.array(values, dtype=np.float32)
        finally:
            self._free.put(requests)


def _choose(precision: str, offered: list[str]) -> str:
    if precision == "auto":
        return "bf16" if "BF16" in offered else "f32"
    if precision in ("bf16", "mixed") and "BF16" not in offered:
        raise ValueError("this processor has no bf16 instructions; use --precision f32")
    if precision == "f16":
        raise ValueError("engine openvino offers precision f32, mixed, bf16 and int8, not f16")
    return precision
