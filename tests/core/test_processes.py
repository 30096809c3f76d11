"""Processes beside this one end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from egoact.core.processes import worker_processes

STARTS_ONE = """
import os, signal, time
from egoact.core.processes import worker_processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
with worker_processes(1) as (process,):
    print(process.submit(os.getpid).result(), flush=True)
    process.submit(time.sleep, 600)
    time.sleep(600)
"""


def wait_for_end(pid: int) -> None:
    """A process that is nobody's child any more is taken away by init, when that gets round to it."""
    for _ in range(200):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} goes on")


RUNS_A_PROGRAM = """
import signal, sys
from egoact.core.processes import run_process
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    run_process([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")
def test_ctrl_c_is_answered_once_where_a_program_runs() -> None:
    """A terminal sends it to both."""
    words = [sys.executable, "-c", RUNS_A_PROGRAM]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        program = int(process.stdout.readline())
        try:
            os.killpg(process.pid, signal.SIGINT)
            wait_for_end(program)
            assert (process.wait(20), process.stderr.read()) == (130, "")
        finally:
            process.kill()


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_they_end_with_the_one_that_started_them(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        try:
            parent.send_signal(how)
            wait_for_end(worker)
            assert parent.wait(20) != 0
        finally:
            parent.kill()


def test_an_error_does_not_wait_for_them() -> None:
    begun = time.monotonic()
    with pytest.raises(KeyError), worker_processes(2) as processes:
        for process in processes:
            process.submit(time.sleep, 600)
        raise KeyError
    assert time.monotonic() - begun < 300


def test_what_they_raise_is_raised_here() -> None:
    with worker_processes(1) as (process,):
        assert process.submit(os.getpid).result() != os.getpid()
        with pytest.raises(ZeroDivisionError):
            process.submit(divmod, 1, 0).result()


INTERRUPTS_ITSELF = """
import os, signal, sys
if "--multiprocessing-fork" in sys.argv:
    os.kill(os.getpid(), signal.SIGINT)
"""
WAITS_FOR_ONE = """
import signal
from egoact.core.processes import worker_processes
signal.signal(signal.SIGINT, signal.default_int_handler)
with worker_processes(1) as (process,):
    print(process.submit(divmod, 7, 2).result())
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows does not send Ctrl-C to what is not there yet")
def test_ctrl_c_does_not_disturb_one_that_starts(tmp_path: Path) -> None:
    """A terminal sends it to all processes; the one that started them ends them."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTS_ITSELF)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path}
    words = [sys.executable, "-c", WAITS_FOR_ONE]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(3, 1)\n", "")
