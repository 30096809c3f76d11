"""Runs that are trained side by side, shared out between the cores of this machine.

    process 0  | run 0 | run 1 | run 2, later epochs |        five runs, two cores: a run that two processes share
    process 1  | run 2, first epochs | run 3 | run 4 |        goes on from its checkpoint

Nobody is idle while somebody else has a run more (McNaughton's wrap-around rule: Scheduling with Deadlines and Loss
Functions, Management Science 6, 1959).
"""

import contextlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from egoact.core.machine import may_have_gpu, num_cores
from egoact.core.processes import worker_processes


class Train(Protocol):
    """Trains some of the runs; it is pickled."""

    def __call__(self, runs: Sequence[Any], *, until: float) -> None:
        """Train runs up to a share of their epochs, 1.0 being all of them, going on where they are."""


@dataclass(frozen=True)
class Share:
    """What a process does, one after the other.

    Args:
        begun: A run of which it does the first epochs, and what share of all of them; None: there is none.
        whole: Runs, side by side.
        ended: A run that the next process has begun.
    """

    begun: tuple[Any, float] | None
    whole: Sequence[Any]
    ended: Any = None


def share_out(train: Train, runs: Sequence[Any], *, device: str, is_divisible: bool = True) -> None:
    """Train runs in a process a core, this one among them; on a GPU all of them in this one.

    What the others print is printed at the end. Where runs are divisible, two processes may share one.
    """
    num_shares = num_processes(len(runs), device=device)
    if num_shares == 1:
        train(runs, until=1.0)
        return
    shares = divide(runs, num_shares) if is_divisible else [Share(None, runs[i::num_shares]) for i in range(num_shares)]
    has_begun: list[Future[None]] = [Future() for _ in (*shares, None)]
    with ThreadPoolExecutor(num_shares) as threads, worker_processes(num_shares - 1) as processes:

        def elsewhere(number: int) -> str:
            """Have a process do its share; gives what was printed there."""
            process, printed = processes[number - 1], io.StringIO()

            def do(part: Sequence[Any], until: float) -> None:
                done = process.submit(_train_quietly, train, part, until, num_threads=num_cores() // num_shares)
                printed.write(done.result())

            _do_share(shares[number], do, *has_begun[number : number + 2])
            return printed.getvalue()

        waiting = [threads.submit(elsewhere, number) for number in range(1, num_shares)]
        _do_share(shares[0], lambda part, until: train(part, until=until), *has_begun[:2])
        for each in waiting:
            print(each.result(), end="")


def num_processes(num_runs: int, *, device: str) -> int:
    """How many processes are to share some runs; on a GPU one, since several would wait for each other there."""
    is_on_gpu = device == "cuda" or (device == "auto" and may_have_gpu())
    return 1 if is_on_gpu else min(num_cores(), num_runs)


def divide(runs: Sequence[Any], num_shares: int) -> list[Share]:
    """Shares that take equally long; there must not be more of them than runs.

    >>> divide("abc", 2)
    [Share(begun=None, whole='a', ended='b'), Share(begun=('b', 0.5), whole='c', ended=None)]
    """
    size = Fraction(len(runs), num_shares)
    shares = []
    for number in range(num_shares):
        start, stop = number * size, (number + 1) * size
        first, last = -(-start.numerator // start.denominator), stop.numerator // stop.denominator
        begun = None if first == start else (runs[first - 1], float(first - start))
        shares.append(Share(begun, runs[first:last], None if last == stop else runs[last]))
    return shares


def _do_share(
    share: Share, do: Callable[[Sequence[Any], float], None], has_begun: "Future[None]", next_has_begun: "Future[None]"
) -> None:
    """Have a share done; what the next process is to begin is waited for."""
    try:
        if share.begun is not None:
            do([share.begun[0]], share.begun[1])
        has_begun.set_result(None)
    except BaseException as error:
        has_begun.set_exception(error)
        raise
    do(share.whole, 1.0)
    if share.ended is not None:
        next_has_begun.result()
        do([share.ended], 1.0)


def _train_quietly(train: Train, runs: Sequence[Any], until: float, *, num_threads: int) -> str:
    """In another process; gives what was printed."""
    import torch

    torch.set_num_threads(num_threads)
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
        train(runs, until=until)
    return printed.getvalue()
