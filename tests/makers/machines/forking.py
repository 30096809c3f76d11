"""Workers of a test session, forked from one process that has imported the package and the libraries all of them need.

As a program, this is what pytest-xdist takes for a Python of its own: it hands its input and output to a child of that
process, and ends when the child does.
"""

import atexit
import contextlib
import gc
import importlib
import os
import pkgutil
import select
import shlex
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

LIBRARIES = (
    *("pandas", "torch", "torchvision", "sklearn.metrics", "scipy.stats", "matplotlib", "cv2", "lightning"),
    *("timm", "huggingface_hub.hf_api", "onnx", "optuna", "hypothesis", "playwright.sync_api"),
)


def begin(folder: Path, **environment: str) -> str:
    """Begin that process, which ends with this one, with a socket in a folder; gives the command of its children."""
    place = folder / "workers"
    program = [sys.executable, "-P", "-W", "ignore", __file__]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        process = subprocess.Popen(
            [*program, str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=os.environ | environment,
        )
    atexit.register(process.communicate)  # which closes its input
    return shlex.join([*program, str(place)])


def _serve(listener: socket.socket) -> None:
    _import_all()
    gc.freeze()
    while 0 not in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        streams = socket.recv_fds(connection, 1, 3)[1]
        if not os.fork():
            listener.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            return _become_worker()
        for each in streams:
            os.close(each)
        connection.close()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:  # what they took counts as taken by this session
            pass
    os._exit(0)


def _import_all() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import egoact

    with warnings.catch_warnings(action="error"):
        for module in pkgutil.walk_packages(egoact.__path__, "egoact.", onerror=lambda name: None):
            if not module.name.endswith("__main__"):
                with contextlib.suppress(Exception):  # a test imports it again, and says what is wrong
                    importlib.import_module(module.name)


def _become_worker() -> None:
    """What `python -c` does with the line that pytest-xdist gives it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = ["-c"]
    sys.modules["__main__"] = ModuleType("__main__")
    exec(eval(sys.stdin.readline()), vars(sys.modules["__main__"]))


def _hand_over(place: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        socket.send_fds(connection, [b"."], [0, 1, 2])
        with contextlib.suppress(ConnectionError):
            connection.recv(1)  # nothing, when the child ends


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key that ends pytest, which then ends its workers
    if sys.argv[1].isdecimal():
        _serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        _hand_over(sys.argv[1])
