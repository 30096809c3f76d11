import atexit
import gc
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tests.makers.films.kitchens import film_kitchen
from tests.makers.machines import forking
from tests.makers.machines.commands import small_commands
from tests.makers.machines.jobs import forked_jobs
from tests.makers.machines.processes import forked_workers
from tests.makers.machines.speeds import measured_engines

__all__ = ["film_kitchen", "forked_jobs", "forked_workers", "measured_engines", "small_commands"]

settings.register_profile("egoact", deadline=None)
settings.load_profile("egoact")

# Bytecode is kept even where the environment forbids it: workers and processes of tests would compile it anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Speeds of engines are measured once a test session, by whichever worker needs them first, and nothing is left in the
# user's own cache.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _cache = tempfile.TemporaryDirectory(prefix="egoact-tests-")
    os.environ["XDG_CACHE_HOME"] = _cache.name
else:
    atexit.register(os._exit, 0)  # runs last; taking PyTorch and all else apart, piece by piece, takes seconds
# Matplotlib's list of fonts takes a second to make; it would lie in the cache that is thrown away.
os.environ.setdefault("MPLCONFIGDIR", str(Path(__file__).parents[1] / "build" / "matplotlib"))
gc.disable()  # while modules are imported, of which nothing goes


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a quarter of the time tests wait for disks, processes, and recordings."""
    return min((os.cpu_count() or 1) + 1, 4)


def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Workers share the cores, so each computes on one thread; NumPy, which plugins import first, asks as it loads.

    Memory comes in larger pages (transparent huge pages), which takes a twentieth less of the processors' time.
    """
    environment = {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    python = forking.begin(Path(_cache.name), **environment) if sys.platform == "linux" else None
    for spec in specs:
        spec.env.update(environment)
        spec.python = python


@pytest.hookimpl(trylast=True)  # when what is not to run has been taken out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that take longest begin first, then files with slow ones: quick ones are left to fill the end.

    Each worker gets a stretch of the list, with some of each kind, and takes from others when it has done its own.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    longest = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    slow = {item.path for item in others if item.get_closest_marker("slow")}
    heavy = [item for item in others if item.path in slow]
    light = [item for item in others if item.path not in slow]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)  # as pytest-xdist deals them out
        stretch = longest[worker::workers]
        stretch += heavy[len(heavy) * worker // workers : len(heavy) * (worker + 1) // workers]
        num_light = max(size - len(stretch), 0)
        ordered += stretch + light[:num_light]
        del light[:num_light]
    items[:] = ordered + light


def pytest_collection_finish() -> None:
    """What was imported stays, and is looked through no more."""
    gc.freeze()
    gc.set_threshold(20_000)  # of what comes and goes, few things refer to each other
    gc.enable()


def pytest_unconfigure() -> None:
    """Some libraries complain at the very end of what is still there."""
    atexit.register(gc.unfreeze)


@pytest.fixture(scope="session", autouse=True)
def one_thread_a_worker() -> Iterator[None]:
    """ONNX Runtime's threads wait for each other at full speed, on cores that other workers want."""
    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            patch.setattr("egoact.engines.onnx_session.num_cores", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Power does not fail while tests run; what would survive is seen by `makers.machines.power`, in its place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def pictures_drawn_at_once() -> Iterator[None]:
    """Making room for each other takes a fifth of the time of a picture; tests of the report draw as users do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egoact.report.figures._HAS_LAYOUT", False)
        yield


@pytest.fixture(autouse=True)
def restored_randomness() -> Iterator[None]:
    """No test changes what the next one draws."""
    python, legacy = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")  # tests of the core do without it
    torch_state = None if torch is None else torch.get_rng_state()
    yield
    random.setstate(python)
    np.random.set_state(legacy)
    if torch is not None:
        torch.set_rng_state(torch_state)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For layers that are small a second thread costs more than it gains, most of all on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def photos() -> dict[str, np.ndarray]:
    """Real photographs, uint8 (256, 256, 3) RGB, from packages that bring some along."""
    import cv2
    from skimage import data
    from sklearn.datasets import load_sample_image

    found = {name: getattr(data, name)() for name in ("chelsea", "coffee", "astronaut", "rocket")}
    found |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return {name: cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA) for name, photo in found.items()}
