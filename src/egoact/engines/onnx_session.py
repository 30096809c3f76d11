"""ONNX Runtime's session on the cores that this process may use; loads nothing else."""

import os
from typing import Any

from egoact.core.machine import num_cores


def open_session(graph: bytes | str) -> Any:
    """A session on the CPU of a graph, or of the file that has it; what it refuses are types of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if num_cores() < (os.cpu_count() or 1):  # by default it binds a thread to each core, those of others, too
        options.intra_op_num_threads = num_cores()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
