"""A folder without place: one line, and later the same command goes on."""

import os
import subprocess
import sys

import pytest

from tests.makers.machines.places import ROOT


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system, as root on Linux")
def test_commands_say_that_there_is_no_place_and_go_on_later() -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "full_disk.py"), "--sizes", "3"]
    words += ["--recordings", "2", "--seconds", "4", "--only", "extract", "train"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    if "mount" in done.stderr and "CalledProcessError" in done.stderr:
        pytest.skip("file systems cannot be mounted here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| 0 |\n") == 2
