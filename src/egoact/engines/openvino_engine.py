"""OpenVINO as an engine: the fastest on x86 and ARM processors."""

from typing import Any

import numpy as np

from egoact.engines.engine import Options, checked_frames
from egoact.engines.frame_model import FrameModel
from egoact.engines.openvino_graphs import convert, pack, quantize, unpack
from egoact.engines.quiet_openvino import import_openvino


class OpenVinoEngine:
    """The module converted straight from torch.

    In bf16 the first block of the module stays in float32: its few channels see the most pixels, and what they lose is
    lost for all that follows. With it the error of bf16 on real frames is half as large (`docs/LOG.md`), for a fifth
    of its speed.
    """

    name = "openvino"

    def __init__(self, model: FrameModel, options: Options) -> None:
        core = import_openvino().Core()
        self.input_size = options.input_size
        self.precision = _choose(options.precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        self.batch_size = 16
        self.graph: bytes | None = None
        if self.precision == "int8":
            calibration = options.calibration_or_raise()
            if isinstance(calibration, bytes):
                self.graph = calibration
            else:
                self.graph = pack(quantize(convert(model, options.input_size), calibration, num_float=model.num_float))
            parts = [(unpack(core, self.graph), "f32")]
        elif self.precision == "bf16" and (halves := model.split()) is not None:
            first, rest = halves
            graph = convert(first, options.input_size)
            parts = [(graph, "f32"), (convert(rest, graph.output(0).partial_shape), "bf16")]
        else:
            parts = [(convert(model, options.input_size), self.precision)]
        self._requests = [
            core.compile_model(
                graph, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
            ).create_infer_request()
            for graph, precision in parts
        ]

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        values: Any = checked_frames(frames, self.input_size)
        for request in self._requests:
            request.infer([values], share_inputs=True)
            values = request.get_output_tensor(0).data
        return np.array(values, dtype=np.float32)


def _choose(precision: str, offered: list[str]) -> str:
    if precision == "auto":
        return "bf16" if "BF16" in offered else "f32"
    if precision == "bf16" and "BF16" not in offered:
        raise ValueError("this processor has no bf16 instructions; use --precision f32")
    if precision == "f16":
        raise ValueError("engine openvino offers precision f32, bf16 and int8, not f16")
    return precision
