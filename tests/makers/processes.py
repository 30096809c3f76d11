"""Processes of `egoact` to be killed, which begin at once: what they import is imported once."""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

TRAINING = ("egoact.training.train", "egoact.models.heads", "pandas")


def begin(words: Sequence[str], *, printed: Path, importing: Sequence[str]) -> BaseProcess:
    """Run `egoact` in a process of its own; what it prints goes into a file.

    It is forked from a server; the first who begins one says what is imported there.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *importing])
    process = context.Process(target=_run, args=(words, printed, dict(os.environ)))
    process.start()
    return process


def _run(words: Sequence[str], printed: Path, environment: dict[str, str]) -> None:
    from egoact.cli import main

    os.environ |= environment
    with printed.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    main(list(words))
