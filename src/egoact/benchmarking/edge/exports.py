"""Runs in every format and precision that can be made and run here, each exported and measured on one core.

FOLDER/NAME         the export, NAME being RUN-FORMAT-PRECISION
FOLDER/NAME.npz     what it says of the segments
FOLDER/NAME.json    how long it takes; with it, an export is not measured again
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from egoact.benchmarking.edge.questions import Questions
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import InputError, MediaError
from egoact.core.files import make_folder, read_json, write_json
from egoact.core.machine import describe_machine
from egoact.core.progress import working
from egoact.media.sources import MediaRoot
from egoact.runs.exported import is_export

NUM_ROUNDS = 200
_MOST_WAITING = 1.5  # times the CPU time that a step may last on a core of its own
PRECISIONS = {
    "onnx": ("f32", "f16", "int8"),
    "openvino": ("f32", "int8"),
    "litert": ("f32", "f16", "int8"),
    "executorch": ("f32", "int8"),
}
PACKAGES = {
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "litert": ("litert_torch", "ai_edge_litert"),
    "executorch": ("executorch",),
}
"""What makes a format, and runs it."""


@dataclass(frozen=True)
class Variant:
    """A run in a format and a precision of its backbone; `run_name` is what tables call the run."""

    run: Path
    format: str
    precision: str
    run_name: str

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.run_name}-{self.format}-{self.precision}"


@dataclass(frozen=True)
class Measured:
    """How a variant does here.

    Args:
        pixels: Height of its frames.
        megabytes: All files of the export.
        milliseconds: Median of a step on one core: a frame to its features, the last ones to an answer.
        memory_megabytes: The most that a process with it has had; None where the system does not say.
        accuracy: Percent of so many that were judged, as `Questions.accuracy` has it, by `Questions.criterion`.
        cores: How many cores the process kept to.
    """

    variant: Variant
    folder: Path
    pixels: int
    megabytes: float
    milliseconds: float
    cpu_milliseconds: float
    memory_megabytes: float | None
    accuracy: float
    criterion: str
    num_judged: int
    cores: int

    @property
    def is_disturbed(self) -> bool:
        """Whether others had the core for a good part of the time."""
        return self.milliseconds > _MOST_WAITING * self.cpu_milliseconds

    def describe(self) -> str:
        """In one line."""
        alone = f" ({self.cpu_milliseconds:.1f} of the CPU: others use this core)" if self.is_disturbed else ""
        cost = f"{self.milliseconds:.1f} ms{alone}, {self.megabytes:.1f} MB"
        return f"{self.variant.name}: {cost}, accuracy {self.accuracy:.1f} %"


@dataclass(frozen=True)
class Budget:
    """What a step and the files, see `Measured`, may take; None: whatever it takes."""

    milliseconds: float | None
    megabytes: float | None

    def excess(self, measured: Measured) -> float:
        """How many times over the budget it is; up to 1 it is within."""
        parts = ((measured.milliseconds, self.milliseconds), (measured.megabytes, self.megabytes))
        return max(spent / most for spent, most in parts if most is not None)

    def __str__(self) -> str:
        units = ((self.milliseconds, "ms"), (self.megabytes, "MB"))
        return " and ".join(f"{most:g} {unit}" for most, unit in units if most is not None)


def choose(found: Sequence[Measured], budget: Budget) -> Measured:
    """The most accurate within a budget, of equals the fastest; if there is none, a `ValueError` names the nearest."""
    within = [measured for measured in found if budget.excess(measured) <= 1]
    if not within:
        nearest = min(found, key=budget.excess)
        raise ValueError(f"nothing is within {budget}; the nearest is {nearest.describe()}")
    return max(within, key=lambda measured: (measured.accuracy, -measured.milliseconds))


def list_variants(runs: Sequence[Path], *, format: str | None = None, precision: str | None = None) -> list[Variant]:
    """What can be made and run here, of one format or precision or of all; a `ValueError` if there is nothing."""
    is_clear = len({run.name for run in runs}) == len(runs)
    names = [run.name if is_clear else f"{number}-{run.name}" for number, run in enumerate(runs, 1)]
    found = [
        Variant(run, kind, each, name)
        for run, name in zip(runs, names, strict=True)
        for kind, precisions in PRECISIONS.items()
        if format == kind or (format is None and is_installed(kind))  # egoact export says what it lacks
        for each in precisions
        if precision in (None, each)
    ]
    if not found:
        raise ValueError(f"no {format or 'format'} in {precision or 'any precision'} can be made and run here")
    return found


def is_installed(format: str) -> bool:
    """Whether a format can be made and run here."""
    return all(map(find_spec, PACKAGES[format]))


@dataclass(frozen=True, eq=False)
class Edge:
    """A measurement of so many steps, about labelled segments or others; exports go into `folder`.

    What is as in `Workload` is for the command: `command`, `media`, `segments` and `weights`.
    """

    command: Callable[..., tuple[str, int]]
    folder: Path
    root: MediaRoot
    media: Sequence[Path]
    table: SegmentTable
    segments: Sequence[Path]
    rounds: int = NUM_ROUNDS
    weights: Path | None = None

    def measure(self, variants: Sequence[Variant]) -> tuple[list[Measured], list[str]]:
        """Export and measure each; what cannot be is told, and the others go on.

        Returns:
            Those that could be measured, and a line for each other one.

        Raises:
            InputError: Runs or recordings that cannot be used.
            ValueError: Not one could be measured, or the runs answer different questions.
        """
        found: list[Measured] = []
        refusals: list[str] = []
        make_folder(self.folder)
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            runs = dict.fromkeys(variant.run for variant in variants)
            asked = {run: Questions(run, self.root, self.table, Path(place)) for run in runs}
            if len({(each.targets, tuple(each.labels)) for each in asked.values()}) > 1:
                raise ValueError("these runs do not answer the same (verb, noun or both); compare those that do")
            for number, variant in enumerate(variants, 1):
                try:
                    measured = self._measure(variant, asked[variant.run])
                except MediaError:
                    raise
                except (ValueError, InputError) as error:
                    refusals.append(f"{variant.name}: {error}")
                    print(f"{number}/{len(variants)} left out: {refusals[-1]}", file=sys.stderr)
                else:
                    found.append(measured)
                    print(f"{number}/{len(variants)} {measured.describe()}", flush=True)
        if not found:
            raise ValueError(f"nothing could be measured; {refusals[0]}")
        return found, refusals

    def _measure(self, variant: Variant, asked: Questions) -> Measured:
        out = self.folder / variant.name
        noted, key = out.with_name(f"{variant.name}.json"), self._key(variant)
        if not (noted.is_file() and is_export(out) and read_json(noted).get("key") == key):
            noted.unlink(missing_ok=True)
            flags = {"run": variant.run, "out": out, "segments": tuple(self.segments), "media": tuple(self.media)}
            flags |= {"format": variant.format, "precision": variant.precision, "weights": self.weights}
            with working(f"edge: exporting {variant.name}"), redirect_stdout(io.StringIO()):
                self.command("export", **flags, whole=False)
            with working(f"edge: measuring {variant.name}"):
                clips, rows = asked.clips
                write_json(noted, {"key": key, "rows": rows, **self._time(out, clips, len(rows))})
        values = read_json(noted)
        with np.load(out.with_name(f"{variant.name}.npz")) as scores:
            accuracy, num_judged = asked.accuracy(dict(scores), values["rows"], is_reference=variant.precision == "f32")
        peak = values["peak_bytes"]
        return Measured(
            variant,
            out,
            pixels=asked.spec.input_size[0],
            megabytes=sum(path.stat().st_size for path in out.iterdir()) / 1e6,
            memory_megabytes=None if peak is None else peak / 1e6,
            accuracy=accuracy,
            criterion=asked.criterion,
            num_judged=num_judged,
            **{name: values[name] for name in ("milliseconds", "cpu_milliseconds", "cores")},
        )

    def _key(self, variant: Variant) -> str:
        """Changes with whatever a measurement depends on."""
        files = sorted(path for path in variant.run.iterdir() if path.suffix in (".json", ".safetensors"))
        parts = [path.read_bytes() for path in files]
        table = [(s.narration_id, s.video_id, s.start_seconds, s.stop_seconds) for s in self.table]
        asked = (self.rounds, table, describe_machine(), variant.name)
        return hashlib.sha256(b"".join([*parts, repr(asked).encode()])).hexdigest()

    def _time(self, out: Path, clips: Path, count: int) -> dict[str, Any]:
        scores = out.with_name(f"{out.name}.npz")
        words = ["-m", "egoact.benchmarking.edge.answers", out, clips, count, scores, self.rounds]
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *map(str, words)], env=env, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"it cannot answer: {(done.stderr.strip().splitlines() or ['it was ended'])[-1]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))
