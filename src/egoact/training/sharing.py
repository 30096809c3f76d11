"""Runs that are trained side by side, shared out between the cores of this machine."""

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

from egoact.core.machine import may_have_gpu, num_cores
from egoact.core.processes import worker_processes


def share_out(train: Callable[[Sequence[Any]], None], runs: Sequence[Any], *, device: str) -> None:
    """Train runs in a process a core, this one among them; on a GPU all of them in this one.

    What the others print is printed at the end.

    Args:
        train: Trains some of them; it is pickled.
        runs: All of them.
        device: auto, cpu or cuda.
    """
    is_on_gpu = device == "cuda" or (device == "auto" and may_have_gpu())
    num_shares = 1 if is_on_gpu else min(num_cores(), len(runs))
    own, *others = [runs[number::num_shares] for number in range(num_shares)]
    with worker_processes(len(others)) as processes:
        waiting = [
            process.submit(_train_quietly, train, share, num_threads=num_cores() // num_shares)
            for process, share in zip(processes, others, strict=True)
        ]
        train(own)
        for each in waiting:
            print(each.result(), end="")


def _train_quietly(train: Callable[[Sequence[Any]], None], share: Sequence[Any], *, num_threads: int) -> str:
    """In another process; gives what was printed."""
    import torch

    torch.set_num_threads(num_threads)
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(io.StringIO()):
        train(share)
    return printed.getvalue()
