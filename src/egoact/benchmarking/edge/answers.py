"""An exported run in a process of its own, on one core: how long an answer takes, the memory for it, and all answers.

    python -m egoact.benchmarking.edge.answers EXPORT CLIPS.npy N SCORES.npz ROUNDS

Prints a line of JSON; needs of the installation what running an export needs, and loads no more.

Shapes: N clips, T frames, H x W pixels.
"""

import json
import os
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from egoact.benchmarking.measuring import times_of
from egoact.core.machine import num_cores, peak_memory_bytes
from egoact.runs.loading import Run, load_run

_NUM_CLIPS_TO_TIME = 3


def time_steps(run: Run, frames: np.ndarray, *, rounds: int) -> dict[str, Any]:
    """What a stream does for each frame: its features, and what the head says of the last T of them.

    Frames, uint8 (N, H, W, 3), are shown in turn. Gives the median milliseconds, the mean of cpu_milliseconds, of all
    cores, peak_bytes and cores.
    """
    config, engine = run.config, run.engine
    window = np.zeros((1, config.num_frames, *config.feature_shape), np.float32)
    shown = cycle(frames)

    def step() -> None:
        window[:, :-1] = window[:, 1:]
        window[:, -1] = engine.run(next(shown)[None])[0]
        run.recognizer.score(window)

    for _ in range(config.num_frames):
        step()
    begun = time.process_time()
    times = 1000 * times_of(step, rounds=rounds)
    return {
        "milliseconds": float(np.median(times)),
        "cpu_milliseconds": 1000 * (time.process_time() - begun) / (rounds + 1),
        "peak_bytes": peak_memory_bytes(),
        "cores": num_cores(),
    }


def answer(run: Run, clips: np.ndarray) -> dict[str, np.ndarray]:
    """uint8 (N, T, H, W, 3) -> target -> logits, float32 (N, classes)."""
    said = [run.recognizer.score(run.engine.run(np.asarray(clip))[0][None]) for clip in clips]
    return {target: np.concatenate([each[target] for each in said]) for target in said[0]}


def main(export: str, clips: str, count: str, scores: str, rounds: str) -> None:
    """Measure on one core, where the system can be told, print, and write the scores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run, shown = load_run(Path(export)), np.load(clips, mmap_mode="r")[: int(count)]
    frames = np.array(shown[:_NUM_CLIPS_TO_TIME]).reshape(-1, *shown.shape[2:])
    found = time_steps(run, frames, rounds=int(rounds))
    np.savez(scores, **answer(run, shown))  # pyrefly: ignore[bad-argument-type]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
