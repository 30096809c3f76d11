"""LiteRT graphs (.tflite): from torch, and to float16 and int8. Knows nothing about running them.

Every graph has fixed shapes, with a batch of one.
"""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.engines.graphs.converters import check_packages, converting, silenced
from egoact.engines.interface import num_wide


class _Named(nn.Module):
    """A module that is given and gives back tensors by name, which become the names in the graph."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(names)

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        found = self.module(*given.values())
        return dict(zip(self.names, (found,) if isinstance(found, Tensor) else found, strict=True))


def check_installed() -> None:
    """Refuse, before any work, where graphs cannot be made: a `ValueError` says what to install."""
    remedy = "in an environment of its own, because it may bring an older torch: pip install 'egoact[litert-export]'"
    check_packages("litert", ("litert_torch", "ai_edge_litert"), remedy)


def convert(model: nn.Module, examples: Mapping[str, Tensor], output_names: Sequence[str]) -> bytes:
    """A module in eval mode as a float32 graph; a `ValueError` where what converts it is missing, or cannot convert it.

    Args:
        model: Takes the examples, in their order.
        examples: Input name -> a tensor of the shape and type that it will always have.
        output_names: Of what it gives back.
    """
    check_installed()
    with silenced(), tempfile.TemporaryDirectory() as folder:
        import litert_torch
        from litert_torch.fx_infra.decomp import add_pre_convert_decomp

        add_pre_convert_decomp(torch.ops.aten.split_with_sizes.default, _split)  # 0.10 fails on a single part

        path = Path(folder) / "graph.tflite"
        with converting("LiteRT"):
            litert_torch.convert(_Named(model, output_names).eval(), (), dict(examples)).export(str(path))
        return path.read_bytes()


def to_f16(graph: bytes) -> bytes:
    """The same with weights in float16, which are widened again when it is loaded."""
    with silenced():
        from ai_edge_quantizer import qtyping, quantizer

        small = quantizer.Quantizer(bytearray(graph))
        small.update_quantization_recipe(
            ".*",
            qtyping.TFLOperationName.ALL_SUPPORTED,
            qtyping.OpQuantizationConfig(
                weight_tensor_config=qtyping.TensorQuantizationConfig(16, dtype=qtyping.TensorDataType.FLOAT),
                compute_precision=qtyping.ComputePrecision.FLOAT,
                explicit_dequantize=True,
            ),
            algorithm_key="float_casting",
        )
        return bytes(small.quantize().quantized_model)


def quantize(graph: bytes, frames: np.ndarray) -> bytes:
    """A graph of frames in int8: per channel, ranges from real frames uint8 (N, H, W, 3).

    Only plain convolutions are quantised. The first ones and those of single channels stay in float32, as in ONNX: they
    lose the most (`docs/LOG.md`).
    """
    with silenced():
        from ai_edge_litert.interpreter import Interpreter
        from ai_edge_quantizer import qtyping, quantizer

        small = quantizer.Quantizer(bytearray(graph))
        plain = qtyping.TFLOperationName.CONV_2D
        small.add_static_config(".*", plain, activation_num_bits=8, weight_num_bits=8)
        found = _convolutions(Interpreter(model_content=graph))
        for name in found[: 2 * num_wide(len(found))]:
            small.update_quantization_recipe(f"^{re.escape(name)}", plain, algorithm_key="no_quantize")
        data: dict[str, Any] = {"serving_default": [{"frames": frame[None]} for frame in frames]}
        return bytes(small.quantize(small.calibrate(data, num_threads=1)).quantized_model)


def _split(whole: Tensor, sizes: Sequence[int], dim: int = 0) -> list[Tensor]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [whole.narrow(dim, start, size) for start, size in zip(starts, sizes, strict=True)]


def _convolutions(interpreter: Any) -> list[str]:
    """What the results of all convolutions are called, from the input on."""
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    operations = interpreter._get_ops_details()  # nothing public lists them
    return [names[each["outputs"][0]] for each in operations if each["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D")]
