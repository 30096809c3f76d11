"""What `egoact train --seeds` saves against trainings one after another, and whether they reach the same.

    python benchmarks/seeds.py --gtea FOLDER --features FOLDER [--heads difference lstm convnet1d] [--seeds 5]
        [--before FOLDER]

Verbs of GTEA on stream rgb, recipe default, one recording held out. `alone`: a process for each seed. `before`: the
same with the source of another version of egoact, a folder that holds the package. Seconds are those of the processor,
over all processes, imports included, on one thread each; those by the clock say little where others work on it.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path
    """Folder with segments.csv."""
    features: Path
    """Store of its recordings, as egoact extract writes it."""
    heads: tuple[str, ...] = ("difference", "lstm", "convnet1d")
    """To train."""
    seeds: int = 5
    """How many."""
    held_out: str = "S2_Tea_C1"
    """The recording that is not trained on."""
    before: Path | None = None
    """Source of another version."""


def train(settings: Settings, run: Path, *flags: object, source: Path | None = None) -> tuple[float, float]:
    """One `egoact train`: seconds of the processor, and by the clock."""
    given = ("--segments", settings.gtea / "segments.csv", "--features", settings.features, "--streams", "rgb")
    given += ("--targets", "verb", "--validation-videos", settings.held_out, "--recipe", "default", "--select", "last")
    words = [sys.executable, "-m", "egoact", "train", *map(str, (*given, "--device", "cpu", "--run", run, *flags))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({} if source is None else {"PYTHONPATH": str(source)})
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - begun


def accuracies(runs: list[Path]) -> str:
    """Top-1 of the held-out recording after the last epoch, mean and standard deviation."""
    found = [json.loads((run / "metrics.json").read_text(encoding="utf-8"))["verb"]["top1"] for run in runs]
    return f"{np.mean(found):.1f} +- {np.std(found):.1f}"


def main(settings: Settings) -> None:
    """Measure and print a table."""
    print(f"{settings.seeds} seeds, verbs, {settings.held_out} held out\n")
    print("| head | how | CPU s | clock s | top-1 % | as fast by CPU, by the clock |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for head in settings.heads:
            work = Path(folder) / head
            together = train(settings, work / "together", "--head", head, "--seeds", settings.seeds)
            runs = [work / "together" / f"seed_{seed}" for seed in range(settings.seeds)]
            print(f"| {head} | together | {together[0]:.1f} | {together[1]:.1f} | {accuracies(runs)} | |", flush=True)
            versions: dict[str, Path | None] = {"alone": None}
            versions |= {} if settings.before is None else {"before": settings.before}
            for name, source in versions.items():
                runs = [work / name / str(seed) for seed in range(settings.seeds)]
                each = [
                    train(settings, run, "--head", head, "--seed", seed, source=source) for seed, run in enumerate(runs)
                ]
                cpu, clock = (sum(column) for column in zip(*each, strict=True))
                ratio = f"{cpu / together[0]:.1f}, {clock / together[1]:.1f}"
                print(f"| {head} | {name} | {cpu:.1f} | {clock:.1f} | {accuracies(runs)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings))
