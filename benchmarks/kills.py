"""Kill commands at random moments, until what they left is finished: is it what commands write that nobody kills?

    python benchmarks/kills.py [--kills 200] [--signal KILL] [--seed 0] [--only train predict]

Commands run on short made recordings, with a backbone of random weights. Each is killed at a random
moment, begun again, and so on. Each time that it comes to its end, its folder is compared with that of a command that
was left alone, file by file, and the next round begins from nothing. With `--signal TERM` each is asked to end instead,
and must say in one line that it was stopped. Needs a system that can fork.
"""

import contextlib
import csv
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import av
import numpy as np
import tyro

from egoact.core.files import write_csv

TINY = ("--backbone", "tiny-random", "--size", "64", "--engine", "torch", "--precision", "f32")
FROM_STORE = ("--segments", "labels.csv", "--features", "features")
COMMANDS: dict[str, tuple[str, ...]] = {
    "extract": ("extract", "--media", "videos", "--features", "features", "--streams", "rgb", "motion", *TINY),
    "flow": ("flow", "--media", "videos", "--out", "flow", "--method", "dis", "--size", "32"),
    "train": ("train", *FROM_STORE, "--run", "run", "--recipe", "ridge"),
    "train lstm": (
        "train",
        *FROM_STORE,
        "--run",
        "run_lstm",
        "--streams",
        "rgb",
        "--head",
        "lstm",
        "--epochs",
        "20",
        "--folds",
        "2",
    ),
    "train-timeline": ("train-timeline", *FROM_STORE, "--run", "timeline_run", "--segmenter", "linear"),
    "tune": (
        "tune",
        *FROM_STORE,
        "--out",
        "search",
        "--trials",
        "3",
        "--folds",
        "2",
        "--heads",
        "average",
        "--fix",
        "epochs=2",
    ),
    "learning-curve": ("learning-curve", *FROM_STORE, "--out", "curve"),
    "evaluate": ("evaluate", "--run", "run", *FROM_STORE, "--out", "results"),
    "export": (
        "export",
        "--run",
        "run_lstm",
        "--out",
        "exported",
        "--segments",
        "labels.csv",
        "--media",
        "videos",
        "--precision",
        "f32",
    ),
    "predict": ("predict", "videos", "--run", "timeline_run", "--out", "timelines"),
}
"""What is called, from the folder in which everything lies; later ones take what earlier ones made."""
_IMPORTED = {"extract": ("egoact.extraction.networks",), "train": ("egoact.training.train",)}
_LIBRARIES = ("cv2", "lightning", "optuna", "sklearn.linear_model", "timm")  # of all others
LOG = "log.txt"
STOPPED = "egoact: stopped; the same command goes on from here\n"
LONGEST_STOP = 60.0  # seconds
NOT_COMPARED = re.compile(r"\.lock$|\.ckpt$|\.sqlite3$|events\.out")
"""Files that say when something was done: checkpoints, a study's trials, TensorBoard's."""


@dataclass(frozen=True)
class Settings:
    """How often to kill what."""

    kills: int = 200
    """All commands together."""
    signal: Literal["KILL", "TERM"] = "KILL"
    """What they are sent."""
    seed: int = 0
    """Of the moments."""
    only: tuple[str, ...] = ()
    """Some of the commands; the others are only run, where these need them."""
    folder: Path | None = None
    """To work in, and to keep; default: a temporary one."""


def main(settings: Settings) -> int:
    moments = random.Random(settings.seed)
    chosen = settings.only or tuple(COMMANDS)
    with contextlib.ExitStack() as stack:
        folder = settings.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        film(folder)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        import_everything()
        print("| command | seconds | kills | ends | ends that differ |\n|---|---|---|---|---|", flush=True)
        wrong = 0
        for name in COMMANDS:
            begun = time.monotonic()
            assert call(name, folder) == 0, (folder / LOG).read_text()
            seconds = time.monotonic() - begun
            if name not in chosen:
                continue
            share = settings.kills // len(chosen) + (chosen.index(name) < settings.kills % len(chosen))
            times = [moments.uniform(0, seconds) for _ in range(share)]
            ends, different = _kill(name, folder, times, signal.Signals[f"SIG{settings.signal}"], moments)
            wrong += len(different)
            print(f"| {name} | {seconds:.1f} | {share} | {ends} | {len(different)} |", flush=True)
            for difference in different:
                print(f"  {name}: {difference}", flush=True)
    return 1 if wrong else 0


