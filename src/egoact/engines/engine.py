"""The engine interface, and the choice of one.

    frames uint8 (B, H, W, 3) RGB ──► normalise ──► module ──► float32 (B, D) or (B, C, h, w)

Frames stay uint8 until they are inside the engine; the normalisation is part of its graph.
"""

import re
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
Precision = Literal["auto", "f32", "bf16"]
MIN_COSINE = {"f32": 0.999, "bf16": 0.999}
MAX_SCALE_ERROR = 0.05  # of the length of a feature vector; a cosine alone does not see it


class Engine(Protocol):
    """Runs a frozen module on batches of frames.

    `run` takes uint8 (B, H, W, 3) RGB with B at most `batch_size` and gives float32 (B, D) or (B, C, h, w).
    """

    name: str
    precision: str
    batch_size: int

    def run(self, frames: np.ndarray) -> np.ndarray: ...  # noqa: D102


class FrameModel(nn.Module):
    """A module with its normalisation in front: uint8 (B, H, W, 3) in, float32 features out."""

    scale: Tensor
    shift: Tensor

    def __init__(self, module: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        scale = torch.tensor([1 / (255 * s) for s in std])
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, 3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.permute(0, 3, 1, 2).to(self.scale.dtype)
        return self.module(images * self.scale + self.shift).float()


def load_engine(
    module: nn.Module,
    *,
    input_size: tuple[int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
) -> Engine:
    """Prepare a frozen module for fast inference.

    Args:
        module: Takes normalised float32 (B, 3, H, W); in eval mode.
        input_size: (H, W) in pixels.
        mean: Per channel, 0 to 1.
        std: Per channel, 0 to 1.
        engine: "auto" takes torch on a GPU, else OpenVINO, else ONNX Runtime, else torch.
        precision: "auto" takes bf16 where the hardware multiplies it directly, else f32.
        device: "auto", "cpu", "cuda" or "cuda:N"; only torch uses a GPU.

    Raises:
        ValueError: Unknown names, an engine that is not installed, or a precision that it does not offer here.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {device!r}; there are auto, cpu, cuda and cuda:N")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine in ("auto", "torch") else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch sees no GPU here; use --device cpu")
    if device.startswith("cuda:") and int(device.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {device!r}, GPUs are numbered 0 to {torch.cuda.device_count() - 1}")
    if engine == "auto":
        engine = "torch" if device != "cpu" else available_engines()[0]
    if engine not in LOADERS:
        raise ValueError(f"unknown engine {engine!r}; there are auto, {', '.join(LOADERS)}")
    if engine not in available_engines():
        raise ValueError(f"engine {engine!r} is not installed here; pip install {engine}")
    if precision not in ("auto", *MIN_COSINE):
        raise ValueError(f"unknown precision {precision!r}; there are auto, {', '.join(MIN_COSINE)}")
    model = FrameModel(module, mean=mean, std=std).eval()
    return LOADERS[engine](model, input_size, precision, device)


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
    from importlib.util import find_spec

    return [name for name in ("openvino", "onnxruntime", "torch") if find_spec(name)]


def check_parity(engine: Engine, module: nn.Module, frames: np.ndarray, *, mean: tuple, std: tuple) -> float:
    """Lowest cosine between an engine's features and torch's in float32, over some real frames.

    Args:
        engine: The engine to check.
        module: The module that it was made from, on the CPU or a GPU.
        frames: uint8 (B, H, W, 3).
        mean: As for `load_engine`.
        std: As for `load_engine`.

    Raises:
        ValueError: Features of another shape, not finite, or too far from torch's in direction or length.
    """
    reference = FrameModel(module.float(), mean=mean, std=std).eval()
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        expected = reference.to(device)(torch.tensor(frames, device=device)).cpu().numpy()
    found = engine.run(frames)
    if found.shape != expected.shape or not np.isfinite(found).all():
        what = f"shape {found.shape}, needed {expected.shape}" if found.shape != expected.shape else "not finite"
        raise ValueError(f"{engine.name} in {engine.precision} gives broken features ({what}); choose another --engine")
    a, b = (x.reshape(len(frames), -1).astype(np.float64) for x in (expected, found))
    lengths, found_lengths = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    both = lengths * found_lengths
    cosine = float(np.min(np.where(both > 0, (a * b).sum(1) / np.maximum(both, 1e-30), lengths == found_lengths)))
    scale_error = float(np.max(np.abs(found_lengths - lengths) / np.maximum(lengths, 1e-30)))
    if cosine < MIN_COSINE[engine.precision] or scale_error > MAX_SCALE_ERROR:
        raise ValueError(
            f"{engine.name} in {engine.precision} gives other features than torch in f32: cosine {cosine:.4f}, "
            f"needed {MIN_COSINE[engine.precision]}, length off by {scale_error:.1%}; "
            "choose another --engine or --precision f32"
        )
    return cosine


def _torch(model: FrameModel, input_size: tuple[int, int], precision: str, device: str) -> Engine:
    from egoact.engines.torch_engine import TorchEngine

    return TorchEngine(model, input_size=input_size, precision=precision, device=device)


def _onnxruntime(model: FrameModel, input_size: tuple[int, int], precision: str, device: str) -> Engine:
    from egoact.engines.onnx_engine import OnnxEngine

    return OnnxEngine(model, input_size=input_size, precision=precision)


def _openvino(model: FrameModel, input_size: tuple[int, int], precision: str, device: str) -> Engine:
    from egoact.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(model, input_size=input_size, precision=precision)


LOADERS: dict[str, Callable[[FrameModel, tuple[int, int], str, str], Engine]] = {
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
}
