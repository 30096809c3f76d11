"""A recognizer as graph files of several formats: whole (ONNX, OpenVINO), and cut in two for streams.

frames (1, T, H, W, 3) ─► (T, H, W, 3) ─► frame graph ─► (1, T, ...) ─► window graph ─► probabilities
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs import executorch_graphs, litert_graphs, onnx_graphs, openvino_graphs
from egoact.engines.graphs.openvino_graphs import import_openvino
from egoact.engines.graphs.openvino_precision import quantize
from egoact.engines.graphs.tensorrt_rules import complaints
from egoact.export.modules import SequenceModel, StepModel, flat
from egoact.models.segmenters import RecordingModel


@dataclass(frozen=True, eq=False)
class ExportParts:
    """What goes into the graphs.

    Args:
        frame: Frames to features.
        window: float32 (B, T, ...) to as many outputs as there are targets.
        targets: Names of those outputs.
        input_size: (H, W) in pixels.
        clip_shape: (T, *feature).
        calibration: uint8 (N, H, W, 3) for int8; None: another precision.
        precision: Of the backbone.
        is_for_tensorrt: ONNX as TensorRT takes it.
    """

    frame: FrameModel
    window: nn.Module
    targets: tuple[str, ...]
    input_size: tuple[int, int]
    clip_shape: tuple[int, ...]
    calibration: np.ndarray | None
    precision: str = "f32"
    is_for_tensorrt: bool = False

    @property
    def frames_shape(self) -> tuple[int, ...]:
        """(T, H, W, 3)."""
        return (self.clip_shape[0], *self.input_size, 3)


def build_onnx(parts: ExportParts) -> dict[str, bytes]:
    """Three ONNX files: name -> content."""
    frame = onnx_graphs.export_graph(parts.frame, parts.input_size)
    if parts.calibration is not None:
        frame = onnx_graphs.quantize(frame, parts.calibration, is_symmetric=parts.is_for_tensorrt)
    window = _onnx_window(parts.window, parts.targets, parts.clip_shape)
    if parts.precision == "f16":
        frame, window = onnx_graphs.halve(frame), onnx_graphs.halve(window)
    whole = onnx_graphs.join(frame, window, frames_shape=parts.frames_shape, clip_shape=parts.clip_shape)
    return {"frame.onnx": frame, "window.onnx": window, "recognizer.onnx": whole}


def check_tensorrt(files: Mapping[str, bytes]) -> None:
    """Refuse ONNX files that TensorRT would not take: a `ValueError`."""
    for name, graph in files.items():
        if reasons := complaints(graph):
            raise ValueError(f"TensorRT would not take {name}: {reasons[0]}; nothing was written")


def build_openvino(parts: ExportParts) -> dict[str, bytes]:
    """Three pairs of OpenVINO files: name -> content."""
    quantized = None
    if parts.calibration is not None:
        plain = openvino_graphs.convert(parts.frame, parts.input_size)
        small = quantize(plain, parts.calibration)
        quantized = openvino_graphs.pack(small)

    def frame() -> Any:
        if quantized is None:
            return openvino_graphs.convert(parts.frame, parts.input_size)
        return openvino_graphs.unpack(import_openvino().Core(), quantized)

    window = partial(_openvino_window, parts.window, parts.targets, parts.clip_shape)
    whole = openvino_graphs.join(frame(), window(), parts.frames_shape, parts.clip_shape)  # uses them up
    graphs = {"frame": _named(frame(), "frames", ("features",)), "window": window(), "recognizer": whole}
    return {name: content for stem, graph in graphs.items() for name, content in _files(stem, graph).items()}


def build_litert(parts: ExportParts) -> dict[str, bytes]:
    """Two LiteRT files: name -> content."""
    frame = _litert_frame(parts.frame, parts.input_size)
    if parts.calibration is not None:
        frame = litert_graphs.quantize(frame, parts.calibration)
    elif parts.precision == "f16":
        frame = litert_graphs.to_f16(frame)
    window = litert_graphs.convert(parts.window, {"clip": torch.zeros(1, *parts.clip_shape)}, parts.targets)
    return {"frame.tflite": frame, "window.tflite": window}


def build_executorch(parts: ExportParts) -> dict[str, bytes]:
    """Two programs of ExecuTorch: name -> content."""
    frame = executorch_graphs.convert_frames(parts.frame, parts.input_size, parts.calibration)
    window = executorch_graphs.convert(parts.window, {"clip": torch.zeros(1, *parts.clip_shape)}, parts.targets)
    return {"frame.pte": frame, "window.pte": window}


def _litert_frame(frame: FrameModel, input_size: tuple[int, int]) -> bytes:
    return litert_graphs.convert(frame, {"frames": torch.zeros(1, *input_size, 3, dtype=torch.uint8)}, ["features"])


def build_frame(format: str, frame: FrameModel, input_size: tuple[int, int], name: str) -> dict[str, bytes]:
    """A frame graph in float32: name -> content."""
    if format == "onnx":
        return {f"{name}.onnx": onnx_graphs.export_graph(frame, input_size)}
    if format == "litert":
        return {f"{name}.tflite": _litert_frame(frame, input_size)}
    if format == "executorch":
        return {f"{name}.pte": executorch_graphs.convert_frames(frame, input_size, None)}
    return _files(name, _named(openvino_graphs.convert(frame, input_size), "frames", ("features",)))


def build_segmenter(
    format: str, model: RecordingModel, targets: tuple[str, ...], *, num_channels: Sequence[int]
) -> dict[str, bytes]:
    """The sequence graph of a segmenter and, where it sees no future, its step graph: name -> content.

    Of LiteRT and ExecuTorch, whose graphs have no free lengths here, the step graph alone.

    Raises:
        ValueError: One of these, and a segmenter that sees the future.
    """
    features = {"features": torch.zeros(1, 64, sum(num_channels))}
    given, names = {}, []
    if has_steps := model.reach is not None and not model.reach[1]:
        state = {f"state_{i}": part for i, part in enumerate(flat(model.initial_state(1)))}
        given = {"features": features["features"][:, 0], **state}
        names = [*targets, *(f"next_{name}" for name in state)]
    if format in _OF_FIXED_LENGTH:
        if not has_steps:
            raise ValueError(
                f"{format} has only graphs of a fixed length, and this run needs the whole recording; "
                "train one that sees no future (--segmenter causal or causal_tcn)"
            )
        convert, suffix = _OF_FIXED_LENGTH[format]
        return {f"step{suffix}": convert(StepModel(model).eval(), given, names)}
    free = {name: {1: "steps"} for name in ("features", *targets)}
    made = {"sequence": onnx_graphs.trace_named(SequenceModel(model).eval(), features, list(targets), free=free)}
    if has_steps:
        free = {name: {0: "batch"} for name in (*given, *names)}
        made["step"] = onnx_graphs.trace_named(StepModel(model).eval(), given, names, free=free)
    if format == "onnx":
        return {f"{stem}.onnx": content for stem, content in made.items()}
    core = import_openvino().Core()
    files = {stem: _files(stem, core.read_model(content)) for stem, content in made.items()}
    return {name: content for pair in files.values() for name, content in pair.items()}


def _onnx_window(window: nn.Module, targets: tuple[str, ...], clip_shape: tuple[int, ...]) -> bytes:
    example = torch.zeros(2, *clip_shape)
    return onnx_graphs.trace(window, example, input_name="clip", output_names=list(targets))


def _openvino_window(window: nn.Module, targets: tuple[str, ...], clip_shape: tuple[int, ...]) -> Any:
    """By way of ONNX: straight from torch, OpenVINO cannot trace a transformer."""
    graph = import_openvino().Core().read_model(_onnx_window(window, targets, clip_shape))
    return _named(graph, "clip", targets)


def _files(stem: str, graph: Any) -> dict[str, bytes]:
    return dict(zip((f"{stem}.xml", f"{stem}.bin"), openvino_graphs.to_files(graph), strict=True))


def _named(graph: Any, given: str, names: tuple[str, ...]) -> Any:
    graph.inputs[0].get_tensor().set_names({given})
    for output, name in zip(graph.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return graph


BUILDERS: dict[str, Callable[[ExportParts], dict[str, bytes]]] = {
    "onnx": build_onnx,
    "openvino": build_openvino,
    "litert": build_litert,
    "executorch": build_executorch,
}
_OF_FIXED_LENGTH = {"litert": (litert_graphs.convert, ".tflite"), "executorch": (executorch_graphs.convert, ".pte")}
