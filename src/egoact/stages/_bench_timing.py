"""Timing several things against each other: in turns, so that a busy moment of the machine hurts all of them alike."""

import time
from collections.abc import Callable, Mapping

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
