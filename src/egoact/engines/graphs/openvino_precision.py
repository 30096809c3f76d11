"""OpenVINO graphs in bf16, and in int8 by NNCF, kept close to float32.

What costs most in bf16 was looked for layer by layer (`docs/LOG.md`): depthwise filters are often nearly differences,
so that the rounding of their inputs, weights and biases is large beside what they give; and the first block has few
channels and the most pixels.
"""

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch

from egoact.engines.graphs.openvino_graphs import import_openvino, number_nodes, openvino_core, to_files
from egoact.engines.interface import num_wide

_NUM_EXACT = 3  # convolutions of a first block: plain, depthwise, projection
_CONVOLUTIONS = ("Convolution", "GroupConvolution")  # plain, or of groups of channels
_BEYOND_ALL = 3e38  # in bf16, too


def prepare_bf16(graph: Any) -> Any:
    """The graph, changed so that bf16 loses little, as `keep_depthwise`, with the first block left in float32."""
    exact = _convolutions(graph)[:_NUM_EXACT]
    keep_depthwise(graph, but=exact)
    return _in_float32(graph, [node for convolution in exact for node in _with_elementwise(convolution)])


def quantize(graph: Any, frames: np.ndarray) -> Any:
    """A graph of frames, which is changed, in int8: per channel, ranges and biases from real frames uint8 (N, H, W, 3).

    The first convolutions and the depthwise ones stay as they are: they lose the most, and in bf16 they are as fast.
    """
    import_openvino()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # tells on import that there is no CUDA
    try:
        import nncf
    except ImportError:
        raise ValueError(
            "int8 with openvino needs NNCF: pip install 'egoact[int8]', or use another --precision"
        ) from None
    nncf.set_log_level(logging.ERROR)
    every = _convolutions(graph)
    kept = [node for n, node in enumerate(every) if n < num_wide(len(every)) or _is_depthwise(node)]
    with contextlib.redirect_stdout(io.StringIO()):  # it draws bars
        quantized = nncf.quantize(
            graph,
            nncf.Dataset([frame[None] for frame in frames]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(frames),
            ignored_scope=nncf.IgnoredScope(names=[node.get_friendly_name() for node in kept]),
        )
    keep_depthwise(quantized)
    return quantized


def keep_depthwise(graph: Any, *, but: Sequence[Any] = ()) -> None:
    """In place, round the weights of depthwise convolutions such that their sums stay, and their biases not at all.

    `but` are convolutions that stay in float32.
    """
    from openvino import opset13 as operations

    exact = {node.get_friendly_name() for node in but}
    for node in _convolutions(graph):
        if _is_depthwise(node) and node.get_friendly_name() not in exact:
            weights = _constant(node.input_value(1).get_node())
            if weights is not None:
                node.input(1).replace_source_output(operations.constant(round_keeping_sums(weights)).output(0))
            _keep_bias(node)


def _keep_bias(convolution: Any) -> None:
    """Directly behind a convolution OpenVINO makes of a sum its bias, and rounds it; behind a limit it does not."""
    from openvino import opset13 as operations

    following = _only_user(convolution)
    if following is not None and following.get_type_name() == "Add":
        limits = operations.clamp(convolution.output(0), -_BEYOND_ALL, _BEYOND_ALL)
        for use in following.inputs():
            if use.get_source_output().get_node().get_friendly_name() == convolution.get_friendly_name():
                use.replace_source_output(limits.output(0))


def _constant(node: Any) -> np.ndarray | None:
    """float32 values of a constant, or of a reshaped one; None: it is computed in another way."""
    shape = node.output(0).get_partial_shape()
    if node.get_type_name() == "Reshape":
        node = node.input_value(0).get_node()
    return np.array(node.data, np.float32).reshape(shape.to_shape()) if node.get_type_name() == "Constant" else None


def round_keeping_sums(weights: np.ndarray) -> np.ndarray:
    """float32 (C, ...) -> the same in steps of bf16, each row with nearly its own sum.

    Where the input is even, what rounding takes from the sum of a filter is an error as large as the output may be. The
    smallest weight of a filter, which has the finest steps, takes up the rest.
    """
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    rounded = _to_bf16(rows)
    smallest = np.where(rounded == 0, np.inf, np.abs(rounded)).argmin(1)  # a zero may be meant: pruned, or padding
    every = np.arange(len(rows))
    rounded[every, smallest] = _to_bf16(rounded[every, smallest] + rows.sum(1) - rounded.sum(1))
    return rounded.reshape(weights.shape).astype(np.float32)


def _to_bf16(values: np.ndarray) -> np.ndarray:
    return torch.from_numpy(values).bfloat16().double().numpy()


def _with_elementwise(convolution: Any) -> list[Any]:
    """A convolution and what OpenVINO computes together with it: sums with constants, activations."""
    found = [convolution]
    while (node := _only_user(found[-1])) is not None and _is_elementwise(node, found[-1]):
        found.append(node)
    return found


def _is_elementwise(node: Any, source: Any) -> bool:
    sources = [value.get_node() for value in node.input_values()]
    others = [each for each in sources if each.get_friendly_name() != source.get_friendly_name()]
    is_same_shape = node.output(0).get_partial_shape() == source.output(0).get_partial_shape()
    is_convolution = node.get_type_name() in _CONVOLUTIONS
    return is_same_shape and not is_convolution and all(_constant(each) is not None for each in others)


def _convolutions(graph: Any) -> list[Any]:
    """All of them, from the input on."""
    return [node for node in graph.get_ordered_ops() if node.get_type_name() in _CONVOLUTIONS]


def _is_depthwise(convolution: Any) -> bool:
    """Whether each of its filters sees one channel."""
    shape = convolution.input_value(1).get_partial_shape()
    return convolution.get_type_name() == "GroupConvolution" and shape[2] == 1


def _only_user(node: Any) -> Any | None:
    """The node that takes what another one gives; None: there are several, or none."""
    users = [use.get_node() for use in node.output(0).get_target_inputs()]
    return users[0] if len(users) == 1 else None


def _in_float32(graph: Any, nodes: list[Any]) -> Any:
    """The graph with nodes that bf16 leaves alone: an attribute that only files can give."""
    number_nodes(graph)
    names = {node.get_friendly_name() for node in nodes}
    structure, weights = to_files(graph)
    root = ElementTree.fromstring(structure)
    for layer in root.iter("layer"):
        if layer.get("name") in names:
            information = layer.find("rt_info")
            if information is None:
                information = ElementTree.Element("rt_info")
                layer.insert(sum(child.tag == "data" for child in layer), information)
            described = {"name": "DisablePrecisionConversion", "version": "0", "value": "dynamic:f16"}
            ElementTree.SubElement(information, "attribute", described)
    return openvino_core().read_model(ElementTree.tostring(root), weights)
