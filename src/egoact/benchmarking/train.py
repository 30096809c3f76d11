"""`egoact bench train`: clips a second of every head, by the real training loop."""

import tempfile
from pathlib import Path
from typing import Any

from egoact.benchmarking.gpu_limits import matrix_figures
from egoact.benchmarking.measuring import watch_training
from egoact.benchmarking.results import Results, Table
from egoact.benchmarking.synthetic_store import make_store
from egoact.benchmarking.workload import Workload
from egoact.core.defaults import HEAD, ORDER_BLIND_HEAD
from egoact.core.metrics.evaluation_files import read_run
from egoact.models.heads import HEADS
from egoact.training.recipes import RECIPES


def measure(work: Workload) -> Results:
    """Train every head on pooled features for two epochs, and time the faster one; when quick, two of the heads."""
    num_clips = 128 if work.is_quick else 2000
    batch_size = RECIPES["default"].batch_size
    heads = [ORDER_BLIND_HEAD, HEAD] if work.is_quick else [n for n, kind in HEADS.items() if kind.kind == "pooled"]
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory(dir=work.out) as folder:
        table, store = make_store(Path(folder), num_clips=num_clips)
        for head in heads:
            run, device = Path(folder) / head, work.device.partition(":")[0]
            seconds = watch_training(table, store, run, head=head, epochs=2, device=device).epoch_seconds
            num_steps = -(-num_clips // batch_size)
            parameters = read_run(run).num_parameters
            rows.append([head, parameters, round(1000 * seconds / num_steps, 2), round(num_clips / seconds, 1)])
    return Results(
        title="Training heads",
        text=f"{num_clips} clips of 20 x 1280 features, 97 verbs and 300 nouns, batches of {batch_size}, by egoact "
        "train with the default recipe in a process of its own; reading from the store, the loss, the optimiser and "
        "the loop around it included.",
        figures=matrix_figures(work.device, {row[0]: row[3] for row in rows}, num_clips=num_clips),
        tables=[Table("heads", "Clips a second", ("head", "parameters", "ms a step", "clips/s"), rows, bars="clips/s")],
    )
