"""Timing several things against each other: in turns, so that a busy moment of the machine hurts all of them alike.

A command of egoact in a process of its own, watched: how long its epochs take, and how much memory it has.
"""

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_REST_SECONDS = 0.1  # threads of many libraries go on spinning for a while, on cores that the next one wants


def take_turns(tasks: Mapping[str, Callable[[], float]], *, seconds: float, min_rounds: int = 3) -> dict[str, float]:
    """How much of its unit each task does in a second: the median over rounds in which each has its turn.

    A turn is a rest, a run that is not timed, which fills caches and wakes threads, and one that is.

    Args:
        tasks: Name -> function that does some work and says how much.
        seconds: How long to go on, warm-up not counted.
        min_rounds: At least so many rounds.
    """
    for task in tasks.values():
        task()
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, rates.values())) < min_rounds:
        for name, task in tasks.items():
            time.sleep(_REST_SECONDS)
            task()
            begun = time.perf_counter()
            amount = task()
            rates[name].append(amount / (time.perf_counter() - begun))
    return {name: float(np.median(values)) for name, values in rates.items()}


def times_of(task: Callable[[], object], *, rounds: int) -> np.ndarray:
    """Seconds of each of some rounds, float64 (rounds,); one more goes before, for warming up."""
    task()
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        task()
        found.append(time.perf_counter() - begun)
    return np.array(found)


_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Watched:
    """A training that has run.

    Args:
        epoch_seconds: Of its fastest epoch.
        loss: Of its last epoch.
        peak_bytes: Most memory that was its own, the page cache left out; None where the system does not tell.
    """

    epoch_seconds: float
    loss: float
    peak_bytes: int | None


def watch_training(
    table: Path, store: Path, run: Path, *, head: str, epochs: int, device: str = "auto", **changes: float
) -> Watched:
    """`egoact train` with the default recipe, and changes of it by the names of its fields.

    Raises:
        RuntimeError: It failed.
    """
    flags = ["--segments", table, "--features", store, "--run", run, "--head", head, "--epochs", epochs]
    flags += ["--device", device]
    flags += [word for name, value in changes.items() for word in (f"--{name.replace('_', '-')}", value)]
    peak = watch([sys.executable, "-m", "egoact", "train", *map(str, flags)])
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Watched(min(float(row["seconds"]) for row in rows), float(rows[-1]["train_loss"]), peak)


def watch(command: Sequence[str]) -> int | None:
    """Run a command to its end; the most memory that was its own, bytes.

    Raises:
        RuntimeError: It failed; the message is the last line that it wrote.
    """
    return watch_output(command)[1]


def watch_output(command: Sequence[str]) -> tuple[str, int | None]:
    """As `watch`, with what the command printed before it.

    Raises:
        RuntimeError: As `watch`.
    """
    peak = None
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=subprocess.PIPE, text=True)
        try:
            while process.poll() is None:
                own = own_bytes(process.pid)
                peak = own if peak is None else max(peak, own or 0)
                time.sleep(_LOOK_SECONDS)
            _, complaint = process.communicate()
        finally:
            process.kill()
        if process.returncode:
            raise RuntimeError(complaint.strip().splitlines()[-1] if complaint.strip() else "the command failed")
        printed.seek(0)
        return printed.read(), peak


def own_bytes(pid: int) -> int | None:
    """Memory of a process that is not backed by files: the page cache of a memory map is not its own."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(sizes) if sizes else None
