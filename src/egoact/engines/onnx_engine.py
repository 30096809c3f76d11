"""ONNX Runtime as an engine: one graph with the normalisation inside, on the CPU, or by CUDA or TensorRT on a GPU."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from egoact.engines.device_batches import Device, DeviceEngine
from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.onnx_graphs import export_graph, quantize
from egoact.engines.interface import Options
from egoact.engines.onnx_session import open_session, what_lacks


class OnnxEngine(DeviceEngine):
    """The exported graph of a model on the processor in an ONNX Runtime session; float32 or int8."""

    name, on_gpu = "onnxruntime", "cuda"
    offered: tuple[str, ...] = ("f32", "int8")

    def __init__(self, model: FrameModel, options: Options, device: Device | None = None) -> None:
        if options.precision not in ("auto", *self.offered):
            offered = " and ".join(self.offered)
            raise ValueError(f"engine {self.name} offers precision {offered}, not {options.precision}")
        super().__init__(model, options)
        self.precision = "f32" if options.precision == "auto" else options.precision
        self.batch_size = 16
        if self.precision == "int8":
            self.graph = options.int8_graph(lambda frames: quantize(export_graph(model, options.input_size), frames))
        graph = self.graph or export_graph(model, options.input_size)
        try:
            self._session = self._open(graph)
        except Exception as error:  # its own types, one for each way in which bytes are no graph
            if self.device.type == "cuda":
                raise ValueError(f"engine {self.name}: {str(error).splitlines()[0]}") from None
            if self.graph is None:
                raise
            raise ValueError(f"this is no quantised ONNX graph ({type(error).__name__})") from None
        self._compute_on(device, bind(self._session, self.device))

    def _open(self, graph: bytes) -> Any:
        if self.device.type == "cpu":
            return open_session(graph)
        if lacks := what_lacks(self.on_gpu):
            raise ValueError(lacks)
        number = self.device.index or 0
        return open_session(graph, device=self.on_gpu, precision=self.precision, number=number, frame=self._shape)

    def _run_here(self, frames: np.ndarray | Tensor) -> np.ndarray:
        return self._session.run(None, {"frames": frames})[0]


class TensorRtEngine(OnnxEngine):
    """The same by TensorRT; float32 or float16."""

    name, on_gpu = "tensorrt", "tensorrt"
    offered = ("f32", "f16")


def bind(session: Any, place: torch.device) -> Callable[[Tensor], Tensor]:
    """A session of one input and output that lie where it computes; done when it returns."""
    given, output = session.get_inputs()[0].name, session.get_outputs()[0]
    where = (place.type, place.index or 0)

    def compute(frames: Tensor) -> Tensor:
        frames = frames.contiguous()
        found = torch.empty((len(frames), *output.shape[1:]), dtype=torch.float32, device=place)
        binding = session.io_binding()
        binding.bind_input(given, *where, np.uint8, tuple(frames.shape), frames.data_ptr())
        binding.bind_output(output.name, *where, np.float32, tuple(found.shape), found.data_ptr())
        if place.type == "cuda":  # it computes in a stream of its own
            torch.cuda.current_stream(place).synchronize()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return found

    return compute
