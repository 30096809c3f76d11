"""`egoact bench scale`: an epoch over as many clips as EPIC-KITCHENS-100 has, against fractions of it."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.train import CLIP_BYTES, make_store, matrix_figures, watch_training
from egoact.benchmarking.workload import Workload
from egoact.core.annotations.segments import read_segments
from egoact.core.sampling import ClipSampling
from egoact.models.heads import DEFAULT_HEAD
from egoact.store.reader import FeatureStore

NUM_CLIPS = 67_217
FRACTIONS = (16, 4, 1)
GOAL_SECONDS = {"convnet1d": 20.0, DEFAULT_HEAD: 60.0}
GOAL_GROWTH = 16.5
GOAL_GIGABYTES = 2.0
_BATCH_SIZE = 32


def measure(work: Workload) -> Results:
    """Make stores, train on them in processes of their own, and read the largest in two orders."""
    num_clips = NUM_CLIPS // 64 if work.is_quick else NUM_CLIPS
    rows: list[list[Any]] = []
    reading: list[list[Any]] = []
    for fraction in FRACTIONS[::2] if work.is_quick else FRACTIONS:
        with tempfile.TemporaryDirectory(dir=work.out) as name:
            folder = Path(name)
            table, store = make_store(folder, num_clips=num_clips // fraction)
            for head in GOAL_SECONDS:
                run = watch_training(table, store, folder / head, head=head, device=work.device)
                peak = None if run.peak_bytes is None else round(run.peak_bytes / 1e9, 2)
                rows.append([head, num_clips // fraction, round(run.epoch_seconds, 3), peak])
            if fraction == 1:
                reading = _time_reading(table, store)
    rates = {head: num_clips / s for head, clips, s, _ in rows if clips == num_clips and s}
    return Results(
        title=f"An epoch over {num_clips:,} clips",
        text=f"Clips of 20 x 1280 float16, {num_clips * CLIP_BYTES / 1e9:.2f} GB in all, batches of {_BATCH_SIZE}, by "
        "egoact train with the default recipe in a process of its own; of two epochs the faster, when the store is in "
        "the page cache. Memory is the process's own: the page cache, which the system gives to whoever needs it, is "
        "not counted. Cold: the system was asked to drop the store from its cache first.",
        tables=[
            Table("epochs", "Time and memory", ("head", "clips", "s an epoch", "peak memory, GB"), rows),
            Table("reading", "Reading the store once", ("order", "cache", "MB/s"), reading, bars="MB/s"),
        ],
        figures=[*_figures(rows, num_clips), *matrix_figures(work.device, rates, num_clips=num_clips)],
    )


def _figures(rows: list[list[Any]], num_clips: int) -> list[Figure]:
    seconds = {(head, clips): s for head, clips, s, _ in rows}
    is_whole = num_clips == NUM_CLIPS
    epochs, growths = [], []
    for head, goal in GOAL_SECONDS.items():
        whole, few = seconds[head, num_clips], seconds[head, num_clips // 16]
        growth = whole / few if few else None  # too few to be timed
        goals = (goal, GOAL_GROWTH) if is_whole else (None, None)
        epochs.append(Figure(f"one epoch, {head}", whole, "s", goals[0], is_most=True))
        growths.append(Figure(f"time at N against N/16, {head}", growth, "x", goals[1], is_most=True))
    peaks = [peak for *_, peak in rows if peak is not None]
    return [*epochs, *growths, Figure("peak memory", max(peaks, default=None), "GB", GOAL_GIGABYTES, is_most=True)]


def _time_reading(table: Path, path: Path) -> list[list[Any]]:
    """MB/s of gathering every clip once, in the order of the files and shuffled over all of them."""
    rows: list[list[Any]] = []
    order = FeatureStore.open(path).locate(read_segments(table), ClipSampling())
    orders = {"as stored": order, "shuffled": np.random.default_rng(0).permutation(order)}
    for name, chosen in orders.items():
        for cache in ("cold", "warm"):
            if cache == "warm" or _drop_from_cache(path):
                rows.append([name, cache, round(len(chosen) * CLIP_BYTES / _read_all(path, chosen) / 1e6)])
    return rows


def _read_all(path: Path, chosen: np.ndarray) -> float:
    """Seconds to gather clips in batches; the maps are closed again, since what is mapped stays in the cache."""
    store = FeatureStore.open(path)
    begun = time.perf_counter()
    for start in range(0, len(chosen), _BATCH_SIZE):
        store.gather(chosen[start : start + _BATCH_SIZE])
    return time.perf_counter() - begun


def _drop_from_cache(path: Path) -> bool:
    """Ask the system to forget the contents of all shards; whether it can be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for shard in (path / "shards").glob("*.npy"):
        with shard.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True
