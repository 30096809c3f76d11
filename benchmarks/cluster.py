"""Share an extraction out to a Ray cluster of this machine: how it scales, and what is left when workers are killed.

    python benchmarks/cluster.py --what kills --videos FOLDER [--kills 10] [--driver-kills 2] [--s3]
    python benchmarks/cluster.py --what scaling --videos FOLDER

kills: workers and the command itself are killed (SIGKILL) at random moments while it computes, and it is begun again;
then every file is compared with those of a command that one machine ran and nobody killed. With --s3 features go to a
server of S3 on this machine (moto). scaling: one worker against two, by when their shards were written.
Needs Linux, and the extras ray and remote; --s3 also moto[server].
"""

import contextlib
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import fsspec
import tyro

from egoact.core.machine import describe_machine

_WORKER = re.compile(rb"ray::_RayWorker")


@dataclass(frozen=True)
class Settings:
    """What to measure, on which recordings."""

    videos: Path
    """Folder of recordings; a few seconds each will do."""
    what: Literal["kills", "scaling"] = "kills"
    """Which of the two."""
    kills: int = 10
    """Of workers."""
    driver_kills: int = 2
    """Of the command."""
    s3: bool = False
    """Features go to a bucket."""
    backbone: str = "efficientnet_lite0"
    """See egoact extract."""
    size: int = 256
    """Of pictures."""
    seed: int = 0
    """Of the moments at which to kill."""
    pause_seconds: float = 8.0
    """On average, from one kill to the next."""


def main(settings: Settings) -> int:
    print(f"machine: {describe_machine()}; load {os.getloadavg()[0]:.1f}", flush=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="egoact-cluster-")))
        if settings.s3:
            os.environ |= stack.enter_context(_server())
        if settings.what == "scaling":
            return _scale(settings, folder)
        return _kill(settings, folder)


@contextlib.contextmanager
def _server():
    """A server of S3 on this machine with one bucket; gives the environment that leads to it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    where = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "some", "AWS_SECRET_ACCESS_KEY": "some"}
    os.environ |= where
    fsspec.filesystem("s3", use_listings_cache=False).mkdir("bucket")
    try:
        yield where
    finally:
        server.stop()


def _command(settings: Settings, features: str, *more: str) -> list[str]:
    chosen = ("--backbone", settings.backbone, "--size", str(settings.size), "--device", "cpu")
    videos = ("--media", str(settings.videos), "--features", features)
    return [sys.executable, "-m", "egoact", "extract", *videos, *chosen, *more]


def _kill(settings: Settings, folder: Path) -> int:
    moments = random.Random(settings.seed)
    subprocess.run(_command(settings, str(folder / "one")), check=True)
    wanted = _contents(str(folder / "one"))
    features = "s3://bucket/features" if settings.s3 else str(folder / "shared")
    left = ["worker"] * settings.kills + ["driver"] * settings.driver_kills
    moments.shuffle(left)
    killed, ends, differing, begun = {"worker": 0, "driver": 0}, 0, 0, time.monotonic()
    while left or not ends:
        command = _command(settings, features, "--cluster", "ray", "--workers", "2")
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
        while driver.poll() is None and left:
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(moments.uniform(0, 2 * settings.pause_seconds))
            workers = _workers(driver.pid)
            if driver.poll() is not None or not workers:
                continue
            kind = left.pop()
            victim = driver.pid if kind == "driver" else moments.choice(workers)
            os.kill(victim, signal.SIGKILL)
            killed[kind] += 1
            print(f"{time.monotonic() - begun:6.1f} s: killed a {kind}", flush=True)
            if kind == "driver":
                break
        _, said = driver.communicate()
        if driver.returncode == -signal.SIGKILL:
            continue
        found, ends = _contents(features), ends + 1
        names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        differing += bool(names) or driver.returncode != 0
        print(
            f"{time.monotonic() - begun:6.1f} s: ended with {driver.returncode}, {len(names)} files differ {names[:3]}"
        )
        if driver.returncode:
            print(said.decode(errors="replace")[-500:])
        _remove(features)
    print(
        f"{killed['worker']} workers and {killed['driver']} commands killed, {ends} ends, {differing} of which differ "
        f"from one machine's {len(wanted)} files ({sum(map(len, wanted.values())):,} bytes)"
    )
    return 1 if differing else 0


def _scale(settings: Settings, folder: Path) -> int:
    os.environ |= {"RAY_worker_niceness": "0"}  # Ray's own is 15: others would take the cores
    rates, contents = [], []
    for workers in (1, 2):
        features = folder / f"with-{workers}"
        begun = time.monotonic()
        command = _command(settings, str(features), "--cluster", "ray", "--workers", str(workers))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
        ends = sorted(path.stat().st_mtime for path in features.glob("shards/*.npy"))
        rates.append((len(ends) - workers) / (ends[-1] - ends[workers - 1]))  # once all workers have begun
        contents.append(_contents(str(features)))
        print(
            f"{workers} workers: {seconds:.1f} s with the start of the cluster, then {rates[-1]:.3f} recordings/s; "
            f"load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(f"scaling: {rates[1] / rates[0]:.2f} x; same bytes: {contents[0] == contents[1]}")
    return 0 if contents[0] == contents[1] else 1


def _workers(driver: int) -> list[int]:
    """Processes of workers that a command has begun, or those that it began."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_bytes()

    def is_below(pid: int) -> bool:
        while pid in parents and pid != driver:
            pid = parents[pid]
        return pid == driver

    return sorted(pid for pid, name in names.items() if _WORKER.match(name) and is_below(pid))


def _contents(features: str) -> dict[str, bytes]:
    """Name and content of every file but locks."""
    files, root = fsspec.core.url_to_fs(features, use_listings_cache=False, skip_instance_cache=True)
    found = {path[len(root) + 1 :]: files.cat_file(path) for path in files.find(root)}
    return {name: content for name, content in found.items() if not name.endswith(".lock")}


def _remove(features: str) -> None:
    if features.startswith("s3:"):
        fsspec.filesystem("s3").rm(features, recursive=True)
    else:
        shutil.rmtree(features)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
