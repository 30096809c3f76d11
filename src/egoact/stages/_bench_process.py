"""A command of egoact in a process of its own, watched: how long its epochs take, and how much memory it has."""

import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Watched:
    """A training that has run.

    Args:
        epoch_seconds: Of its fastest epoch.
        peak_bytes: Most memory that was its own, the page cache left out; None where the system does not tell.
    """

    epoch_seconds: float
    peak_bytes: int | None


def watch_training(table: Path, store: Path, run: Path, *, head: str, epochs: int) -> Watched:
    """`egoact train` with the default recipe.

    Raises:
        RuntimeError: It failed.
    """
    flags = ["--segments", table, "--features", store, "--run", run, "--head", head, "--epochs", epochs]
    peak = watch([sys.executable, "-m", "egoact", "train", *map(str, flags)])
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return Watched(min(seconds), peak)


def watch(command: Sequence[str]) -> int | None:
    """Run a command to its end; the most memory that was its own, bytes.

    Raises:
        RuntimeError: It failed; the message is the last line that it wrote.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = None
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
    return peak


def own_bytes(pid: int) -> int | None:
    """Memory of a process that is not backed by files: the page cache of a memory map is not its own."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(sizes) if sizes else None
