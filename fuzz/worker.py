"""One target in a process of its own, with little memory.

Whatever is tried is written down before, so that the input is known even of what ends the process.
"""

import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from egoact.core.bounds import is_hidden
from egoact.core.errors import InputError
from fuzz.mutation import change, smallest
from fuzz.targets import TARGETS, Target

LONGEST_SECONDS = 10.0
MEMORY_BYTES = 2 * 2**30
_LONGEST_MESSAGE = 3000


class Hang(BaseException):
    """An answer took too long; no `Exception`, so that no reader can take it for a problem of the file."""


class Trials:
    """Trials of one target in a folder, with what is counted of them."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.folder = target, folder
        self.valid = folder / "valid"
        shutil.rmtree(folder, ignore_errors=True)
        self.valid.mkdir(parents=True)
        target.make(self.valid)
        self.paths = sorted(path for path in self.valid.rglob(target.changes) if path.is_file())
        self.contents = [path.read_bytes() for path in self.paths]
        self.executions = self.refused = self.longest = 0
        target.read(self.valid)  # what is valid is read

    def run(self, content: bytes, number: int) -> BaseException | None:
        """Read the files with one of them changed; gives what was raised where that is a finding."""
        (self.folder / "last").write_bytes(content)
        path = self.paths[number]
        path.write_bytes(content)
        self.executions += 1
        self.longest = max(self.longest, len(content))
        signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
        try:
            self.target.read(self.valid)
        except InputError as error:
            self.refused += 1
            message = str(error)
            is_clear = not any(is_hidden(c) for c in message) and len(message) < _LONGEST_MESSAGE
            return None if is_clear else AssertionError(f"not one clear line: {message[:300]!r}")
        except ValueError:
            self.refused += 1
        except (Exception, Hang) as error:
            return error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            path.write_bytes(self.contents[number])
        return None


def _limit_memory() -> None:
    own = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _stop(*_: object) -> NoReturn:
    raise Hang(f"no answer after {LONGEST_SECONDS:g} s")


def fuzz(trials: Trials, *, seconds: float, tries: int, first_seed: int) -> dict[str, Any] | None:
    """Try so many changed files, or until the time is over; gives the smallest input of what was found, or None."""
    dice, end = random.Random(first_seed), time.monotonic() + seconds
    while time.monotonic() < end and trials.executions < tries:
        number = dice.randrange(len(trials.paths))
        content = change(dice, trials.contents[number], trials.contents)
        error = trials.run(content, number)
        if error is None:
            continue
        if not isinstance(error, Hang):
            content = smallest(content, lambda other: type(trials.run(other, number)) is type(error))  # noqa: B023
        (trials.folder / "finding").write_bytes(content)
        return {
            "error": f"{type(error).__name__}: {str(error)[:500]}",
            "trace": traceback.format_exception(error)[-4:],
            "file": str(trials.paths[number].relative_to(trials.valid)),
            "input": str(trials.folder / "finding"),
        }
    return None


def work(name: str, *, seconds: float, tries: int, seed: int, folder: Path, told: Connection) -> None:
    """Fuzz a target, and send what happened; what readers print goes into `FOLDER.txt`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".txt").open("w") as printed:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(printed.fileno(), stream.fileno())
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _stop)
    trials = Trials(TARGETS[name], folder)
    _limit_memory()
    found = fuzz(trials, seconds=seconds, tries=tries, first_seed=seed)
    counts = {"executions": trials.executions, "refused": trials.refused, "longest": trials.longest}
    told.send({**counts, "found": found})
