"""`python -m fuzz --minutes 10 [TARGET ...]`: all targets one after the other, each in a process of its own."""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from multiprocessing.context import ForkContext
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # which libraries read as they are imported

from fuzz.targets import TARGETS
from fuzz.worker import LONGEST_SECONDS, work

_START_SECONDS = 120.0
_MEMORY = Path("/dev/shm")  # files of which none has to survive


def try_target(
    processes: ForkContext, name: str, *, seconds: float, tries: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Fuzz one target: what the worker sent, or what ended it."""
    told, teller = processes.Pipe(duplex=False)
    asked = {"seconds": seconds, "tries": tries, "seed": seed, "folder": folder, "told": teller}
    process = processes.Process(target=work, args=(name,), kwargs=asked)
    process.start()
    teller.close()
    try:
        if not told.poll(seconds + LONGEST_SECONDS + _START_SECONDS):
            return _ended("hang", "the process did not answer", folder)
        return told.recv()
    except EOFError:
        process.join()
        path = folder.with_suffix(".txt")
        printed = path.read_text(encoding="utf-8", errors="replace")[-500:] if path.is_file() else ""
        return _ended("crash", f"the process ended with {process.exitcode}: {printed}", folder)
    finally:
        process.kill()
        process.join()


def _ended(kind: str, reason: str, folder: Path) -> dict[str, Any]:
    found = {"error": f"{kind}: {reason}", "trace": [], "file": "", "input": str(folder / "last")}
    return {"executions": 0, "refused": 0, "longest": 0, "found": found}


def main() -> int:
    """Run and tell; the exit code says whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz everything that reads foreign files.")
    parser.add_argument("targets", nargs="*", help=f"some of: {', '.join(TARGETS)}; none: all")
    parser.add_argument("--minutes", type=float, default=10.0, help="for all targets together")
    parser.add_argument("--tries", type=int, default=10**9, help="most tries of a target; with --seed always the same")
    parser.add_argument("--seed", type=int, default=None, help="the same tries again; by default others each time")
    parser.add_argument("--keep", type=Path, default=None, help="folder for inputs of findings")
    given = parser.parse_args()
    names = given.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    seed = given.seed if given.seed is not None else time.time_ns() % 2**32
    folder = given.keep or Path(tempfile.mkdtemp(prefix="egoact-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None))
    print(f"seed {seed}; inputs of findings: {folder}", flush=True)
    processes = multiprocessing.get_context("fork")  # which begin at once: all that they need is imported
    total, problems, longest = 0, 0, 0
    for name in names:
        seconds = 60 * given.minutes / len(names)
        said = try_target(processes, name, seconds=seconds, tries=given.tries, seed=seed, folder=folder / name)
        total, longest = total + said["executions"], max(longest, said["longest"])
        print(f"{name}: {said['executions']:,} executions, {said['refused']:,} refused", flush=True)
        if said["found"]:
            problems += 1
            print(json.dumps(said["found"], indent=2), flush=True)
    if not (problems or given.keep):
        shutil.rmtree(folder)
    print(f"{total:,} executions, {problems} findings, longest input {longest:,} bytes")
    return int(problems > 0)


if __name__ == "__main__":
    sys.exit(main())
