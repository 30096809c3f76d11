"""`egoact bench train`: clips a second of every head, by the real training loop, on a made store with labels."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from egoact.benchmarking.engines import finish, on_gpu
from egoact.benchmarking.measuring import Task, take_turns, watch
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import Workload
from egoact.core.annotations.segments import read_segments
from egoact.core.defaults import HEAD, ORDER_BLIND_HEAD, RATE
from egoact.core.epic import facts as epic
from egoact.core.metrics.evaluation_files import read_run
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.models.heads import HEADS
from egoact.store.imported import imported_spec
from egoact.store.writer import StoreWriter
from egoact.training.recipes import RECIPES

NUM_FRAMES = 20
WIDTH = 1280
CLIP_BYTES = NUM_FRAMES * WIDTH * 2
_CLIPS_PER_VIDEO = 1000
_BLOCK_CLIPS = 200
SPEC = imported_spec("made", num_channels=WIDTH, rate=RATE)


def measure(work: Workload) -> Results:
    """Train every head on pooled features for two epochs, and time the faster one; when quick, two of the heads."""
    num_clips = 128 if work.is_quick else 2000
    batch_size = RECIPES["default"].batch_size
    heads = [ORDER_BLIND_HEAD, HEAD] if work.is_quick else [n for n, kind in HEADS.items() if kind.kind == "pooled"]
    rows: list[list[Any]] = []
    with tempfile.TemporaryDirectory(dir=work.out) as folder:
        table, store = make_store(Path(folder), num_clips=num_clips)
        for head in heads:
            run = Path(folder) / head
            seconds = watch_training(table, store, run, head=head, device=work.device).epoch_seconds
            milliseconds = 1000 * seconds / -(-num_clips // batch_size)
            rows.append([head, read_run(run).num_parameters, round(milliseconds, 2), round(num_clips / seconds, 1)])
    return Results(
        title="Training heads",
        text=f"{num_clips} clips of 20 x 1280 features, 97 verbs and 300 nouns, batches of {batch_size}, by egoact "
        "train with the default recipe in a process of its own; reading from the store, the loss, the optimiser and "
        "the loop around it included.",
        figures=matrix_figures(work.device, {row[0]: row[3] for row in rows}, num_clips=num_clips),
        tables=[Table("heads", "Clips a second", ("head", "parameters", "ms a step", "clips/s"), rows, bars="clips/s")],
    )


def make_store(folder: Path, *, num_clips: int) -> tuple[Path, Path]:
    """A CSV with random labels of EPIC-KITCHENS-100's verbs and nouns, and a store for it: noise of the real shape."""
    random = np.random.default_rng(0)
    table_path, store_path = folder / "segments.csv", folder / "features"
    folder.mkdir(parents=True, exist_ok=True)
    number = np.arange(num_clips)
    verbs, nouns = (random.integers(n, size=num_clips) for n in (epic.NUM_VERBS, epic.NUM_NOUNS))
    columns = {"narration_id": number, "video_id": [f"V_{i // _CLIPS_PER_VIDEO:03d}" for i in number]}
    columns |= {"start_seconds": 2 * number, "stop_seconds": 2 * number + 1, "verb_class": verbs, "noun_class": nouns}
    pd.DataFrame(columns).to_csv(table_path, index=False)
    segments = list(read_segments(table_path))
    noise = random.normal(size=(_BLOCK_CLIPS * NUM_FRAMES, WIDTH)).astype(np.float16)
    with StoreWriter(store_path, SPEC) as store:
        for first in range(0, num_clips, _CLIPS_PER_VIDEO):
            clips = segments[first : first + _CLIPS_PER_VIDEO]
            moments = to_microseconds(ClipSampling(NUM_FRAMES).times(clips).ravel())
            with store.begin() as buffer:
                for start in range(0, len(moments), len(noise)):
                    buffer.append(noise[: len(moments) - start])
                store.commit(clips[0].video_id, buffer, moments)
    return table_path, store_path


@dataclass(frozen=True)
class Watched:
    """A training that has run: seconds of its fastest epoch, the loss of its last one, and as `watch` the memory."""

    epoch_seconds: float
    loss: float
    peak_bytes: int | None


def watch_training(
    table: Path, store: Path, run: Path, *, head: str, epochs: int = 2, device: str = "auto", **changes: float
) -> Watched:
    """`egoact train` with the default recipe, and changes of it by the names of its fields; fails as `watch_output`."""
    flags = ["--segments", table, "--features", store, "--run", run, "--head", head, "--epochs", epochs]
    flags += ["--device", device.partition(":")[0]]
    flags += [word for name, value in changes.items() for word in (f"--{name.replace('_', '-')}", value)]
    peak = watch([sys.executable, "-m", "egoact", "train", *map(str, flags)])
    history = pd.read_csv(run / "history.csv")
    return Watched(float(history["seconds"].min()), float(history["train_loss"].iloc[-1]), peak)


def classifier_task(*, num_clips: int, width: int, device: str) -> Task:
    """Train a linear classifier of verbs on random clips that lie on the device: little more than matrix products."""
    clips = torch.randn(num_clips, width, device=device).half()
    labels = torch.randint(epic.NUM_VERBS, (num_clips,), device=device)
    model = nn.Linear(width, epic.NUM_VERBS).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def epoch() -> float:
        for chosen in torch.randperm(num_clips, device=device).split(512):
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                loss = nn.functional.cross_entropy(model(clips[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        finish(device)
        return float(num_clips)

    return epoch


def matrix_figures(device: str, rates: Mapping[str, float], *, num_clips: int) -> list[Figure]:
    """How near trainings of heads on a GPU, clips/s, come to matrix products alone; on a processor nothing."""
    if not on_gpu(device):
        return []
    task = classifier_task(num_clips=min(num_clips, 16_384), width=NUM_FRAMES * WIDTH, device="cuda")
    limit = take_turns({"matrix products": task}, seconds=2)["matrix products"]
    shares = [Figure(f"{head}, against matrix products alone", 100 * rate / limit, "%") for head, rate in rates.items()]
    return [Figure("matrix products alone, batches of 512", limit, "clips/s"), *shares]
