"""A recognizer as graph files of several formats: whole (ONNX, OpenVINO), and cut in two for streams.

frames (1, T, H, W, 3) ─► (T, H, W, 3) ─► frame graph ─► (1, T, ...) ─► window graph ─► probabilities
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs import executorch_graphs, litert_graphs, onnx_graphs, openvino_graphs
from egoact.engines.graphs.openvino_graphs import openvino_core
from egoact.engines.graphs.openvino_precision import quantize
from egoact.engines.graphs.tensorrt_rules import complaints
from egoact.models.classifier import ActionClassifier
from egoact.models.segmenters import DenseModel, RecordingModel


@dataclass(frozen=True, eq=False)
class ExportParts:
    """What goes into the graphs, of which `precision` is that of the backbone.

    Args:
        window: float32 (B, T, ...) to as many outputs as there are targets.
        input_size: (H, W) in pixels.
        clip_shape: (T, *feature).
        calibration: uint8 (N, H, W, 3) for int8; None: another precision.
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
    frame = openvino_graphs.convert(parts.frame, parts.input_size)
    if parts.calibration is not None:
        quantized = openvino_graphs.pack(quantize(frame, parts.calibration))
        frame = openvino_graphs.unpack(quantized)
    # By way of ONNX: straight from torch, OpenVINO cannot trace a transformer.
    window = openvino_core().read_model(_onnx_window(parts.window, parts.targets, parts.clip_shape))
    _named(window, "clip", parts.targets)
    whole = openvino_graphs.join(frame.clone(), window.clone(), parts.frames_shape, parts.clip_shape)
    graphs = {"frame": _named(frame, "frames", ("features",)), "window": window, "recognizer": whole}
    return _all_files(graphs)


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
    return _all_files({name: _named(openvino_graphs.convert(frame, input_size), "frames", ("features",))})


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
    return _all_files({stem: openvino_core().read_model(content) for stem, content in made.items()})


def _onnx_window(window: nn.Module, targets: tuple[str, ...], clip_shape: tuple[int, ...]) -> bytes:
    example = torch.zeros(2, *clip_shape)
    return onnx_graphs.trace(window, example, input_name="clip", output_names=list(targets))


def _all_files(graphs: Mapping[str, Any]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for stem, graph in graphs.items():
        files[f"{stem}.xml"], files[f"{stem}.bin"] = openvino_graphs.to_files(graph)
    return files


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


class WindowModel(nn.Module):
    """A classifier that gives probabilities, in the order of its targets: (B, T, ...) -> (B, classes) each."""

    def __init__(self, classifier: ActionClassifier, targets: Sequence[str]) -> None:
        super().__init__()
        self.classifier = classifier
        self.targets = tuple(targets)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        logits = self.classifier(features)
        return tuple(logits[target].softmax(-1) for target in self.targets)


class SequenceModel(nn.Module):
    """What a model says of all steps of a recording: (1, F, D) -> (1, F, classes + 1) of each target."""

    def __init__(self, model: RecordingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        is_dense = isinstance(self.model, DenseModel)
        said = self.model(features).transpose(1, 2) if is_dense else self.model(features[0])[None]
        return tuple(said.split(self.model.sizes, dim=2))


class StepModel(nn.Module):
    """A step of a model: features (B, D) and its state in; (B, classes + 1) of each target, and the state, out."""

    def __init__(self, model: RecordingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        nested: Any = state
        if isinstance(self.model, DenseModel):
            each = len(state) // len(self.model.members)
            nested = tuple(state[i : i + each] for i in range(0, len(state), each))
        said, later = self.model.step(features, nested)
        return (*said.split(self.model.sizes, dim=1), *flat(later))


def flat(state: Sequence[Any]) -> list[Tensor]:
    """The tensors of a state, of all members one after the other."""
    return [tensor for part in state for tensor in ((part,) if isinstance(part, Tensor) else part)]
