"""The choice of an engine for a backbone: what is installed, what this machine offers, and what is fastest here.

Speeds are measured once and remembered in the user's cache folder. They say nothing about accuracy: whoever takes the
fastest engine still proves it on real frames.
"""

import copy
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import torch

from egoact.core.progress import working
from egoact.engines.frame_model import FrameModel, frame_model
from egoact.engines.graphs.openvino_graphs import openvino_core
from egoact.engines.interface import Engine, Options
from egoact.engines.onnx_engine import OnnxEngine, TensorRtEngine
from egoact.engines.onnx_session import what_lacks
from egoact.engines.openvino_engine import OpenVinoEngine
from egoact.engines.speed_cache import Speed, SpeedCache
from egoact.engines.torch_engine import TorchEngine, half_of_gpu
from egoact.models.backbones.registry import Backbone

PRECISIONS = ("f32", "bf16", "f16", "int8")
LOADERS: dict[str, Callable[[FrameModel, Options], Engine]] = {
    "openvino": OpenVinoEngine,
    "onnxruntime": OnnxEngine,
    "torch": TorchEngine,
    "tensorrt": TensorRtEngine,
}
PRECISIONS_OF = {
    "openvino": ("f32", "bf16", "int8"),
    "onnxruntime": ("f32", "int8"),
    "torch": ("f32", "bf16", "f16"),
    "tensorrt": ("f32", "f16"),
}
MIN_SECONDS = 0.3  # of one measurement
BATCHES = {"cpu": (8, 16, 32), "cuda": (32, 128, 512)}
WORTH_MEMORY = 1.03  # a larger batch must be this much faster
BATCHES_AT_ONCE = 4  # of a GPU, which copies one while it computes another


def load_engine(
    backbone: Backbone,
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    calibration: np.ndarray | bytes | None = None,
    is_compiled: bool = False,
) -> Engine:
    """Prepare a frozen backbone for fast inference.

    Args:
        backbone: Its module takes normalised float32 (B, 3, H, W), its spec says how to normalise.
        engine: "auto" takes the fastest here, as measured once and remembered (see `rank_engines`).
        precision: "auto" takes the fastest of f32 and half precision; int8 is only taken when it is asked for.
        device: "auto", "cpu", "cuda" or "cuda:N"; OpenVINO uses no GPU.
        calibration: For int8: real frames, uint8 (N, H, W, 3), or the `graph` of an engine that saw them before.
        is_compiled: Have torch compile it; pays after thousands of frames. Other engines always do.

    Raises:
        ValueError: Unknown names, an engine that is not installed, or a precision that it does not offer here.
    """
    device = find_device(device, engine)
    if backbone.spec.window is not None:
        if engine not in ("auto", "torch", "openvino"):
            raise ValueError(f"video encoders run on torch and OpenVINO, not on {engine}; use --engine torch")
        options = Options(backbone.spec.input_size, precision, device, None, is_compiled)
        return LOADERS["torch" if engine == "auto" else engine](frame_model(backbone), options)
    pairs = offered_pairs(engine, precision, device)
    if len(pairs) > 1:
        pairs = [(speed.engine, speed.precision) for speed in rank_engines(backbone, pairs, device=device)]
    name, chosen = pairs[0]
    options = Options(backbone.spec.input_size, chosen, device, calibration, is_compiled)
    model = frame_model(backbone)
    if name != "torch" and any(parameter.is_cuda for parameter in model.parameters()):
        model = copy.deepcopy(model).to("cpu")  # where graphs are made
    return LOADERS[name](model, options)


