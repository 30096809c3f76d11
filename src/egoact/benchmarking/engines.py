"""`egoact bench engines`: frames/s of every engine and precision, and their share of the matrix-multiply peak."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from egoact.benchmarking.measuring import Task, take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import Workload, read_sample
from egoact.engines.frame_model import frame_model
from egoact.engines.interface import Engine
from egoact.engines.loading import available_engines, find_device, has_bf16
from egoact.engines.parity import compare_features
from egoact.models.backbones.registry import Backbone

PRECISIONS = ("f32", "bf16", "int8")
KINDS = {"bf16": torch.bfloat16, "f16": torch.float16}
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
    limits = copy_tasks(frames[: sizes[-1]], "cuda") if has_gpu else {}
    for precision in KINDS if has_gpu else ():
        limits[f"frames on the GPU, {precision}"] = network_task(
            work.backbone(), frames[: sizes[-1]], precision=precision, device="cuda", is_compiled=not work.is_quick
        )
    engines, refused = _load_all(work, backbone, frames, precisions)
    sizes = sizes[-1:] if work.is_quick else sizes
    tasks = {f"peak {p}": task for p, task in peak_tasks(work.device).items()} | limits
    for key, engine in engines.items():
        for size in sizes:
            tasks[f"{key} {size}"] = partial(_run_ahead if has_gpu else _run, engine, frames, size)
    rates = take_turns(tasks, seconds=3 if work.is_quick else 60, min_rounds=2)
    flops = count_flops(backbone)
    expected = engines["torch f32"].run(frames[:16])
    rows: list[list[Any]] = []
    for key, engine in engines.items():
        name, precision = key.split()
        cosine = compare_features(expected, engine.run(frames[:16])).cosine
        for size in sizes:
            rate, share = rates[f"{key} {size}"], flops * rates[f"{key} {size}"] / rates[f"peak {precision}"]
            speeds = [round(rate, 1), round(rate * flops / 1e9, 1), round(100 * share, 1)]
            rows.append([name, precision, size, *speeds, round(cosine, 5)])
    figures = [_share_figure(rows, precision) for precision in precisions] + _figures_from_host(rows, rates, limits)
    peaks = [[p, round(rates[f"peak {p}"] / 1e9, 1)] for p in precisions if f"peak {p}" in rates]
    found = [[name, round(rates[name], 1)] for name in limits]
    columns = ("engine", "precision", "batch", "frames/s", "GFLOP/s", "% of peak", "cosine")
    return Results(
        title=f"Engines for {backbone.spec.name}, {work.pixels} x {work.pixels}",
        text=f"A frame takes {flops / 1e9:.3f} GFLOP (a multiplication and an addition are two). The peak is what "
        f"{peak_text(work.device)}. Cosine: between features of an engine and torch's in float32, mean over real "
        "frames.",
        tables=[
            Table("speed", "Frames a second", columns, _possible(rows), bars="frames/s"),
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


def on_gpu(device: str) -> bool:
    """Whether torch computes on a GPU here."""
    return device != "cpu" and torch.cuda.is_available()


def finish(device: str) -> None:
    """Wait until a device has done all."""
    if on_gpu(device):
        torch.cuda.synchronize()


def copy_tasks(frames: np.ndarray, device: str) -> dict[str, Task]:
    """Frames to a GPU, from memory that it reads by itself and from other memory; of a processor nothing."""
    if not on_gpu(device):
        return {}
    host = torch.from_numpy(frames)
    there = torch.empty_like(host, device=device)

    def copy(source: Tensor) -> float:
        there.copy_(source, non_blocking=True)
        finish(device)
        return float(len(source))

    return {"copies, pinned": partial(copy, host.pin_memory()), "copies, pageable": partial(copy, host)}


def network_task(backbone: Backbone, frames: np.ndarray, *, precision: str, device: str, is_compiled: bool) -> Task:
    """The network alone, on frames that lie on the device; takes the backbone's module there."""
    model = frame_model(backbone).to(device).to(memory_format=torch.channels_last)
    batch, kind = torch.from_numpy(frames).to(device), KINDS.get(precision)
    compiled = torch.compile(model, dynamic=False) if is_compiled else model

    def run() -> float:
        with torch.inference_mode(), torch.autocast(torch.device(device).type, kind, enabled=kind is not None):
            compiled(batch)
        finish(device)
        return float(len(batch))

    return run


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
    work: Workload, backbone: Backbone, frames: np.ndarray, precisions: tuple[str, ...]
) -> tuple[dict[str, Engine], list[list[str]]]:
    """Engines by "engine precision"; and those that are not offered, with the reason."""
    engines: dict[str, Engine] = {}
    refused = []
    has_gpu = on_gpu(work.device)
    for name in ("torch", "onnxruntime", "tensorrt") if has_gpu else reversed(available_engines()):
        for precision in precisions:
            if precision == "bf16" and not has_gpu and not has_bf16("openvino"):
                refused.append([name, precision, "this processor has no bf16 instructions"])
                continue
            try:
                place = find_device(work.device, "torch") if has_gpu else "cpu"
                chosen = replace(work, engine_name=name, precision=precision, device=place)
                engines[f"{name} {precision}"] = chosen.engine(backbone, frames)
            except ValueError as error:
                refused.append([name, precision, " ".join(str(error).split())[:120]])
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


def peak_tasks(device: str) -> dict[str, Task]:
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
