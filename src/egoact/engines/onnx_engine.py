"""ONNX Runtime as an engine: one graph with the normalisation inside, on the CPU."""

import io

import numpy as np
import torch

from egoact.engines.engine import FrameModel, checked_frames


class OnnxEngine:
    """The exported graph in an ONNX Runtime session; float32."""

    name = "onnxruntime"

    def __init__(self, model: FrameModel, *, input_size: tuple[int, int], precision: str) -> None:
        import onnxruntime

        if precision not in ("auto", "f32"):
            raise ValueError(f"engine onnxruntime offers precision f32, not {precision}")
        self.input_size = input_size
        self.precision = "f32"
        self.batch_size = 16
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        graph = export_graph(model, input_size)
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        return self._session.run(None, {"frames": checked_frames(frames, self.input_size)})[0]


def export_graph(model: FrameModel, input_size: tuple[int, int]) -> bytes:
    """The model as ONNX with a free batch size."""
    import warnings

    buffer = io.BytesIO()
    example = torch.zeros(2, *input_size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():  # the exporter that writes to memory is called legacy by torch
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["frames"],
            output_names=["features"],
            dynamic_axes={"frames": {0: "batch"}, "features": {0: "batch"}},
        )
    return buffer.getvalue()
