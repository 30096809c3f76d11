"""This machine: processor, cores, memory, installed packages, and where to keep what can be made again."""

import os
import platform
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def may_have_gpu() -> bool:
    """Whether there is anything like a GPU driver; sure only of a no, and quicker than asking torch."""
    return sys.platform == "win32" or any(Path(p).exists() for p in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))


def processor_name() -> str:
    """As the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware")))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def describe_machine() -> str:
    """Processor, cores and memory in one line."""
    cores, memory = num_cores(), ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB"
    return f"{processor_name()}, {cores} core{'s' if cores != 1 else ''}{memory}, {platform.system()}"


def peak_memory_bytes() -> int | None:
    """The most memory that this process has had; None where the system does not say."""
    with suppress(OSError, StopIteration):  # what getrusage tells on Linux may be of the process that started this one
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "egoact"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "egoact" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "egoact"
    return Path.home() / ".cache" / "egoact"


@cache
def package_version(package: str) -> str | None:
    """Of an installed package; None where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
