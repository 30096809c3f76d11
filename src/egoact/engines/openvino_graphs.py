"""OpenVINO graphs: from torch, to int8, to bytes and back. Knows nothing about running them."""

import contextlib
import io
import logging
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.quiet_openvino import import_openvino

_CONVOLUTIONS = ("Convolution", "GroupConvolution")


def convert(model: nn.Module, shape: Any) -> Any:
    """A torch module as an OpenVINO model with a free batch size.

    Args:
        model: Of frames, or of what another graph gives.
        shape: (H, W) of the frames, or the partial shape (-1, C, h, w) of float32 input.
    """
    if isinstance(model, FrameModel) and len(shape) == 2:
        example = torch.zeros(1, *shape, 3, dtype=torch.uint8)
    else:
        example = torch.zeros(1, *(int(str(length)) for length in list(shape)[1:]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.trace(_method)?` is deprecated", FutureWarning)
        # Vision transformers compute with the size of the image, which is fixed here; only the batch is free.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        # Its own tracing would run the module four times, to be sure of what a proof on real frames shows anyway.
        traced = torch.jit.trace(model, example, strict=False, check_trace=False)
        graph = import_openvino().convert_model(traced, input=[(-1, *example.shape[1:])])
    return _numbered(graph)


def _numbered(graph: Any) -> Any:
    """The same graph with names that depend on nothing but its structure: OpenVINO counts on through a process."""
    for number, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    graph.set_friendly_name("graph")
    return graph


def quantize(graph: Any, frames: np.ndarray) -> Any:
    """A graph of frames in int8: per channel, ranges and biases from real frames, by NNCF.

    The first convolution and the depthwise ones stay as they are: they lose the most, and in bf16 they are as fast.

    Args:
        graph: Of `convert`.
        frames: uint8 (N, H, W, 3).

    Raises:
        ValueError: NNCF is not installed.
    """
    import_openvino()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # tells on import that there is no CUDA
    try:
        import nncf
    except ImportError:
        raise ValueError(
            "int8 with openvino needs NNCF; pip install 'egoact[int8]', or use --engine onnxruntime"
        ) from None
    nncf.set_log_level(logging.ERROR)
    convolutions = [node for node in graph.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]
    kept = [node for n, node in enumerate(convolutions) if n == 0 or _is_depthwise(node)]
    with contextlib.redirect_stdout(io.StringIO()):  # it draws bars
        quantized = nncf.quantize(
            graph,
            nncf.Dataset([frame[None] for frame in frames]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(frames),
            ignored_scope=nncf.IgnoredScope(names=[node.get_friendly_name() for node in kept]),
        )
    keep_depthwise_sums(quantized)
    return quantized


def _is_depthwise(node: Any) -> bool:
    """Whether each of its filters sees one channel."""
    return node.get_type_name() == "GroupConvolution" and node.input_value(1).get_partial_shape()[2] == 1


def keep_depthwise_sums(graph: Any) -> None:
    """Round the weights of depthwise convolutions to bf16 such that the sum of each filter stays what it was.

    Their filters are often nearly differences: large weights that cancel each other. Where the input is even, what
    rounding takes from their sum is an error as large as the output. The smallest weight of a filter, which has the
    finest steps, takes up the rest.
    """
    from openvino import opset13 as operations

    for node in graph.get_ordered_ops():
        if node.get_type_name() != "GroupConvolution" or not _is_depthwise(node):
            continue
        weights = _constant(node.input_value(1).get_node())
        if weights is not None:
            node.input(1).replace_source_output(operations.constant(round_keeping_sums(weights)).output(0))


def _constant(node: Any) -> np.ndarray | None:
    """float32 values of a constant, or of a reshaped one; None: it is computed in another way."""
    shape = node.output(0).get_partial_shape()
    if node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32).reshape(shape.to_shape()) if node.get_type_name() == "Constant" else None


def round_keeping_sums(weights: np.ndarray) -> np.ndarray:
    """float32 (C, ...) -> the same in steps of bf16, each row with nearly its own sum."""
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    rounded = _to_bf16(rows)
    smallest = np.where(rounded == 0, np.inf, np.abs(rounded)).argmin(1)  # a zero may be meant: pruned, or padding
    every = np.arange(len(rows))
    rounded[every, smallest] = _to_bf16(rounded[every, smallest] + rows.sum(1) - rounded.sum(1))
    return rounded.reshape(weights.shape).astype(np.float32)


def _to_bf16(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).bfloat16().double().numpy()


def join(frame: Any, window: Any, frames_shape: tuple[int, ...], clip_shape: tuple[int, ...]) -> Any:
    """Frames to answers in one graph: uint8 "frames" (1, T, H, W, 3) in, the outputs of the window graph out.

    Both graphs are used up.

    Args:
        frame: Of frames (N, H, W, 3).
        window: Of features (B, T, ...).
        frames_shape: (T, H, W, 3).
        clip_shape: (T, *feature).
    """
    openvino = import_openvino()
    from openvino import opset13 as operations

    names = [output.get_any_name() for output in window.outputs]
    frames = operations.parameter([1, *frames_shape], np.uint8, name="frames")
    _feed(frame, operations.reshape(frames, np.array(frames_shape, np.int64), False))
    features = frame.get_results()[0].input_value(0)
    _feed(window, operations.reshape(features, np.array((1, *clip_shape), np.int64), False))
    whole = openvino.Model([result.input_value(0) for result in window.get_results()], [frames], "recognizer")
    whole.inputs[0].get_tensor().set_names({"frames"})
    for output, name in zip(whole.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return whole


def _feed(graph: Any, node: Any) -> None:
    """Put a node in the place of a graph's only input."""
    for use in graph.get_parameters()[0].output(0).get_target_inputs():
        use.replace_source_output(node.output(0))


def to_files(graph: Any) -> tuple[bytes, bytes]:
    """The two files of a graph: structure (.xml) and weights (.bin)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().serialize(_numbered(graph), path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def pack(graph: Any) -> bytes:
    """A graph as one block of bytes: its two files in an uncompressed zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in zip(("graph.xml", "graph.bin"), to_files(graph), strict=True):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpack(core: Any, content: bytes) -> Any:
    """Back from `pack`.

    Raises:
        ValueError: It is something else, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return core.read_model(archive.read("graph.xml"), archive.read("graph.bin"))
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:
        raise ValueError(f"this is no quantised OpenVINO graph ({type(error).__name__})") from None
