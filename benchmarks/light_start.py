"""How much an installation without extras takes on disk, and what `egoact live` costs until it is up.

python3 -m venv light && light/bin/pip install .
light/bin/python benchmarks/light_start.py --run EXPORTED --source VIDEO
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import distributions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="exported folder")
    parser.add_argument("--source", required=True, help="video file")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(f"{installed_bytes() / 1e6:.0f} MB installed, without pip")
    command = [sys.executable, "-m", "egoact", "live", "--run", chosen.run, "--source", chosen.source]
    seconds = [cpu_seconds([*command, "--max-seconds", "0.05"]) for _ in range(chosen.rounds)]
    print(f"egoact live until it is up: {statistics.median(seconds):.2f} s of CPU time, median of {chosen.rounds}")
    begun = time.perf_counter()
    child = subprocess.Popen([*command, "--jsonl", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout is not None
    line = child.stdout.readline()
    print(f"first answer after {time.perf_counter() - begun:.2f} s: {re.sub(chr(10), '', line)[:80]}")
    child.kill()
    print(
        f"most memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MiB; {os.cpu_count()} cores"
    )


def installed_bytes() -> int:
    """Of all packages but pip, compiled Python left aside."""
    used = [each for each in distributions() if each.metadata["Name"] not in ("pip", "setuptools", "wheel")]
    files = {str(file.locate()) for each in used for file in each.files or () if file.suffix != ".pyc"}
    return sum(os.stat(path).st_size for path in files if os.path.isfile(path))


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
