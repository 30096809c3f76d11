"""The engine interface, and the choice of one.

    frames uint8 (B, H, W, 3) RGB ──► normalise ──► module ──► float32 (B, D) or (B, C, h, w)

Frames stay uint8 until they are inside the engine; the normalisation is part of its graph.
"""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
Precision = Literal["auto", "f32", "bf16"]
MIN_COSINE = {"f32": 0.999, "bf16": 0.999}


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
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine in ("auto", "torch") else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch sees no GPU here; use --device cpu")
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
        ValueError: The cosine is under the bound for the engine's precision.
    """
    reference = FrameModel(module.float(), mean=mean, std=std).eval()
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        expected = reference.to(device)(torch.from_numpy(frames).to(device)).cpu().numpy()
    found = engine.run(frames)
    a, b = (x.reshape(len(frames), -1).astype(np.float64) for x in (expected, found))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = float(np.min(np.where(norms > 0, (a * b).sum(1) / np.maximum(norms, 1e-30), a.any(1) == b.any(1))))
    if not cosine >= MIN_COSINE[engine.precision]:
        raise ValueError(
            f"{engine.name} in {engine.precision} gives other features than torch in f32: cosine {cosine:.4f}, "
            f"needed {MIN_COSINE[engine.precision]}; choose another --engine or --precision f32"
        )
    return cosine


def _torch(model: FrameModel, input_size: tuple[int, int], precision: str, device: str) -> Engine:
    from egoact.engines.torch_engine import TorchEngine

    return TorchEngine(model, precision=precision, device=device)


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
