"""OpenVINO as an engine: the fastest on x86 and ARM processors."""

import warnings

import numpy as np
import torch

from egoact.engines.engine import FrameModel, checked_frames
from egoact.engines.quiet_openvino import import_openvino


class OpenVinoEngine:
    """The module converted straight from torch; bfloat16 where the processor has instructions for it."""

    name = "openvino"

    def __init__(self, model: FrameModel, *, input_size: tuple[int, int], precision: str) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        offered = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "auto":
            precision = "bf16" if "BF16" in offered else "f32"
        if precision == "bf16" and "BF16" not in offered:
            raise ValueError("this processor has no bf16 instructions; use --precision f32")
        self.input_size = input_size
        self.precision = precision
        self.batch_size = 16
        example = torch.zeros(1, *input_size, 3, dtype=torch.uint8)
        with warnings.catch_warnings():  # its converter still traces with torch.jit
            warnings.filterwarnings("ignore", r"`torch\.jit\.trace(_method)?` is deprecated", FutureWarning)
            graph = openvino.convert_model(model, example_input=example, input=[(-1, *input_size, 3)])
        self._compiled = core.compile_model(
            graph,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": {"f32": "f32", "bf16": "bf16"}[precision],
            },
        )
        self._request = self._compiled.create_infer_request()

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        result = self._request.infer([checked_frames(frames, self.input_size)], share_inputs=True)
        return np.array(next(iter(result.values())), dtype=np.float32)
