"""The engine interface, and the choice of one.

    frames uint8 (B, H, W, 3) RGB ──► normalise ──► module ──► float32 (B, D) or (B, C, h, w)

Frames stay uint8 until they are inside the engine; the normalisation is part of its graph.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
import torch
from torch import nn

from egoact.engines.frame_model import FrameModel

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
Precision = Literal["auto", "f32", "bf16", "f16", "int8"]
PRECISIONS = ("f32", "bf16", "f16", "int8")


class Engine(Protocol):
    """Runs a frozen module on batches of frames.

    `run` takes uint8 (B, H, W, 3) RGB and gives float32 (B, D) or (B, C, h, w). It is fastest with `batch_size`
    frames at a time. `graph` is what int8 made of the module with its calibration, to be kept with the features;
    None in other precisions.
    """

    name: str
    precision: str
    batch_size: int
    graph: bytes | None

    def run(self, frames: np.ndarray) -> np.ndarray: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Options:
    """What an engine is told besides the model; see `load_engine`."""

    input_size: tuple[int, int]
    precision: str = "auto"
    device: str = "cpu"
    calibration: np.ndarray | bytes | None = None
    is_compiled: bool = False

    def calibration_or_raise(self) -> np.ndarray | bytes:
        """What int8 needs.

        Raises:
            ValueError: There is none, or it is no frames of the right size.
        """
        if self.calibration is None:
            raise ValueError("int8 is calibrated on real frames, and none were given")
        if isinstance(self.calibration, bytes):
            return self.calibration
        return checked_frames(self.calibration, self.input_size)


def load_engine(
    module: nn.Module,
    *,
    input_size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    calibration: np.ndarray | bytes | None = None,
    is_compiled: bool = False,
) -> Engine:
    """Prepare a frozen module for fast inference.

    Args:
        module: Takes normalised float32 (B, 3, H, W); in eval mode.
        input_size: (H, W) in pixels.
        mean: Per channel, 0 to 1.
        std: Per channel, 0 to 1.
        engine: "auto" takes the fastest here, as measured once and remembered (see `speed`).
        precision: "auto" takes the fastest of f32 and half precision; int8 is only taken when it is asked for.
        device: "auto", "cpu", "cuda" or "cuda:N"; only torch uses a GPU.
        calibration: For int8: real frames, uint8 (N, H, W, 3), or the `graph` of an engine that saw them before.
        is_compiled: Have torch compile it; pays after thousands of frames. Other engines always do.

    Raises:
        ValueError: Unknown names, an engine that is not installed, or a precision that it does not offer here.
    """
    device = find_device(device, engine)
    pairs = offered_pairs(engine, precision, device)
    if len(pairs) > 1:
        from egoact.engines.speed import rank_engines

        speeds = rank_engines(module, pairs, input_size=input_size, mean=mean, std=std, device=device)
        pairs = [(speed.engine, speed.precision) for speed in speeds]
    name, chosen = pairs[0]
    return LOADERS[name](
        FrameModel(module, mean=mean, std=std).eval(), Options(input_size, chosen, device, calibration, is_compiled)
    )


def find_device(device: str, engine: str) -> str:
    """Where to compute: "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: Another name, or a GPU that is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {device!r}; there are auto, cpu, cuda and cuda:N")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() and engine in ("auto", "torch") else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch sees no GPU here; use --device cpu")
    if device.startswith("cuda:") and int(device.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {device!r}, GPUs are numbered 0 to {torch.cuda.device_count() - 1}")
    return device


def offered_pairs(engine: str, precision: str, device: str) -> list[tuple[str, str]]:
    """What "auto" leaves open, as (engine, precision); at least one. Only torch runs on a GPU.

    Raises:
        ValueError: Unknown names, or an engine that is not installed.
    """
    if engine not in ("auto", *LOADERS):
        raise ValueError(f"unknown engine {engine!r}; there are auto, {', '.join(LOADERS)}")
    if engine != "auto" and engine not in available_engines():
        raise ValueError(f"engine {engine!r} is not installed here; pip install {engine}")
    if precision not in ("auto", *PRECISIONS):
        raise ValueError(f"unknown precision {precision!r}; there are auto, {', '.join(PRECISIONS)}")
    engines = [engine] if engine != "auto" else ["torch"] if device != "cpu" else available_engines()
    if precision == "int8":  # to measure it, it would have to be calibrated: the first that can do it
        return [next(((name, "int8") for name in engines if _can_int8(name)), (engines[0], "int8"))]
    if precision == "auto":
        if device != "cpu":
            return [(name, each) for name in engines for each in ("f32", half_of_gpu(device))]
        pairs = [(name, each) for name in engines for each in ("f32", "bf16") if each in PRECISIONS_OF[name]]
        return [(name, each) for name, each in pairs if each == "f32" or has_bf16(name)]
    able = [name for name in engines if precision in PRECISIONS_OF[name]]
    return [(name, precision) for name in able or engines]


def half_of_gpu(device: str) -> str:
    """The half precision that a GPU multiplies directly."""
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "f16"


def has_bf16(engine: str) -> bool:
    """Whether an engine offers bf16, and this processor multiplies it directly."""
    if "bf16" not in PRECISIONS_OF[engine] or "openvino" not in available_engines():
        return False
    from egoact.engines.quiet_openvino import import_openvino

    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _can_int8(engine: str) -> bool:
    return engine == "onnxruntime" or (engine == "openvino" and find_spec("nncf") is not None)


def checked_frames(frames: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Frames as one block of memory.

    Raises:
        ValueError: Another type or size: floats from 0 to 1 would give features too, only wrong ones.
    """
    height, width = input_size
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (height, width, 3) or not len(frames):
        wanted = f"uint8 of shape (B, {height}, {width}, 3)"
        raise ValueError(f"frames must be {wanted}, got {frames.dtype} of shape {frames.shape}")
    return np.ascontiguousarray(frames)


def available_engines() -> list[str]:
    """Names of the installed engines, the fastest on a CPU first."""
    return [name for name in ("openvino", "onnxruntime", "torch") if find_spec(name)]


def _torch(model: FrameModel, options: Options) -> Engine:
    from egoact.engines.torch_engine import TorchEngine

    return TorchEngine(model, options)


def _onnxruntime(model: FrameModel, options: Options) -> Engine:
    from egoact.engines.onnx_engine import OnnxEngine

    return OnnxEngine(model, options)


def _openvino(model: FrameModel, options: Options) -> Engine:
    from egoact.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(model, options)


LOADERS: dict[str, Callable[[FrameModel, Options], Engine]] = {
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
}
PRECISIONS_OF = {
    "openvino": ("f32", "bf16", "int8"),
    "onnxruntime": ("f32", "int8"),
    "torch": ("f32", "bf16", "f16"),
}
