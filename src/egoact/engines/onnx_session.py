"""ONNX Runtime's session on the cores that this process may use, or on a GPU; loads nothing else."""

import os
from typing import Any

from egoact.core.machine import cache_folder, num_cores

PROVIDERS = {  # what ONNX Runtime is to use for a device, best first, before the processor
    "cpu": (),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_PLANNED = {"min": 1, "opt": 128, "max": 512}  # frames of a batch


def check_device(device: str) -> None:
    """Whether the ONNX Runtime that is installed can use a device: a `ValueError` if not."""
    if device not in PROVIDERS:
        raise ValueError(f"unknown device {device!r}; of an ONNX export there are {', '.join(PROVIDERS)}")
    if reason := what_lacks(device):
        raise ValueError(f"--device {device}: {reason}, or leave it away")


def what_lacks(device: str) -> str:
    """What the ONNX Runtime that is installed lacks for a device, and what to install; "" if nothing."""
    try:
        import onnxruntime
    except ImportError:
        return "ONNX Runtime is not installed; pip install onnxruntime-gpu"
    for provider in PROVIDERS[device]:
        if provider not in onnxruntime.get_available_providers():
            return f"the ONNX Runtime that is installed has no {provider}; install onnxruntime-gpu in its place"
    return ""


def open_session(
    graph: bytes | str, *, device: str = "cpu", precision: str = "f32", number: int = 0, frame: tuple[int, ...] = ()
) -> Any:
    """A session of a graph, or of the file that has it; what it refuses are types of its own.

    Args:
        graph: ONNX.
        device: Key of `PROVIDERS`.
        precision: Of the graph; f16 has TensorRT compute so what is f32.
        number: Of the GPU.
        frame: Shape of a frame, for which TensorRT is to plan batches; (): by what comes.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if num_cores() < (os.cpu_count() or 1):  # by default it binds a thread to each core, those of others, too
        options.intra_op_num_threads = num_cores()
    wanted = [(provider, _settings(provider, precision, number, frame)) for provider in PROVIDERS[device]]
    session = onnxruntime.InferenceSession(graph, options, providers=[*wanted, "CPUExecutionProvider"])
    if wanted and session.get_providers()[0] != wanted[0][0]:  # it only warns of that
        raise RuntimeError(f"ONNX Runtime cannot use {wanted[0][0]} here")
    return session


def _settings(provider: str, precision: str, number: int, frame: tuple[int, ...]) -> dict[str, Any]:
    if provider != "TensorrtExecutionProvider":
        return {"device_id": number}
    sizes = "x".join(map(str, frame))
    profile = {f"trt_profile_{end}_shapes": f"frames:{batch}x{sizes}" for end, batch in _PLANNED.items()}
    return (profile if frame else {}) | {
        "device_id": number,
        "trt_fp16_enable": precision == "f16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(cache_folder() / "tensorrt"),  # to build an engine takes minutes
        "trt_int8_enable": precision == "int8",
    }