def film(place: Path, *, count: int = 6, seconds: int = 12) -> None:
    """Some recordings in which one of two colours is shown now and then, and their labels; 4 seconds show both."""
    (place / "videos").mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, ...]] = [("video_id", "start_seconds", "stop_seconds", "verb")]
    for number in range(count):
        noise = np.random.default_rng(number)
        with av.open(str(place / f"videos/kitchen_{number}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height = 96, 64
            for step in range(10 * seconds):
                verb = (None, "open", None, "close")[step // 10 % 4]
                colour = {None: (120, 120, 120), "open": (220, 40, 40), "close": (40, 60, 220)}[verb]
                image = np.clip(noise.normal(colour, 12, (64, 96, 3)), 0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
                if verb and step % 10 == 0:
                    rows.append((f"kitchen_{number}", str(step / 10), str(step / 10 + 1), verb))
            container.mux(stream.encode())
    write_csv(place / "labels.csv", rows)


def _kill(
    name: str, folder: Path, times: list[float], number: signal.Signals, moments: random.Random
) -> tuple[int, list[str]]:
    """Kill a command after so many seconds each; how often it came to its end, and what was not as it should be."""
    out = folder / out_of(name)
    wanted = files_of(out)
    shutil.rmtree(out)
    left, ends, different = list(times), 0, []
    while True:
        begun = time.monotonic()
        code = call(name, folder, left[-1] if left else None, number)
        said = (folder / LOG).read_text()
        is_stopped = code == 130 and said.endswith(STOPPED) and "Traceback" not in said
        if code != 0:
            if not left or not (is_stopped or code == -number):
                different.append(f"ended with {code}: {said[-300:]}")
            if left:
                left.pop()
                continue
        ends += 1
        found = files_of(out)
        if found != wanted:
            names = sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))
            different.append(f"{len(names)} files differ: {', '.join(names)}")
        if not left:
            return ends, different
        left[-1] = moments.uniform(0, time.monotonic() - begun)  # it was over before its signal came
        shutil.rmtree(out, ignore_errors=True)


def call(name: str, folder: Path, limit: float | None = None, number: signal.Signals = signal.SIGKILL) -> int:
    """The exit code of a command in a process of its own, which gets a signal after `limit` seconds."""
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(folder)
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os._exit(_main(COMMANDS[name]))
    signals = [] if limit is None else [(limit, number), (limit + LONGEST_STOP, signal.SIGKILL)]
    begun = time.monotonic()
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if signals and time.monotonic() - begun >= signals[0][0]:
            os.kill(child, signals.pop(0)[1])
        time.sleep(0.002)


def _main(words: tuple[str, ...]) -> int:
    from egoact.cli import main as command_line

    try:
        command_line(list(words))
    except SystemExit as stop:
        return int(stop.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def import_everything(names: Iterable[str] = COMMANDS) -> None:
    """What commands need, once, so that kills hit their work, and not their imports."""
    import torch

    torch.set_num_threads(1)
    for module in {module for name in names for module in _IMPORTED.get(name, _LIBRARIES)}:
        import_module(module)


def out_of(name: str) -> str:
    words = COMMANDS[name]
    own = "--features" if name == "extract" else "--run" if words[0].startswith("train") else "--out"
    return words[words.index(own) + 1]


def files_of(folder: Path) -> dict[str, object]:
    return {name: content for name, content in _contents(folder) if not NOT_COMPARED.search(name)}


def _contents(folder: Path) -> Iterator[tuple[str, object]]:
    """Name and content of every file; without what was measured in seconds."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            yield name, _without_times(json.loads(path.read_text()))
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(path.read_text().splitlines()))
            yield name, [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
        elif path.is_file():
            yield name, path.read_bytes()


def _without_times(values: object) -> object:
    if isinstance(values, dict):
        return {key: _without_times(value) for key, value in values.items() if "second" not in key or "per" in key}
    return [_without_times(value) for value in values] if isinstance(values, list) else values


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
