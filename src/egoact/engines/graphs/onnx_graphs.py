"""ONNX graphs: from torch, and to int8. Knows nothing about answering with them."""

import io
import logging
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.onnx_sizes import fix_sizes
from egoact.engines.interface import num_wide

_LEAST_TO_HALVE = 256  # numbers; smaller tensors are shapes, scales and biases
OPSET = 18  # OpenVINO 2026.4 misreads the axes of ReduceLogSumExp in 17


def export_graph(model: FrameModel, input_size: tuple[int, int]) -> bytes:
    """A model of frames as ONNX with a free batch size: uint8 "frames" in, "features" out."""
    example = torch.zeros(2, *input_size, model.num_channels, dtype=torch.uint8)
    return trace(model, example, input_name="frames", output_names=["features"])


def trace(model: nn.Module, example: Tensor, *, input_name: str, output_names: list[str]) -> bytes:
    """Any module of one tensor as ONNX with a free batch size."""
    free = {name: {0: "batch"} for name in [input_name, *output_names]}
    return trace_named(model, {input_name: example}, output_names, free=free)


def trace_named(
    model: nn.Module, examples: Mapping[str, Tensor], output_names: list[str], *, free: dict[str, dict[int, str]]
) -> bytes:
    """Any module as ONNX; a `ValueError` where it does something that ONNX has no word for.

    Args:
        model: Takes the examples, in their order.
        examples: Input name -> what it may be given.
        output_names: Of what it gives back.
        free: Name of an input or output -> its axes of any length, and what to call them.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():  # the exporter that writes to memory is called legacy by torch
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                model,
                tuple(examples.values()),
                buffer,  # pyrefly: ignore[bad-argument-type]
                dynamo=False,
                opset_version=OPSET,
                input_names=list(examples),
                output_names=output_names,
                dynamic_axes=free,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise ValueError(f"this network cannot become an ONNX graph ({str(error).splitlines()[0]})") from error
    given = {name: each.numpy() for name, each in examples.items()}
    more = {name: [(0, axis in free.get(name, {})) for axis in range(each.ndim)] for name, each in given.items()}
    longer = {name: np.pad(each, more[name]) for name, each in given.items()}
    return fix_sizes(buffer.getvalue(), [given, longer])


class _Frames:
    """Real frames, one at a time, as ONNX Runtime's calibration wants them."""

    def __init__(self, frames: np.ndarray) -> None:
        self._left = iter([{"frames": frame[None]} for frame in frames])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def quantize(graph: bytes, frames: np.ndarray, *, is_symmetric: bool = False) -> bytes:
    """A float32 graph in int8: per channel, ranges from real frames uint8 (N, H, W, 3), by ONNX Runtime's own tool.

    The first convolutions, the depthwise ones and sums stay in float32: this tool corrects no biases, and they lose the
    most (`docs/LOG.md`). `is_symmetric` is as TensorRT wants it: zero is 0 in all ranges, and biases stay in float32.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a preparation that was just made
    try:
        with tempfile.TemporaryDirectory() as folder:
            plain, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
            plain.write_bytes(graph)
            quant_pre_process(plain, prepared, skip_symbolic_shape=True)
            convolutions = [node for node in onnx.load(prepared).graph.node if node.op_type == "Conv"]
            wide = num_wide(len(convolutions))
            groups = [{each.name: each.i for each in node.attribute}.get("group", 1) for node in convolutions]
            kept = [node.name for n, node in enumerate(convolutions) if n < wide or groups[n] > 1]
            quantize_static(
                prepared,
                small,
                _Frames(frames),  # pyrefly: ignore[bad-argument-type]
                quant_format=QuantFormat.QDQ,
                nodes_to_exclude=kept,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QInt8 if is_symmetric else QuantType.QUInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"ActivationSymmetric": is_symmetric, "QuantizeBias": not is_symmetric},
            )
            return small.read_bytes()
    finally:
        root.setLevel(level)


def halve(graph: bytes) -> bytes:
    """A float32 graph whose weights are kept in float16: half the bytes. They are widened when it is opened."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type == TensorProto.FLOAT and values.size >= _LEAST_TO_HALVE:
            name, narrow = weight.name, f"{weight.name}/f16"
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), narrow))
            casts.append(helper.make_node("Cast", [narrow], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()


def join(frame: bytes, window: bytes, *, frames_shape: tuple[int, ...], clip_shape: tuple[int, ...]) -> bytes:
    """Frames to answers in one graph: uint8 "frames" (1, T, H, W, 3) in, the outputs of the window graph out.

    `window` takes one input (B, *clip_shape), where `clip_shape` is (T, *feature); `frames_shape` is (T, H, W, 3). The
    frames are converted first, and then reshaped: TensorRT takes bytes only so.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    first, second = (
        compose.add_prefix(onnx.load_from_string(content), prefix)
        for content, prefix in ((frame, "frame/"), (window, "window/"))
    )
    shapes = [
        helper.make_tensor(name, TensorProto.INT64, [len(shape)], shape)
        for name, shape in (("frames_shape", frames_shape), ("clip_shape", (1, *clip_shape)))
    ]
    found = [output.name for output in second.graph.output]
    names = [name.removeprefix("window/") for name in found]
    convert, *others = first.graph.node
    assert convert.op_type == "Cast", "frames are converted where they come in"
    nodes = [
        helper.make_node("Cast", ["frames"], ["frames_float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["frames_float", "frames_shape"], [convert.output[0]]),
        *others,
        helper.make_node("Reshape", [first.graph.output[0].name, "clip_shape"], [second.graph.input[0].name]),
        *second.graph.node,
        *(helper.make_node("Identity", [inner], [name]) for inner, name in zip(found, names, strict=True)),
    ]
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, (1, *frames_shape))
    sizes = [output.type.tensor_type.shape.dim[-1].dim_value for output in second.graph.output]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, size))
        for name, size in zip(names, sizes, strict=True)
    ]
    graph = helper.make_graph(
        nodes, "recognizer", [frames], outputs, [*first.graph.initializer, *second.graph.initializer, *shapes]
    )
    imports = {entry.domain: entry for entry in (*second.opset_import, *first.opset_import)}
    whole = helper.make_model(graph, opset_imports=list(imports.values()))
    whole.ir_version = max(first.ir_version, second.ir_version)
    onnx.checker.check_model(whole)
    return whole.SerializeToString()
