"""`egoact bench latency`: from frames in memory to probabilities, one clip or one frame at a time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from egoact.benchmarking.engines import PRECISIONS
from egoact.benchmarking.measuring import times_of
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import NUM_FRAMES, Workload, read_sample
from egoact.core.epic import facts as epic
from egoact.engines.interface import Engine
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import DEFAULT_HEAD, build_head
from egoact.training.machine import few_threads


def measure(work: Workload) -> Results:
    """Time single answers in every precision that is offered."""
    root, table = work.recordings()
    backbone = work.backbone()
    frames = read_sample(root, table, count=64, size=backbone.spec.input_size)
    head = build_head(DEFAULT_HEAD, feature_shape=backbone.spec.feature_shape, num_frames=NUM_FRAMES)
    model = ActionClassifier(head, num_classes={"verb": epic.NUM_VERBS, "noun": epic.NUM_NOUNS}).eval()
    rounds = 5 if work.is_quick else 100
    rows: list[list[Any]] = []
    whole: dict[str, list[float]] = {}
    for precision in PRECISIONS if work.precision == "auto" else (work.precision,):
        try:
            engine = replace(work, precision=precision).engine(backbone, frames)
        except ValueError:
            continue
        tasks: dict[str, Callable[[], object]] = {
            f"clip of {NUM_FRAMES} frames": partial(_answer_clip, model, engine, frames[:NUM_FRAMES]),
            "one more frame": partial(engine.run, frames[:1]),
        }
        for name, task in tasks.items():
            with few_threads(pooled=engine.name != "torch"):  # as in `egoact live`: two would spin
                times = 1000 * times_of(task, rounds=rounds)
            rows.append(_row(name, f"{engine.name} {precision}", times))
            whole.setdefault(name, []).append(float(np.median(times)))
    features = np.zeros((NUM_FRAMES, *backbone.spec.feature_shape), dtype=np.float32)
    times = 1000 * times_of(partial(_answer, model, features), rounds=rounds)
    rows.append(_row("head alone", f"torch f32, {DEFAULT_HEAD}", times))
    columns = ("what", "engine", "median, ms", "95th percentile, ms")
    return Results(
        title=f"Latency with {backbone.spec.name}, {work.pixels} x {work.pixels}",
        text=f"From uint8 frames in memory to probabilities of {epic.NUM_VERBS} verbs and {epic.NUM_NOUNS} nouns, by "
        f"the backbone and the head {DEFAULT_HEAD}; {rounds} rounds. A stream computes one frame at a time, and then "
        "the head.",
        tables=[Table("latency", "Milliseconds", columns, rows, bars="median, ms")],
        figures=[Figure(f"{name}, fastest engine", min(times), "ms") for name, times in whole.items()],
    )


def _answer_clip(model: ActionClassifier, engine: Engine, frames: np.ndarray) -> dict[str, np.ndarray]:
    size = engine.batch_size
    return _answer(model, np.concatenate([engine.run(frames[i : i + size]) for i in range(0, len(frames), size)]))


def _answer(model: ActionClassifier, features: np.ndarray) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        logits = model(torch.from_numpy(features).unsqueeze(0))
    return {target: values.softmax(1).numpy() for target, values in logits.items()}


def _row(name: str, engine: str, times: np.ndarray) -> list[Any]:
    return [name, engine, round(float(np.median(times)), 2), round(float(np.quantile(times, 0.95)), 2)]
