"""Processes of `egoact` to be killed, which begin at once: what they import is imported once."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import pytest

_TRAINING = ("egoact.training.train", "egoact.models.heads", "pandas", "lightning.fabric")
_STUDIO = ("egoact.commands.start.studio", "egoact.studio.application")


def begin(words: Sequence[str], *, printed: Path, errors: Path | None = None) -> BaseProcess:
    """Run `python -m egoact` in a process of its own, forked from a server; what it prints goes into a file, or two."""
    process = _forking().Process(target=_run, args=(words, printed, errors, dict(os.environ)))
    process.start()
    return process


@pytest.fixture(scope="module")
def forked_workers() -> Iterator[None]:
    """Workers of trainings are forked, too; how they begin without it is seen in `tests/core/test_processes.py`."""
    with pytest.MonkeyPatch.context() as patch:
        forking = SimpleNamespace(get_context=lambda method: _forking())
        patch.setattr("egoact.core.processes.multiprocessing", forking)
        yield


def _forking() -> ForkServerContext:
    """One server for all tests of a worker, so it imports what any of them needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *_TRAINING, *_STUDIO])
    return context


def _run(words: Sequence[str], printed: Path, errors: Path | None, environment: dict[str, str]) -> None:
    os.environ |= environment
    with printed.open("w") as file, nullcontext(file) if errors is None else errors.open("w") as other:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(other.fileno(), sys.stderr.fileno())
    sys.argv = ["egoact", *words]
    runpy.run_module("egoact", run_name="__main__", alter_sys=True)
