"""Jobs of a studio that begin at once: processes forked from the one that has imported libraries for all workers."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

_CODE = """
import os, runpy, sys
told = os.dup(0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.setsid()
os.chdir({cwd!r})
os.environ.clear()
os.environ.update({env!r})
os.write(told, b"%d " % os.getpid())
if not (job := os.fork()):
    os.close(told)
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv[1:] = {arguments!r}
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
    sys.exit(0)
os.write(told, b"%d" % os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
os._exit(0)
"""


@pytest.fixture
def forked_jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How jobs begin without it is seen in `tests/studio/test_jobs.py`; where no workers are forked, so do these."""
    place = Path(os.environ["XDG_CACHE_HOME"], "workers")  # of `forking.begin`

    def begin(command: Sequence[str], **options: object) -> ForkedJob:
        return ForkedJob(place, command, **options)  # type: ignore[arg-type]

    if place.is_socket():
        stand_in = SimpleNamespace(Popen=begin, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
        monkeypatch.setattr("egoact.studio.work.jobs.subprocess", stand_in)
    yield


class ForkedJob:
    """What the studio asks of a process: `python -m MODULE ARGUMENTS` in a session of its own."""

    def __init__(
        self, place: Path, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: BinaryIO, **_: object
    ) -> None:
        assert list(command[:2]) == [sys.executable, "-m"]
        given = {"cwd": str(cwd), "env": dict(env), "module": command[2], "arguments": list(command[3:])}
        self._told, theirs = socket.socketpair()
        with socket.socket(socket.AF_UNIX) as server, theirs:
            server.connect(str(place))
            socket.send_fds(server, [b"."], [theirs.fileno(), stdout.fileno(), stdout.fileno()])
        self._told.sendall(f"{_CODE.format(**given)!r}\n".encode())
        pid = b""
        while not pid.endswith(b" "):
            assert (more := self._told.recv(1)), "the job did not begin"
            pid += more
        self.pid = int(pid)
        self.returncode: int | None = None
        self._told.setblocking(False)

    def poll(self) -> int | None:
        """The exit code, once it has ended."""
        if self.returncode is None:
            try:
                code = self._told.recv(9)
            except BlockingIOError:
                return None
            self._told.close()
            self.returncode = int(code) if code else -9
        return self.returncode
