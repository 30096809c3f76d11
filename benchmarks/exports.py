"""Every format and precision of `egoact export` on real clips: agreement with torch, accuracy, time, size and memory.

    python benchmarks/exports.py --data FOLDER --out FOLDER [--backbone NAME --size 224] [--formats onnx litert]

FOLDER of data holds `segments.csv` (verbs) and `videos/`. A run with the head `average` is exported in every format
that is installed here, which proves it on clips. Then every recording is answered by a head that was fitted on features
of torch of the others, and sees features of the export. Times are of one core, all formats in turn in one process: the
median and the shortest of a frame, of a clip (its frames and the window graph), and of a frame with a step of a causal
segmenter, whose graph is float32. Memory is the peak of a process that only loads the folder and answers two clips.
What is in OUT is not made again, so that formats may be measured one after the other; the last call may name all.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import tyro

from egoact.core.annotations.labels import Vocabulary, build_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.machine import describe_machine
from egoact.engines.parity import compare_features, torch_features
from egoact.export.export import export_recognizer
from egoact.export.graphs import build_segmenter
from egoact.extraction.engine_choice import RealFrames
from egoact.media.sources import MediaRoot
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.runs.exported import ExportedFrames
from egoact.runs.graph_files import SUFFIXES, open_named_graph
from egoact.runs.loading import EngineChoice, Run, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig
from egoact.training.ridge import fit_ridge

NEEDED = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "litert_torch", "executorch": "executorch"}
PRECISIONS = {"litert": ("f32", "f16", "int8")}
TIMED_FRAMES = 40
PROBE = """
import sys
from pathlib import Path
import numpy as np
from egoact.core.machine import peak_memory_bytes
from egoact.runs.loading import load_run
made = load_run(Path(sys.argv[1]))
clip = np.zeros((made.config.num_frames, *made.config.backbone.input_size, 3), np.uint8)
for _ in range(2):
    made.recognizer.score(made.engine.run(clip)[0][None])
print(round(peak_memory_bytes() / 1e6))
"""
HEAD = (
    "| export | lowest cosine | same top-1 % | left out, top-1 % | frame, ms | clip | frame + step | MB | memory, MB |"
)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with segments.csv and videos/."""
    out: Path
    """Folder for exports and features."""
    backbone: str = "efficientnet_lite0"
    """As in egoact extract."""
    size: int = 224
    """As in egoact extract."""
    num_frames: int = 8
    """Frames of a clip."""
    formats: tuple[str, ...] = tuple(NEEDED)
    """Formats to measure."""


class Bench:
    """Clips, what torch makes of them, and exports of one run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.out = settings.out / f"{settings.backbone}-{settings.size}"
        self.out.mkdir(parents=True, exist_ok=True)
        self.table = read_segments(settings.data / "segments.csv")
        self.recordings = [segment.video_id for segment in sorted(self.table, key=_order)]
        self.backbone: Backbone = load_backbone(settings.backbone, size=settings.size)
        root = MediaRoot(settings.data / "videos")
        self.frames = RealFrames(root, list(self.table), self.backbone.spec.input_size)
        vocabulary = build_vocabulary(self.table, "verb")
        assert vocabulary is not None, "there are no verbs"
        self.vocabulary: Vocabulary = vocabulary

    @cached_property
    def clips(self) -> np.ndarray:
        """uint8 (N, T, H, W, 3)."""
        return self._kept("clips", lambda: self.frames.clips(len(self.table), num_frames=self.settings.num_frames))

    @cached_property
    def expected(self) -> np.ndarray:
        """Of torch, float32 (N, T, D)."""
        return self._kept("torch", lambda: np.stack([torch_features(self.backbone, clip) for clip in self.clips]))

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,)."""
        names = list(self.vocabulary.names)
        return np.array([names.index(segment.verb) for segment in sorted(self.table, key=_order)])

    def _kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        path = self.out / f"{name}.npy"
        if not path.exists():
            np.save(path, make())
        return np.load(path)

    def fit(self, rows: np.ndarray) -> Recognizer:
        """The head `average`, fitted in closed form on some clips."""
        config = RecognizerConfig(
            head="average",
            vocabularies={"verb": self.vocabulary},
            backbone=self.backbone.spec,
            num_frames=self.settings.num_frames,
            dropout=0.0,
        )
        torch.manual_seed(0)
        model, features = config.build(), torch.from_numpy(self.expected[rows])
        model.observe([features])
        recordings = [self.recordings[row] for row in rows]
        fit_ridge(model, [features], {"verb": self.labels[rows]}, recordings, num_channels=config.num_channels)
        return Recognizer(config, model)

    def accuracy(self, features: np.ndarray) -> float:
        """Top-1 %, every recording answered by a head that saw the others."""
        every = np.array(self.recordings)
        right = 0
        for left_out in sorted(set(self.recordings)):
            recognizer = self.fit(np.flatnonzero(every != left_out))
            rows = np.flatnonzero(every == left_out)
            right += int((recognizer.score(features[rows])["verb"].argmax(1) == self.labels[rows]).sum())
        return 100 * right / len(every)

    def export(self, format: str, precision: str) -> Path:
        """The folder of an export, made unless it is there."""
        out, run = self.out / f"{format}-{precision}", self.out / "run"
        if not (run / "config.json").exists():
            self.fit(np.arange(len(self.recordings))).save(run)
        if not (out / "export.json").exists():
            loaded: Run = load_run(run, EngineChoice())
            export_recognizer(loaded, out, format, self.frames, num_clips=8, precision=precision, has_whole=False)
        steps = self.out / f"{format}-steps"
        if not steps.exists():
            config = SegmenterConfig("causal", {"verb": self.vocabulary}, (self.backbone.spec,), rate=8)
            files = build_segmenter(format, config.build().eval(), ("verb",), num_channels=config.num_channels)
            steps.mkdir()
            for name, content in files.items():
                (steps / name).write_bytes(content)
        return out

    def features(self, out: Path) -> np.ndarray:
        """What an export makes of the clips."""
        run = ExportedFrames(out).run
        return self._kept(f"features-{out.name}", lambda: np.stack([run(clip) for clip in self.clips]))


