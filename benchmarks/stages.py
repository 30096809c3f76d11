"""Wall time and peak memory of every stage of the main job, on the built-in kitchen; Linux.

    python benchmarks/stages.py [--out FOLDER] [--parts stages heads]

Each stage runs as a user would start it, one after the other, and its process tree is watched. Also: `egoact --help`,
and 100 epochs over 1,000 clips of 20 x 1280 features with every pooled head.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from egoact.core.annotations.segments import read_segments
from egoact.models.heads import HEADS
from egoact.store.reader import StoreSpec
from egoact.store.writer import StoreWriter

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
EGOACT = [sys.executable, "-m", "egoact"]


@dataclass(frozen=True)
class Settings:
    """Where to work."""

    out: Path | None = None
    """Folder for what the stages write; default: a temporary one."""
    parts: tuple[Literal["stages", "heads"], ...] = ("stages", "heads")
    """The stages of the main job, the training of every pooled head, or both."""


def resident_bytes(root: int) -> int:
    """Memory of a process and all that it started, shared pages counted once a process."""
    parents, sizes = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                sizes[int(entry.name)] = int((entry / "statm").read_text().split()[1]) * PAGE_BYTES
            except (OSError, IndexError):
                continue  # it ended while we looked
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(sizes.get(pid, 0) for pid in family)


def watch(arguments: list[str]) -> tuple[float, float]:
    """Run a command to its end: seconds, and peak MB of its process tree."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0

    def look() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, resident_bytes(process.pid))
            time.sleep(0.1)

    thread = threading.Thread(target=look)
    thread.start()
    code = process.wait()
    seconds = time.monotonic() - began
    thread.join()
    assert code == 0, f"{' '.join(arguments)} ended with {code}"
    return seconds, peak / 2**20


def make_thousand(folder: Path) -> None:
    """1,000 clips of random features with labels of 20 verbs and 50 nouns, in 20 videos."""
    random = np.random.default_rng(0)
    path = folder / "thousand.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["narration_id", "video_id", "start_seconds", "stop_seconds", "verb_class", "noun_class"])
        for i in range(1000):
            writer.writerow([i, f"V_{i // 50}", 2 * (i % 50), 2 * (i % 50) + 1, i % 20, random.integers(50)])
    spec = StoreSpec("made", "0", (256, 256), (0.5,) * 3, (0.5,) * 3, 20, 1, 0, "pooled", None, (1280,), "none", "f32")
    table = read_segments(path)
    with StoreWriter(folder / "thousand", spec) as store:
        for video in table.video_ids:
            segments = store.missing([s for s in table if s.video_id == video])
            shard = store.begin(segments)
            slots = np.arange(len(segments) * 20)
            shard.write(slots, random.normal(size=(len(slots), 1280)).astype(np.float16))
            store.commit(shard)


def show(name: str, seconds: float, peak: float) -> None:
    print(f"| {name} | {seconds:.1f} | {peak:.0f} |", flush=True)


def measure_stages(out: Path) -> None:
    kitchen, features, run = out / "kitchen", out / "features", out / "run"
    media = ["--media", str(kitchen / "videos"), "--features", str(features)]
    train, validation = ["--segments", str(kitchen / "train.csv")], ["--segments", str(kitchen / "validation.csv")]
    evaluation = ["--run", str(run), "--features", str(features), "--out", str(out / "results")]
    helps = [watch([*EGOACT, "--help"]) for _ in range(5)]
    print(f"| --help (median of 5) | {statistics.median(s for s, _ in helps):.2f} | {helps[0][1]:.0f} |")
    show("kitchen", *watch([*EGOACT, "kitchen", "--out", str(kitchen)]))
    seconds, peak = watch([*EGOACT, "extract", *train, *media])
    show("extract, training videos", seconds, peak)
    frames = 20 * len(read_segments(kitchen / "train.csv"))
    print(f"| - frames asked for a second, start of the program included | {frames / seconds:.0f} | |")
    show("extract, validation videos", *watch([*EGOACT, "extract", *validation, *media]))
    fit = ["--features", str(features), "--run", str(run), "--classes", str(kitchen)]
    show("train, default head", *watch([*EGOACT, "train", *train, *fit]))
    show("evaluate", *watch([*EGOACT, "evaluate", *validation, *evaluation]))
    show("demo, whole", *watch([*EGOACT, "demo", "--out", str(out / "demo")]))


def measure_heads(out: Path) -> None:
    make_thousand(out)
    for head in [name for name, head in HEADS.items() if head.kind == "pooled"]:
        thousand = ["--segments", str(out / "thousand.csv"), "--features", str(out / "thousand")]
        arguments = [*EGOACT, "train", *thousand, "--run", str(out / f"thousand-{head}"), "--head", head]
        show(f"train, 100 epochs x 1,000 clips, {head}", *watch([*arguments, "--epochs", "100"]))


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        out = settings.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        print("| stage | seconds | peak memory, MB |\n|---|---|---|")
        for part in settings.parts:
            {"stages": measure_stages, "heads": measure_heads}[part](out)


if __name__ == "__main__":
    main(tyro.cli(Settings))
