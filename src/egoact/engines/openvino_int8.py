"""OpenVINO graphs in int8, by NNCF."""

import contextlib
import io
import logging
from typing import Any

import numpy as np

from egoact.engines.interface import num_wide
from egoact.engines.openvino_bf16 import keep_depthwise
from egoact.engines.openvino_graphs import convolutions, import_openvino, is_depthwise


def quantize(graph: Any, frames: np.ndarray) -> Any:
    """A graph of frames in int8: per channel, ranges and biases from real frames.

    The first convolutions and the depthwise ones stay as they are: they lose the most, and in bf16 they are as fast.

    Args:
        graph: Of `openvino_graphs.convert`; changed.
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
    every = convolutions(graph)
    kept = [node for n, node in enumerate(every) if n < num_wide(len(every)) or is_depthwise(node)]
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