def find_device(device: str, engine: str) -> str:
    """Where to compute: "cpu", "cuda" or "cuda:N"; a `ValueError` for another name, or a GPU that is not there."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ValueError(f"unknown device {device!r}; there are auto, cpu, cuda and cuda:N")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() and engine in ("auto", "torch", "tensorrt") else "cpu"
    if device != "cpu" and engine == "openvino":
        raise ValueError("engine openvino computes on the processor; use --device cpu, or --engine torch")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but torch sees no GPU here; use --device cpu")
    if device.startswith("cuda:") and int(device.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise ValueError(f"there is no device {device!r}, GPUs are numbered 0 to {torch.cuda.device_count() - 1}")
    return device


def offered_pairs(engine: str, precision: str, device: str) -> list[tuple[str, str]]:
    """What "auto" leaves open, as (engine, precision); at least one. On a GPU torch, and TensorRT if it is there."""
    if engine not in ("auto", *LOADERS):
        raise ValueError(f"unknown engine {engine!r}; there are auto, {', '.join(LOADERS)}")
    if engine == "tensorrt" and (device == "cpu" or what_lacks(engine)):
        raise ValueError(f"engine tensorrt: {what_lacks(engine) or 'it needs a GPU; use --device cuda'}")
    if engine not in ("auto", "tensorrt") and engine not in available_engines():
        raise ValueError(f"engine {engine!r} is not installed here; pip install {engine}")
    if precision not in ("auto", *PRECISIONS):
        raise ValueError(f"unknown precision {precision!r}; there are auto, {', '.join(PRECISIONS)}")
    engines = [engine] if engine != "auto" else engines_of_gpu() if device != "cpu" else available_engines()
    if precision == "int8":  # to measure it, it would have to be calibrated: the first that can do it
        has_nncf = find_spec("nncf") is not None
        able = [name for name in engines if name == "onnxruntime" or (name == "openvino" and has_nncf)]
        return [((able or engines)[0], "int8")]
    if precision == "auto" and device == "cpu":
        return [(name, each) for name in engines for each in ("f32", "bf16") if each == "f32" or has_bf16(name)]
    if precision == "auto":
        # f16 has three more bits than bf16, which MobileNetV2 needs to be near enough.
        kinds = dict.fromkeys(("f32", half_of_gpu(device), "f16"))
        return [(name, each) for name in engines for each in kinds if each in PRECISIONS_OF[name]]
    able = [name for name in engines if precision in PRECISIONS_OF[name]]
    return [(name, precision) for name in able or engines]


def has_bf16(engine: str) -> bool:
    """Whether an engine offers bf16, and this processor multiplies it directly."""
    if "bf16" not in PRECISIONS_OF[engine] or "openvino" not in available_engines():
        return False
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def available_engines() -> list[str]:
    """Names of the installed engines, the fastest on a CPU first."""
    return [name for name in ("openvino", "onnxruntime", "torch") if find_spec(name)]


def engines_of_gpu() -> list[str]:
    """Names of the engines that "auto" tries on a GPU; ONNX Runtime's CUDA is torch's, in f32 alone."""
    has_tensorrt = find_spec("tensorrt") and find_spec("onnxruntime") and not what_lacks("tensorrt")
    return ["torch", "tensorrt"] if has_tensorrt else ["torch"]


def rank_engines(backbone: Backbone, pairs: Sequence[tuple[str, str]], *, device: str) -> list[Speed]:
    """The fastest (engine, precision) first, other than int8, without what this machine does not offer.

    A `ValueError` where it offers none of them.
    """
    cache = SpeedCache(backbone, device=device)
    speeds: list[Speed] = []
    refusal: ValueError | None = None
    for name, precision in pairs:
        speed = cache.get(name, precision)
        try:
            if speed is None:
                with working(f"measuring {name} in {precision}, once on this machine"):
                    engine = load_engine(backbone, engine=name, precision=precision, device=device)
                    speed = _measure_once(engine, backbone, device, cache)
            speeds.append(speed)
        except ValueError as error:
            refusal = error
    if refusal is not None and not speeds:
        raise refusal
    return sorted(speeds, key=lambda speed: -speed.frames_per_second)


def tune_batch(engine: Engine, backbone: Backbone, *, device: str) -> None:
    """Give an engine the batch size that is best here, measured unless it is known."""
    cache = SpeedCache(backbone, device=device)
    known = cache.get(engine.name, engine.precision)
    set_pace(engine, known or _measure_once(engine, backbone, device, cache))


def _measure_once(engine: Engine, backbone: Backbone, device: str, cache: SpeedCache) -> Speed:
    spec, kind = backbone.spec, device.partition(":")[0]
    return cache.put(measure(engine, input_size=spec.input_size, kind=kind, num_channels=spec.num_channels))


def set_pace(engine: Engine, speed: Speed) -> None:
    """Have an engine work as it was measured."""
    engine.batch_size = speed.batch_size
    if isinstance(engine, TorchEngine):
        engine.replays = speed.replays


def measure(engine: Engine, *, input_size: tuple[int, int], kind: str = "cpu", num_channels: int = 3) -> Speed:
    """Try some batch sizes, none under the engine's own; the smallest that is as good as any.

    On a GPU also whether it pays to replay them; what does not fit into its memory is passed over, and a `ValueError`
    says so where nothing does.
    """
    best = Speed(engine.name, engine.precision, 0, 0.0)
    on_gpu = kind == "cuda"
    for batch in sorted({size if on_gpu else max(size, engine.batch_size) for size in BATCHES[kind]}):
        for replays in (False, True) if on_gpu and isinstance(engine, TorchEngine) else (False,):
            paced = replace(best, batch_size=batch, replays=replays)
            if on_gpu:
                set_pace(engine, paced)
            try:
                rate = _rate(engine, (batch * (BATCHES_AT_ONCE if on_gpu else 1), *input_size, num_channels))
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                continue
            if rate > WORTH_MEMORY * best.frames_per_second:
                best = replace(paced, frames_per_second=rate, replays=getattr(engine, "replays", False))
    if not best.batch_size:
        what = f"not {BATCHES[kind][0]} frames fit into the GPU's memory"
        raise ValueError(f"{engine.name} in {engine.precision}: {what}")
    return replace(best, frames_per_second=round(best.frames_per_second, 1))


def _rate(engine: Engine, shape: tuple[int, ...]) -> float:
    """Frames a second: the best of several runs, since others only ever slow a run down."""
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    engine.run(frames)
    shortest = float("inf")
    begun = time.perf_counter()
    while (start := time.perf_counter()) - begun < MIN_SECONDS:
        engine.run(frames)
        shortest = min(shortest, time.perf_counter() - start)
    return shape[0] / shortest
