"""Timing several things against each other: in turns, so that a busy moment of the machine hurts all of them alike.

A command of egoact in a process of its own, watched: what it prints, and how much memory it has.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

Task = Callable[[], float]

_REST_SECONDS = 0.1  # threads of many libraries go on spinning for a while, on cores that the next one wants
_LOOK_SECONDS = 0.05


def take_turns(tasks: Mapping[str, Task], *, seconds: float, min_rounds: int = 3) -> dict[str, float]:
    """How much of its unit each task does in a second: the median over rounds in which each has its turn.

    A task does some work and says how much. A turn is a rest, a run that is not timed, which fills caches and wakes
    threads, and one that is. They go on for so many seconds, warm-up not counted, and at least so many rounds.
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


def watch(command: Sequence[str]) -> int | None:
    """As `watch_output`, without what the command printed."""
    return watch_output(command)[1]


def watch_output(command: Sequence[str]) -> tuple[str, int | None]:
    """Run a command to its end; what it printed, and the most memory that was its own, bytes.

    Raises:
        RuntimeError: It failed; the message is the last line that it wrote.
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
