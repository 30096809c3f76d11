"""A process that is asked to stop ends with 130 and one line, whenever that is and however often."""

import signal
import subprocess
import sys

import pytest

BEGINS = """
import atexit, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
def stop():
    signal.raise_signal(signal.{name})
"""
RUNS = """
sys.argv = ["egoact", "verify", "--features", "features"]
runpy.run_module("egoact", run_name="__main__", alter_sys=True)
"""
WORKS = """
from egoact.commands.data import verify
def work(settings):
    atexit.register(stop)
    try:
        exec("stop()")  # as in dataclasses: Python remembers a KeyboardInterrupt that leaves it
    finally:
        stop()
        print("in order", flush=True)
verify.verify = work
"""
TRANSLATES = """
from egoact.commands.data import verify
def work(settings):
    try:
        stop()
    except KeyboardInterrupt:
        raise RuntimeError("as OpenVINO does, while it converts a network")
verify.verify = work
"""
IMPORTS = """
class Finder:
    def find_spec(name, path, target=None):
        if name == "egoact.cli":
            stop()
sys.meta_path.insert(0, Finder)
"""
WAITS_FOR_A_THREAD = """
import threading, time
from egoact.commands.data import verify
def insist():
    while signal.getsignal(signal.SIGTERM).stopped_at is None:  # until it has done its work
        time.sleep(0.01)
    for _ in range(20):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.01)
def work(settings):
    threading.Thread(target=insist).start()
    return 0
verify.verify = work
"""
LOSES_PATIENCE = """
from egoact.core import stopping
stopping.PATIENCE_SECONDS = -1
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("does", "printed"),
    [(WORKS, "in order\n"), (TRANSLATES, ""), (IMPORTS, ""), (WORKS + LOSES_PATIENCE, "")],
    ids=["work", "library", "begin", "end"],
)
def test_a_stopped_process_says_so_once(does: str, printed: str, name: str) -> None:
    code = BEGINS.format(name=name) + does + RUNS
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == "egoact: stopped; the same command goes on from here\n"
    assert (done.returncode, done.stdout) == (130, printed)


@pytest.mark.parametrize(("patience", "code"), [("", 0), (LOSES_PATIENCE, 130)])
def test_a_process_that_has_done_its_work_is_not_disturbed_but_can_be_ended(patience: str, code: int) -> None:
    ends = BEGINS.format(name="SIGTERM") + WAITS_FOR_A_THREAD + patience + RUNS
    done = subprocess.run([sys.executable, "-c", ends], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("egoact: stopped")) == (code, int(code == 130))


def test_signals_are_answered_as_before_when_a_command_has_ended() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    from egoact.core.stopping import take_stops

    leave = take_stops()
    assert signal.getsignal(signal.SIGTERM) is not before[1]
    leave()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
