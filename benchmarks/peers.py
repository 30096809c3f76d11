"""The report's pipeline in Keras and in eager PyTorch, against ours: the same frames, in one run, in turns.

Each has a process of its own, since threads of one library go on spinning on cores that the next one wants.

    pip install -c constraints.txt '.[bench]'
    python benchmarks/peers.py [--clips 24] [--seconds 60] [--weights FILE] [--kitchen FOLDER]

All have MobileNetV2, 256 x 256, and ConvNet1D for 97 verbs and 300 nouns. Their way of training
runs the frozen backbone in every epoch, on frames that lie decoded in memory; ours is `egoact extract` from MP4 files,
once, and `egoact train`: loading and compiling count for all.
"""

import contextlib
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import nn

from egoact.benchmarking.engines import count_flops, peak_tasks
from egoact.benchmarking.measuring import take_turns
from egoact.benchmarking.workload import read_sample
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.epic import facts as epic
from egoact.core.machine import describe_machine
from egoact.engines.loading import load_engine
from egoact.engines.parity import compare_features, torch_features
from egoact.kitchen import make_kitchen
from egoact.media.sources import MediaRoot
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head

NUM_FRAMES = 20
SIZE = 256
WIDTH = 1280
BATCH_FRAMES = 16
BATCH_CLIPS = 8
NUM_EPOCHS = 3
PRECISIONS = ("f32", "bf16", "int8")
NUM_CLASSES = {"verb": epic.NUM_VERBS, "noun": epic.NUM_NOUNS}


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    clips: int = 24
    """Clips to train on, 3 epochs."""
    seconds: float = 60.0
    """For the frames a second and latencies, which go in turns."""
    weights: Path | None = None
    """MobileNetV2's weights for PyTorch and for us, as in egoact extract; default: random ones, whose features in bf16
    or int8 may be too far from float32's for egoact to extract with."""
    kitchen: Path | None = None
    """Folder that egoact kitchen made; default: a small one is filmed."""


Tools = dict[str, Callable[..., Any]]
_TOOLS: Tools = {}


class Peer:
    """A process that can do some things, for which it prepares once.

    Args:
        prepare: Gives name -> function; runs there.
        given: Its arguments.
    """

    def __init__(self, prepare: Callable[..., Tools], *given: Any) -> None:
        self._process = new_process()
        self._process.submit(_prepare, prepare, given).result()

    def do(self, what: str) -> Any:
        """What the function of that name gives."""
        return self._process.submit(_do, what).result()

    def stop(self) -> None:
        """End the process."""
        self._process.shutdown()


def new_process() -> ProcessPoolExecutor:
    """One that has loaded nothing but this file."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _prepare(prepare: Callable[..., Tools], given: tuple) -> None:
    _TOOLS.update(prepare(*given))


def _do(what: str) -> Any:
    return _TOOLS[what]()


def prepare_keras(frames_file: Path, labels: dict[str, np.ndarray]) -> Tools:
    """The report's model in Keras on TensorFlow, compiled to graphs."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf

    frames = np.load(frames_file)
    clips = frames.reshape(-1, NUM_FRAMES, SIZE, SIZE, 3)
    backbone = keras.applications.MobileNetV2((SIZE, SIZE, 3), include_top=False, weights=None, pooling="avg")
    backbone.trainable = False
    given = keras.Input((NUM_FRAMES, SIZE, SIZE, 3), dtype="uint8")
    pixels = keras.ops.reshape(keras.ops.cast(given, "float32") / 127.5 - 1, (-1, SIZE, SIZE, 3))
    x = keras.ops.reshape(backbone(pixels, training=False), (-1, NUM_FRAMES, WIDTH))
    for _ in range(4):
        for _ in range(2):
            x = keras.layers.BatchNormalization()(keras.layers.Conv1D(10, 3)(x))
        x = keras.layers.LeakyReLU(negative_slope=0.01)(x)
    x = keras.layers.BatchNormalization()(keras.layers.Conv1D(100, 4)(x))
    x = keras.layers.Flatten()(keras.layers.LeakyReLU(negative_slope=0.01)(x))
    answers = {name: keras.layers.Dense(n, activation="softmax", name=name)(x) for name, n in NUM_CLASSES.items()}
    model = keras.Model(given, answers)
    model.compile(keras.optimizers.Adam(1e-3), {name: "sparse_categorical_crossentropy" for name in NUM_CLASSES})
    run_backbone = tf.function(lambda batch: backbone(tf.cast(batch, tf.float32) / 127.5 - 1, training=False))
    run_model = tf.function(lambda clip: model(clip, training=False))
    return {
        "frames": lambda: len(run_backbone(tf.constant(frames[:BATCH_FRAMES])).numpy()),
        "clip": lambda: len(run_model(tf.constant(clips[:1]))["verb"].numpy()),
        "fit": lambda: len(model.fit(clips, labels, batch_size=BATCH_CLIPS, epochs=NUM_EPOCHS, verbose=0).epoch),
    }


