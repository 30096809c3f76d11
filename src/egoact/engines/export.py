"""A recognizer as graph files of ONNX or OpenVINO: whole, and cut in two for streams.

frames (1, T, H, W, 3) ─► (T, H, W, 3) ─► frame graph ─► (1, T, ...) ─► window graph ─► probabilities
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from egoact.engines import onnx_graphs, openvino_graphs
from egoact.engines.frame_model import FrameModel
from egoact.engines.quiet_openvino import import_openvino


@dataclass(frozen=True, eq=False)
class ExportParts:
    """What goes into the graphs.

    Args:
        frame: Frames to features.
        window: float32 (B, T, ...) to as many outputs as there are targets.
        targets: Names of those outputs.
        input_size: (H, W) in pixels.
        clip_shape: (T, *feature).
        calibration: uint8 (N, H, W, 3) for int8; None: float32.
    """

    frame: FrameModel
    window: nn.Module
    targets: tuple[str, ...]
    input_size: tuple[int, int]
    clip_shape: tuple[int, ...]
    calibration: np.ndarray | None

    @property
    def frames_shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        return (self.clip_shape[0], *self.input_size, 3)


def build_onnx(parts: ExportParts) -> dict[str, bytes]:
    """Three ONNX files: name -> content."""
    frame = onnx_graphs.export_graph(parts.frame, parts.input_size)
    if parts.calibration is not None:
        frame = onnx_graphs.quantize(frame, parts.calibration, num_float=parts.frame.num_float)
    example = torch.zeros(2, *parts.clip_shape)
    window = onnx_graphs.trace(
        parts.window, example, input_name="clip", output_names=list(parts.targets), is_batch_free=True
    )
    whole = onnx_graphs.join(frame, window, frames_shape=parts.frames_shape, clip_shape=parts.clip_shape)
    return {"frame.onnx": frame, "window.onnx": window, "recognizer.onnx": whole}


def build_openvino(parts: ExportParts) -> dict[str, bytes]:
    """Three pairs of OpenVINO files: name -> content."""

    def frame() -> Any:
        made = openvino_graphs.convert(parts.frame, parts.input_size)
        return made if quantized is None else openvino_graphs.unpack(import_openvino().Core(), quantized)

    quantized = None
    if parts.calibration is not None:
        small = openvino_graphs.quantize(frame(), parts.calibration, num_float=parts.frame.num_float)
        quantized = openvino_graphs.pack(small)
    whole = openvino_graphs.join(frame(), _window(parts), parts.frames_shape, parts.clip_shape)
    graphs = {"frame": _named(frame(), "frames", ("features",)), "window": _window(parts), "recognizer": whole}
    return {
        f"{name}{suffix}": content
        for name, graph in graphs.items()
        for suffix, content in zip((".xml", ".bin"), openvino_graphs.to_files(graph), strict=True)
    }


def _window(parts: ExportParts) -> Any:
    return _named(openvino_graphs.convert(parts.window, (-1, *parts.clip_shape)), "clip", parts.targets)


def _named(graph: Any, given: str, names: tuple[str, ...]) -> Any:
    graph.inputs[0].get_tensor().set_names({given})
    for output, name in zip(graph.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return graph


BUILDERS: dict[str, Callable[[ExportParts], dict[str, bytes]]] = {"onnx": build_onnx, "openvino": build_openvino}