def _order(segment: object) -> tuple[object, ...]:
    return segment.video_id, segment.start_seconds, segment.narration_id  # type: ignore[attr-defined]


class Timed:
    """What one export does, to be timed."""

    def __init__(self, out: Path) -> None:
        self.made, self.frames = load_run(out), ExportedFrames(out)
        format = self.frames.name.replace("onnxruntime", "onnx")
        self.step, shapes = open_named_graph(out.parent / f"{format}-steps", "step", format)
        self.state = {
            name: np.zeros((1, *shape[1:]), np.float32) for name, shape in shapes.items() if name != "features"
        }
        self.seconds: dict[str, list[float]] = {"frame": [], "clip": [], "frame + step": []}

    def run(self, clip: np.ndarray) -> None:
        """Once each."""
        for name, work in (("frame", self._frame), ("clip", self._clip), ("frame + step", self._step)):
            begun = time.perf_counter()
            work(clip)
            self.seconds[name].append(time.perf_counter() - begun)

    def _frame(self, clip: np.ndarray) -> None:
        self.frames.run(clip[:1])

    def _clip(self, clip: np.ndarray) -> None:
        self.made.recognizer.score(self.frames.run(clip)[None])

    def _step(self, clip: np.ndarray) -> None:
        self.step({"features": self.frames.run(clip[:1])} | self.state)


def memory(out: Path) -> str:
    """The peak of a process that answers with an export, in MB."""
    found = subprocess.run([sys.executable, "-c", PROBE, str(out)], capture_output=True, text=True, check=True)
    return found.stdout.split()[-1]


def measure(settings: Settings) -> None:
    """Print a row for every export."""
    bench = Bench(settings)
    print(f"{describe_machine()}; {len(bench.recordings)} clips of {settings.num_frames} frames")
    print(f"torch f32: {bench.accuracy(bench.expected):.1f} % of verbs")
    wanted = [format for format in settings.formats if find_spec(NEEDED[format])]
    pairs = [(format, precision) for format in wanted for precision in PRECISIONS.get(format, ("f32", "int8"))]
    whole = bench.fit(np.arange(len(bench.recordings)))
    expected = whole.score(bench.expected)["verb"].argmax(1)
    folders, rows = [], {}
    for format, precision in pairs:
        try:
            out = bench.export(format, precision)
        except ValueError as error:
            print(error)
            continue
        found = bench.features(out)
        agreement = compare_features(*(each.reshape(-1, each.shape[-1]) for each in (bench.expected, found)))
        same = 100 * float((whole.score(found)["verb"].argmax(1) == expected).mean())
        paths = [path for suffix in SUFFIXES[format] for path in out.glob(f"*{suffix}")]
        rows[out] = (
            f"{agreement.lowest:.4f} | {same:.1f} | {bench.accuracy(found):.1f}",
            f"{sum(path.stat().st_size for path in paths) / 1e6:.1f} | {memory(out)}",
        )
        folders.append(out)
    timed = {out: Timed(out) for out in folders}
    for number in range(TIMED_FRAMES):
        for each in timed.values():
            each.run(bench.clips[number % len(bench.clips)])
    print(HEAD)
    print("|---" * (HEAD.count("|") - 1) + "|")
    for out, (said, sizes) in rows.items():
        times = [f"{1000 * np.median(s):.1f} ({1000 * min(s):.1f})" for s in timed[out].seconds.values()]
        print(f"| {out.name} | {said} | {' | '.join(times)} | {sizes} |")


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any library counts the cores
    torch.set_num_threads(1)
    measure(tyro.cli(Settings))
