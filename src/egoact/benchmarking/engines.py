"""`egoact bench engines`: frames/s of every engine and precision, and their share of the matrix-multiply peak."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from egoact.benchmarking.gpu_limits import KINDS, copy_tasks, network_task, on_gpu
from egoact.benchmarking.measuring import take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import Workload, load_sample_engine, read_sample
from egoact.engines import Engine, available_engines
from egoact.engines.loading import find_device, has_bf16
from egoact.engines.parity import compare_features
from egoact.models.backbones.registry import Backbone

PRECISIONS = ("f32", "bf16", "int8")
GOAL_FROM_HOST = 80.0  # percent of what the network does on frames that lie on the GPU
GOALS = {"f32": 75.0, "bf16": 55.0}  # percent of the peak
_MATRIX = {"cpu": 2048, "cuda": 8192}  # side of the matrices: on a GPU smaller ones take less time than starting them


def measure(work: Workload) -> Results:
    """Time all engines in turns, on real frames."""
    root, table = work.recordings()
    backbone = work.backbone()
    has_gpu = on_gpu(work.device)
    sizes: tuple[int, ...] = (32, 128, 512) if has_gpu else (1, 4, 16)
    precisions = ("f32", *KINDS) if has_gpu else PRECISIONS
    frames = read_sample(root, table, count=4 * sizes[-1], size=backbone.spec.input_size)
    limits = _limit_tasks(work, frames[: sizes[-1]])
    engines, refused = _load_all(backbone, frames, work.device, precisions)
    sizes = sizes[-1:] if work.is_quick else sizes
    tasks: dict[str, Callable[[], float]] = {f"peak {p}": task for p, task in peak_tasks(work.device).items()}
    tasks |= limits
    for key, engine in engines.items():
        for size in sizes:
            tasks[f"{key} {size}"] = partial(_run_ahead if has_gpu else _run, engine, frames, size)
    rates = take_turns(tasks, seconds=3 if work.is_quick else 60, min_rounds=2)
    flops = count_flops(backbone)
    rows = [row for key in engines for row in _rows(key, sizes, rates, flops, _cosine(engines[key], engines, frames))]
    figures = [_share_figure(rows, precision) for precision in precisions] + _figures_from_host(rows, rates, limits)
    peaks = [[p, round(rates[f"peak {p}"] / 1e9, 1)] for p in precisions if f"peak {p}" in rates]
    found = [[name, round(rates[name], 1)] for name in limits]
    return Results(
        title=f"Engines for {backbone.spec.name}, {work.pixels} x {work.pixels}",
        text=f"A frame takes {flops / 1e9:.3f} GFLOP (a multiplication and an addition are two). The peak is what "
        f"{peak_text(work.device)}. Cosine: between features of an engine and torch's in float32, mean over real "
        "frames.",
        tables=[
            Table(
                "speed",
                "Frames a second",
                ("engine", "precision", "batch", "frames/s", "GFLOP/s", "% of peak", "cosine"),
                _possible(rows),
                bars="frames/s",
            ),
            Table("peak", "Matrix-multiply peak", ("precision", "GFLOP/s"), peaks),
            Table("absent", "Not offered here", ("engine", "precision", "why"), refused),
            *([Table("limits", "What the GPU does at most", ("what", "frames/s"), found)] if limits else []),
        ],
        figures=figures,
    )


def count_flops(backbone: Backbone) -> int:
    """Floating-point operations of one frame, or of one window; a multiplication and an addition are two."""
    window = backbone.spec.window
    shape = (1, 3) if window is None else (1, window.num_pictures, 3)
    module = copy.deepcopy(backbone.module).to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(*shape, *backbone.spec.input_size, device="meta"))
    return counter.get_total_flops()


def _limit_tasks(work: Workload, frames: np.ndarray) -> dict[str, Callable[[], float]]:
    """What bounds engines on a GPU: copies, and the network on what was copied."""
    if not on_gpu(work.device):
        return {}
    tasks = copy_tasks(frames, "cuda")
    for precision in KINDS:
        tasks[f"frames on the GPU, {precision}"] = network_task(
            work.backbone(), frames, precision=precision, device="cuda", is_compiled=not work.is_quick
        )
    return tasks


def _figures_from_host(rows: list[list[Any]], rates: dict[str, float], limits: dict[str, Any]) -> list[Figure]:
    if not limits:
        return []
    best = max(row[3] for row in rows)
    share = 100 * best / max(rates[name] for name in limits if name.startswith("frames"))
    return [
        Figure("best engine, frames from host memory", best, "frames/s"),
        Figure("the same, against frames on the GPU", share, "%", GOAL_FROM_HOST),
        Figure("the same, against copies", 100 * best / rates["copies, pinned"], "%"),
    ]


def _load_all(
    backbone: Backbone, frames: np.ndarray, device: str, precisions: tuple[str, ...]
) -> tuple[dict[str, Engine], list[list[str]]]:
    """Engines by "engine precision"; and those that are not offered, with the reason."""
    engines: dict[str, Engine] = {}
    refused = []
    has_gpu = on_gpu(device)
    for name in ("torch", "onnxruntime", "tensorrt") if has_gpu else reversed(available_engines()):
        for precision in precisions:
            if precision == "bf16" and not has_gpu and not has_bf16("openvino"):
                refused.append([name, precision, "this processor has no bf16 instructions"])
                continue
            try:
                place = find_device(device, "torch") if has_gpu else "cpu"
                engine = load_sample_engine(backbone, frames, engine=name, precision=precision, device=place)
            except ValueError as error:
                refused.append([name, precision, " ".join(str(error).split())[:120]])
                continue
            engines[f"{name} {precision}"] = engine
    return engines, refused


def _run(engine: Engine, frames: np.ndarray, size: int) -> float:
    """Some batches of one size; gives the number of frames."""
    total = max(size, 16)
    for start in range(0, total, size):
        engine.run(frames[start : start + size])
    return total


def _run_ahead(engine: Engine, frames: np.ndarray, size: int) -> float:
    """All frames in batches of one size, copied while others are computed."""
    engine.batch_size = size
    engine.run(frames)
    return len(frames)


def peak_text(device: str) -> str:
    """How the peak is measured, for people."""
    side = _MATRIX["cuda" if on_gpu(device) else "cpu"]
    return f"torch reaches here multiplying {side} x {side} matrices in the same precision, measured in the same turns"


def peak_tasks(device: str) -> dict[str, Callable[[], float]]:
    """Precision -> a large product that gives its number of operations."""
    place = "cuda" if on_gpu(device) else "cpu"
    side = _MATRIX[place]
    a = torch.rand(side, side, device=place)
    half = a.bfloat16()
    whole = (a * 100).to(torch.int8)
    products: dict[str, Callable[[], Any]] = {
        "f32": lambda: a @ a,
        "bf16": lambda: half @ half,
        "int8": lambda: torch._int_mm(whole, whole),
    }
    if place == "cuda":
        brief = a.half()
        products["f16"] = lambda: brief @ brief
    if place == "cpu" and not has_bf16("openvino"):
        del products["bf16"]  # without its instructions it takes minutes

    def task(product: Callable[[], Any]) -> float:
        product()
        if place == "cuda":
            torch.cuda.synchronize()
        return 2.0 * side**3

    return {name: partial(task, product) for name, product in products.items()}


def _cosine(engine: Engine, engines: dict[str, Engine], frames: np.ndarray) -> float:
    """Mean cosine against torch in float32."""
    return compare_features(engines["torch f32"].run(frames[:16]), engine.run(frames[:16])).cosine


def _rows(key: str, sizes: tuple[int, ...], rates: dict[str, float], flops: int, cosine: float) -> list[list[Any]]:
    name, precision = key.split()
    peak = rates[f"peak {precision}"]
    rows = []
    for size in sizes:
        rate = rates[f"{key} {size}"]
        share = 100 * rate * flops / peak
        rows.append(
            [name, precision, size, round(rate, 1), round(rate * flops / 1e9, 1), round(share, 1), round(cosine, 5)]
        )
    return rows


def _possible(rows: list[list[Any]]) -> list[list[Any]]:
    """The rows, without shares of what was no peak."""
    return [[*row[:5], row[5] if row[5] <= 100 else None, *row[6:]] for row in rows]


def _share_figure(rows: list[list[Any]], precision: str) -> Figure:
    """The best engine's share of the peak; one above 100 % says that torch did not reach it."""
    name = f"share of the matmul peak, best {precision} engine"
    best = max((row[5] for row in rows if row[1] == precision), default=None)
    if best is not None and best > 100:
        why = "the machine was busy, or torch multiplies slowly in it"
        return Figure(f"{name}: not measured, {why} ({best:.0f} % of the peak is impossible)", None, "%")
    return Figure(name, best, "%", GOALS.get(precision))
