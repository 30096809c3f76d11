"""What TensorRT 10 takes of ONNX, as a check that needs neither TensorRT nor a GPU.

Sources: the operators that onnx-tensorrt lists (docs/operators.md, 8.5, and LayerNormalization and the like of 10.0);
TensorRT's developer guide on explicit quantisation (10.11) and on types of inputs.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from egoact.engines.graphs.onnx_sizes import fix_sizes

OPSETS = range(9, 21)  # of TensorRT 10.3, which JetPack 6.1 brings
_NAMES = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast Ceil Celu
    Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div
    Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm
    GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization
    HardSigmoid HardSwish Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu
    Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean
    MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pad Pow
    QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1
    ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Relu Reshape Resize ReverseSequence RoiAlign Round Scan ScatterElements ScatterND Selu Shape Shrink Sigmoid
    Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh
    ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
"""
OPERATORS = frozenset(_NAMES.split())


def complaints(graph: bytes) -> list[str]:
    """Why TensorRT would not take a graph; empty if nothing is known against it.

    ONNX's own checker must pass, with strict inference of shapes. Where inputs have free axes, as that of the batch,
    one length is put in, as an optimisation profile does: all shapes inside must follow from it.
    """
    import onnx

    model = onnx.load_from_string(graph)
    nodes = list(_nodes(model.graph))
    try:
        onnx.checker.check_model(model, full_check=True)
        one = onnx.shape_inference.infer_shapes(_of_one_length(model), strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return [str(error).splitlines()[0]]
    return [
        *_about_operators(model, nodes),
        *_about_shapes(one.graph),
        *_about_bytes(model.graph, nodes),
        *_about_ranges(model.graph, nodes),
    ]


def _of_one_length(model: Any) -> Any:
    """The graph with a length of 1 for all free axes, and what follows from it as constants."""
    import onnx

    one = onnx.ModelProto()
    one.CopyFrom(model)
    example = {}
    for given in one.graph.input:
        for dim in given.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.dim_value = 1
        sizes = [dim.dim_value for dim in given.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
        example[given.name] = np.zeros(sizes, dtype)
    for output in one.graph.output:  # their axes follow from those of the inputs
        output.type.tensor_type.ClearField("shape")
    del one.graph.value_info[:]
    return onnx.load_from_string(fix_sizes(one.SerializeToString(), [example]))


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _about_operators(model: Any, nodes: list[Any]) -> Iterator[str]:
    for entry in model.opset_import:
        if entry.domain == "" and entry.version not in OPSETS:
            yield f"opset {entry.version} is not among {OPSETS.start} to {OPSETS.stop - 1}"
    for name in sorted({f"{node.domain}:{node.op_type}".strip(":") for node in nodes} - OPERATORS):
        yield f"operator {name} is not supported"


def _about_shapes(graph: Any) -> Iterator[str]:
    known = {each.name: each.type.tensor_type for each in (*graph.value_info, *graph.output)}
    for node in graph.node:
        for name in filter(None, node.output):
            shape = known[name].shape if name in known and known[name].HasField("shape") else None
            if shape is None or not all(dim.HasField("dim_value") for dim in shape.dim):
                yield f"the shape of {name} ({node.op_type}) is not known beforehand"


def _about_bytes(graph: Any, nodes: list[Any]) -> Iterator[str]:
    import onnx

    small = {each.name for each in graph.input if each.type.tensor_type.elem_type == onnx.TensorProto.UINT8}
    for node in nodes:
        if node.op_type != "Cast" and small.intersection(node.input):
            yield f"bytes go into {node.op_type} {node.name}, and only a Cast takes them"


def _about_ranges(graph: Any, nodes: list[Any]) -> Iterator[str]:
    import onnx

    values = {each.name: each for each in graph.initializer}
    values |= {node.output[0]: node.attribute[0].t for node in nodes if node.op_type == "Constant"}
    for node in nodes:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        zero = values.get(node.input[2]) if len(node.input) > 2 else None
        if node.input[1] not in values or zero is None or zero.data_type != onnx.TensorProto.INT8:
            yield f"{node.op_type} {node.name} has no constant range of int8"
        elif onnx.numpy_helper.to_array(zero).any():
            yield f"{node.op_type} {node.name} has a zero point other than 0"
