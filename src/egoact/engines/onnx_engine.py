"""ONNX Runtime as an engine: one graph with the normalisation inside, on the CPU."""

import numpy as np

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.onnx_graphs import export_graph, quantize
from egoact.engines.interface import Options, checked_frames
from egoact.engines.onnx_session import open_session


class OnnxEngine:
    """The exported graph in an ONNX Runtime session; float32 or int8."""

    name = "onnxruntime"

    def __init__(self, model: FrameModel, options: Options) -> None:
        if options.precision not in ("auto", "f32", "int8"):
            raise ValueError(f"engine onnxruntime offers precision f32 and int8, not {options.precision}")
        self.input_size, self.num_channels = options.input_size, model.num_channels
        self.precision = "f32" if options.precision == "auto" else options.precision
        self.batch_size = 16
        self.graph: bytes | None = None
        if self.precision == "int8":
            self.graph = options.int8_graph(lambda frames: quantize(export_graph(model, options.input_size), frames))
        graph = self.graph or export_graph(model, options.input_size)
        try:
            self._session = open_session(graph)
        except Exception as error:  # its own types, one for each way in which bytes are no graph
            if self.graph is None:
                raise
            raise ValueError(f"this is no quantised ONNX graph ({type(error).__name__})") from None

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (B, H, W, 3) -> float32 features."""
        return self._session.run(None, {"frames": checked_frames(frames, self.input_size, self.num_channels)})[0]