def prepare_torch(frames_file: Path, labels: dict[str, np.ndarray], weights: Path) -> Tools:
    """The same in eager PyTorch, as most people would write it."""
    frames = np.load(frames_file)
    module = load_backbone("mobilenet_v2", weights=weights, size=SIZE).module
    model = build_model()

    def features(frames: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return module(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1)

    def answer() -> int:
        model.eval()
        with torch.no_grad():
            return len(to_probabilities(model(features(frames[:NUM_FRAMES])[None]))["verb"])

    def fit() -> int:
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        model.train()
        num_clips = len(frames) // NUM_FRAMES
        for _ in range(NUM_EPOCHS):
            for start in range(0, num_clips, BATCH_CLIPS):
                chosen = slice(start, start + BATCH_CLIPS)
                batch = frames[start * NUM_FRAMES : (start + BATCH_CLIPS) * NUM_FRAMES]
                losses = [
                    nn.functional.cross_entropy(logits, torch.from_numpy(labels[name][chosen]))
                    for name, logits in model(features(batch).unflatten(0, (-1, NUM_FRAMES))).items()
                ]
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()
        return NUM_EPOCHS

    return {"frames": lambda: len(features(frames[:BATCH_FRAMES])), "clip": answer, "fit": fit}


def prepare_ours(frames_file: Path, weights: Path, precision: str) -> Tools:
    """OpenVINO in one precision, and the head in one thread, as `egoact live` has it."""
    torch.set_num_threads(1)
    frames = np.load(frames_file)
    engine = load_engine(
        load_backbone("mobilenet_v2", weights=weights, size=SIZE),
        engine="openvino",
        precision=precision,
        device="cpu",
        calibration=frames[:64] if precision == "int8" else None,
    )
    model = build_model().eval()

    def answer() -> int:
        with torch.inference_mode():
            return len(to_probabilities(model(torch.from_numpy(engine.run(frames[:NUM_FRAMES]))[None]))["verb"])

    return {
        "frames": lambda: len(engine.run(frames[:BATCH_FRAMES])),
        "clip": answer,
        "features": lambda: engine.run(spread(frames)),
    }


def prepare_peaks() -> Tools:
    """Products of large matrices: operations a second that no network can exceed."""
    return {f"peak {precision}": task for precision, task in peak_tasks("cpu").items()}


def build_model() -> ActionClassifier:
    """Ours of the report's ConvNet1D."""
    head = build_head("convnet1d", feature_shape=(WIDTH,), num_frames=NUM_FRAMES)
    return ActionClassifier(head, num_classes=NUM_CLASSES)


def to_probabilities(logits: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of each target."""
    return {name: values.softmax(1) for name, values in logits.items()}


def spread(frames: np.ndarray) -> np.ndarray:
    """16 of some frames."""
    return frames[np.linspace(0, len(frames) - 1, 16).round().astype(int)]


def random_weights(folder: Path) -> Path:
    """MobileNetV2 as torchvision initialises it, in a file that `--weights` takes."""
    import torchvision
    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = torchvision.models.mobilenet_v2().state_dict()
    path = folder / "random.safetensors"
    save_file({name: t for name, t in state.items() if name.startswith("features.")}, path)
    return path


def find_clips(folder: Path, kitchen: Path | None, *, num_clips: int) -> tuple[MediaRoot, SegmentTable]:
    """The recordings of a kitchen, and the first of its training clips."""
    if kitchen is None:
        kitchen = folder / "kitchen"
        make_kitchen(kitchen, num_videos=4, segments_per_video=-(-num_clips // 3))
    lines = (kitchen / "train.csv").read_text(encoding="utf-8").splitlines()
    chosen = folder / "chosen.csv"
    chosen.write_text("\n".join(lines[: 1 + num_clips]) + "\n", encoding="utf-8")
    return MediaRoot(kitchen / "videos"), read_segments(chosen)


def time_ours(folder: Path, root: MediaRoot, table: SegmentTable, weights: Path, precision: str) -> dict[str, float]:
    """Seconds of `extract` and of 3 epochs of `train`, both from a standing start."""
    features, run = folder / f"features-{precision}", folder / f"run-{precision}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        begun = time.perf_counter()
        extract(
            ExtractSettings(
                segments=table.path,
                media=root.folders,
                features=features,
                backbone="mobilenet_v2",
                weights=weights,
                engine="openvino",
                precision=precision,  # type: ignore[arg-type]
            )
        )
        between = time.perf_counter()
        train(
            TrainSettings(
                segments=table.path,
                features=(features,),
                run=run,
                head="convnet1d",
                epochs=NUM_EPOCHS,
                batch_size=BATCH_CLIPS,
            )
        )
    return {"extract": between - begun, "train": time.perf_counter() - between}


def tell_agreement(ours: dict[str, Peer], backbone: Backbone, frames: np.ndarray) -> None:
    """How near each engine's features are to torch's in float32, and whether egoact would take them."""
    expected = torch_features(backbone, spread(frames))
    for name, peer in ours.items():
        found = compare_features(expected, peer.do("features"))
        refused = found.complaint(name.rpartition(" ")[2])
        print(f"{name}: cosine {found.cosine:.5f}, lowest of a frame {found.lowest:.5f}; {refused or 'taken'}")


def compare_speed(peers: dict[str, Peer], peaks: Peer, flops: int, seconds: float) -> None:
    """Frames a second and clip latency, in turns, beside what the cores could multiply."""
    tasks: dict[str, Callable[[], float]] = {name: partial(peer.do, "frames") for name, peer in peers.items()}
    bounds = {precision: f"peak {precision}" for precision in PRECISIONS}
    rates = take_turns(tasks | {name: partial(peaks.do, name) for name in bounds.values()}, seconds=seconds / 2)
    clips = take_turns({name: partial(peer.do, "clip") for name, peer in peers.items()}, seconds=seconds / 2)
    first = next(iter(peers))
    print(f"\n| MobileNetV2, 256 x 256 | frames/s | x {first} | clip latency, ms | x {first} |\n|---|---|---|---|---|")
    for name in peers:
        faster, sooner = rates[name] / rates[first], clips[name] / clips[first]
        print(f"| {name} | {rates[name]:.0f} | {faster:.1f} | {1000 / clips[name]:.1f} | {sooner:.1f} |")
    for precision, name in bounds.items():
        most = rates[name] / flops
        print(f"| matrix products in {precision}: {rates[name] / 1e9:.0f} GFLOP/s | {most:.0f} | ", end="")
        print(f"{most / rates[first]:.1f} | | |")


def compare_training(rows: dict[str, float], num_clips: int) -> None:
    """Seconds for 3 epochs."""
    first = next(iter(rows))
    print(f"\n| {NUM_EPOCHS} epochs over {num_clips} clips, ConvNet1D | s | x {first} |\n|---|---|---|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.1f} | {rows[first] / seconds:.1f} |")


def start_ours(frames_file: Path, weights: Path) -> dict[str, Peer]:
    """In every precision that this machine offers."""
    ours = {}
    for precision in PRECISIONS:
        try:
            ours[f"egoact {precision}"] = Peer(prepare_ours, frames_file, weights, precision)
        except ValueError as error:
            print(f"egoact has no {precision} here: {error}")
    return ours


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        root, table = find_clips(folder, settings.kitchen, num_clips=settings.clips)
        frames = read_sample(root, table, count=NUM_FRAMES * len(table), size=(SIZE, SIZE))
        frames_file = folder / "frames.npy"
        np.save(frames_file, frames)
        random = np.random.default_rng(0)
        labels = {name: random.integers(n, size=len(table)) for name, n in NUM_CLASSES.items()}
        weights = (settings.weights or random_weights(folder)).resolve()
        theirs = {
            "Keras graph": Peer(prepare_keras, frames_file, labels),
            "eager PyTorch": Peer(prepare_torch, frames_file, labels, weights),
        }
        ours, peaks = start_ours(frames_file, weights), Peer(prepare_peaks)
        for peer in (*theirs.values(), *ours.values(), peaks):
            stack.callback(peer.stop)
        backbone = load_backbone("mobilenet_v2", weights=weights, size=SIZE)
        print(f"{describe_machine()}; {len(table)} clips of {NUM_FRAMES} frames", flush=True)
        tell_agreement(ours, backbone, frames)
        compare_speed(theirs | ours, peaks, count_flops(backbone), settings.seconds)
        rows = {}
        for name, peer in theirs.items():
            begun = time.perf_counter()
            peer.do("fit")
            rows[name] = time.perf_counter() - begun
        for name in ours:
            try:
                with tempfile.TemporaryDirectory(dir=folder) as scratch, new_process() as fresh:
                    precision = name.rpartition(" ")[2]
                    spent = fresh.submit(time_ours, Path(scratch), root, table, weights, precision).result()
            except ValueError as error:
                print(f"\n{name}: {error}")
                continue
            rows[f"{name}: extract {spent['extract']:.1f} s, train {spent['train']:.1f} s"] = sum(spent.values())
        compare_training(rows, len(table))


if __name__ == "__main__":
    main(tyro.cli(Settings))
