"""Runs a module as a job of the studio: `python -m egoact.studio.work.worker MODULE ARGUMENTS`.

It is the same command as a person types, but for two things: progress is told every second, for the studio to read, and
where the studio is killed, the command and all its processes go with it.
"""

import os
import runpy
import signal
import sys
import threading
import time

from egoact.core import progress

_LINE_SECONDS = 1.0
_LOOK_SECONDS = 0.5


def main() -> None:
    """Run the module as the main program."""
    if hasattr(os, "killpg"):
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    progress.LINE_SECONDS = _LINE_SECONDS
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(0, signal.SIGKILL)  # its own group: the studio begins a session for each job


if __name__ == "__main__":
    main()
