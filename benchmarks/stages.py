"""Wall time and peak memory of every stage of the main job, on the built-in kitchen; Linux.

    python benchmarks/stages.py [--out FOLDER]

Each stage runs as a user would start it, one after the other, and its process tree is watched. Also: `egoact --help`.
What every head takes is measured by `egoact bench train`.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from egoact.core.annotations.segments import read_segments

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
EGOACT = [sys.executable, "-m", "egoact"]


@dataclass(frozen=True)
class Settings:
    """Where to work."""

    out: Path | None = None
    """Folder for what the stages write; default: a temporary one."""


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


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        out = settings.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        print("| stage | seconds | peak memory, MB |\n|---|---|---|")
        measure_stages(out)


if __name__ == "__main__":
    main(tyro.cli(Settings))
