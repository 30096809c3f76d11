"""`egoact bench extract` of a video encoder: windows a second from pictures in memory, against the peak."""

from collections.abc import Callable
from functools import partial
from math import prod

import numpy as np

from egoact.benchmarking.engines import count_flops, peak_tasks, peak_text
from egoact.benchmarking.gpu_limits import on_gpu
from egoact.benchmarking.measuring import take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import Workload
from egoact.engines import Engine, load_engine
from egoact.engines.loading import find_device

EPIC_HOURS = 100  # of recordings in EPIC-KITCHENS-100
GPU_GOAL = 45.0  # percent of the peak


def measure_windows(work: Workload) -> Results:
    """Time the encoder as it is and, unless little time is to be taken, compiled, in turns with the peak."""
    backbone = work.backbone()
    window = backbone.spec.window
    assert window is not None
    flops = count_flops(backbone)
    device = find_device(work.device, work.engine_name)
    engines = {
        name: load_engine(
            backbone, engine=work.engine_name, precision=work.precision, device=device, is_compiled=name == "compiled"
        )
        for name in (("as it is",) if work.is_quick or work.engine_name == "openvino" else ("as it is", "compiled"))
    }
    engine = engines["as it is"]
    shape = (engine.batch_size, window.num_pictures, *backbone.spec.input_size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    peaks = peak_tasks(device)
    tasks: dict[str, Callable[[], float]] = {name: partial(_run, each, pictures) for name, each in engines.items()}
    if engine.precision in peaks:
        tasks["peak"] = peaks[engine.precision]
    rates = take_turns(tasks, seconds=1 if work.is_quick else 60, min_rounds=1 if work.is_quick else 3)
    peak = rates.pop("peak", None)
    num_windows = EPIC_HOURS * 3600 * window.rate / window.stride
    rows = [
        [
            name,
            round(rate, 4),
            round(rate * flops / 1e9, 1),
            None if peak is None else round(100 * rate * flops / peak, 1),
            round(num_windows / rate / 3600, 2),
        ]
        for name, rate in rates.items()
    ]
    best = max(rates.values())
    parameters = sum(prod(each.shape) for each in backbone.module.parameters())
    return Results(
        title=f"{backbone.spec.name}{' with random weights' if work.is_random else ''}, {engine.name} "
        f"{engine.precision} on {device}",
        text=f"{parameters / 1e6:.0f} million parameters; windows of {window.num_pictures} pictures of "
        f"{' x '.join(map(str, backbone.spec.input_size))} at {window.pictures_per_second} a second, "
        f"{engine.batch_size} at once, from uint8 pictures in the host's memory to features there; decoding is not in "
        f"it. The peak is what {peak_text(device)}. EPIC-KITCHENS-100 has {EPIC_HOURS} hours of recordings, "
        f"{num_windows:,.0f} such windows.",
        tables=[
            Table(
                "windows",
                "Windows a second",
                ("encoder", "windows/s", "GFLOP/s", "% of peak", "hours, EPIC-KITCHENS-100"),
                rows,
                bars="windows/s",
            )
        ],
        figures=[
            Figure("windows", best, "windows/s"),
            Figure("operations", flops / 1e9, "GFLOP a window"),
            Figure(
                f"share of the matmul peak in {engine.precision}",
                None if peak is None else 100 * best * flops / peak,
                "%",
                GPU_GOAL if on_gpu(device) else None,
            ),
            Figure("the whole of EPIC-KITCHENS-100", num_windows / best / 3600, "h"),
        ],
    )


def _run(engine: Engine, pictures: np.ndarray) -> float:
    return float(len(engine.run(pictures)))
