"""The report's pipeline in Keras and in eager PyTorch, against ours: the same frames, in one run, in turns.

    pip install -c constraints.txt '.[bench]'
    python benchmarks/peers.py [--clips 24] [--seconds 60] [--weights FILE] [--kitchen FOLDER]

All have MobileNetV2, 256 x 256, and ConvNet1D for 97 verbs and 300 nouns. Their way of training
runs the frozen backbone in every epoch, on frames that lie decoded in memory; ours is `egoact extract` from MP4 files,
once, and `egoact train`: loading and compiling count for all.
"""

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import nn

from egoact.core import epic
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.media import MediaRoot
from egoact.engines import Engine, check_parity, load_engine
from egoact.kitchen import make_kitchen
from egoact.models.backbones import Backbone, load_backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.stages._bench_results import describe_machine
from egoact.stages._bench_sample import read_sample
from egoact.stages._bench_timing import take_turns
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.train import TrainSettings, train

NUM_FRAMES = 20
SIZE = 256
WIDTH = 1280
BATCH_CLIPS = 8
NUM_EPOCHS = 3
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


def keras_peer() -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], None], Callable[..., None]]:
    """The report's model in Keras on TensorFlow, compiled to a graph: features, one answer, training."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf

    backbone = keras.applications.MobileNetV2((SIZE, SIZE, 3), include_top=False, weights=None, pooling="avg")
    backbone.trainable = False

    clips = keras.Input((NUM_FRAMES, SIZE, SIZE, 3), dtype="uint8")
    frames = keras.ops.reshape(keras.ops.cast(clips, "float32") / 127.5 - 1, (-1, SIZE, SIZE, 3))
    x = keras.ops.reshape(backbone(frames, training=False), (-1, NUM_FRAMES, WIDTH))
    for _ in range(4):
        for _ in range(2):
            x = keras.layers.BatchNormalization()(keras.layers.Conv1D(10, 3)(x))
        x = keras.layers.LeakyReLU(negative_slope=0.01)(x)
    x = keras.layers.BatchNormalization()(keras.layers.Conv1D(100, 4)(x))
    x = keras.layers.Flatten()(keras.layers.LeakyReLU(negative_slope=0.01)(x))
    answers = {name: keras.layers.Dense(n, activation="softmax", name=name)(x) for name, n in NUM_CLASSES.items()}
    model = keras.Model(clips, answers)
    model.compile(keras.optimizers.Adam(1e-3), {name: "sparse_categorical_crossentropy" for name in NUM_CLASSES})

    @tf.function(reduce_retracing=True)
    def extract_features(frames: Any) -> Any:
        return backbone(tf.cast(frames, tf.float32) / 127.5 - 1, training=False)

    answer_graph = tf.function(lambda clip: model(clip, training=False))

    def fit(clips: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        model.fit(clips, labels, batch_size=BATCH_CLIPS, epochs=NUM_EPOCHS, verbose=0)

    return (
        lambda frames: extract_features(tf.constant(frames)).numpy(),
        lambda clip: answer_graph(tf.constant(clip[None])),
        fit,
    )


def torch_peer(
    module: nn.Module,
) -> tuple[Callable[[np.ndarray], Any], Callable[[np.ndarray], Any], Callable[..., None]]:
    """The same in eager PyTorch, as most people would write it."""
    model = ActionClassifier(
        build_head("convnet1d", feature_shape=(WIDTH,), num_frames=NUM_FRAMES), num_classes=NUM_CLASSES
    )

    def features(frames: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return module(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1)

    def answer(clip: np.ndarray) -> Any:
        model.eval()
        with torch.no_grad():
            return {name: logits.softmax(1) for name, logits in model(features(clip)[None]).items()}

    def fit(clips: np.ndarray, labels: dict[str, np.ndarray]) -> None:
        optimizer = torch.optim.Adam(model.parameters(), 1e-3)
        model.train()
        for _ in range(NUM_EPOCHS):
            for start in range(0, len(clips), BATCH_CLIPS):
                chosen = slice(start, start + BATCH_CLIPS)
                seen = features(clips[chosen].reshape(-1, SIZE, SIZE, 3)).unflatten(0, (-1, NUM_FRAMES))
                losses = [
                    nn.functional.cross_entropy(logits, torch.from_numpy(labels[name][chosen]))
                    for name, logits in model(seen).items()
                ]
                optimizer.zero_grad()
                torch.stack(losses).sum().backward()
                optimizer.step()

    return features, answer, fit


def our_engines(backbone: Backbone, frames: np.ndarray) -> dict[str, Engine]:
    """OpenVINO in every precision that this machine offers."""
    engines = {}
    spec = backbone.spec
    for precision in ("f32", "bf16", "int8"):
        try:
            engines[precision] = load_engine(
                backbone.module,
                input_size=spec.input_size,
                mean=spec.mean,
                std=spec.std,
                engine="openvino",
                precision=precision,
                device="cpu",
                calibration=frames[:64] if precision == "int8" else None,
            )
        except ValueError as error:
            print(f"egoact has no {precision} here: {error}")
    return engines


def our_answer(engine: Engine) -> Callable[[np.ndarray], Any]:
    """From a clip of frames to probabilities."""
    head = build_head("convnet1d", feature_shape=(WIDTH,), num_frames=NUM_FRAMES)
    model = ActionClassifier(head, num_classes=NUM_CLASSES).eval()

    def answer(clip: np.ndarray) -> Any:
        with torch.inference_mode():
            logits = model(torch.from_numpy(engine.run(clip))[None])
            return {name: values.softmax(1) for name, values in logits.items()}

    return answer


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


def tell_agreement(engines: dict[str, Engine], module: nn.Module, frames: np.ndarray, spec: Any) -> None:
    """How near each engine's features are to torch's in float32, and whether egoact would take them."""
    for precision, engine in engines.items():
        try:
            found = check_parity(engine, module, frames[:16], mean=spec.mean, std=spec.std)
        except ValueError as error:
            print(f"{precision}: refused: {error}")
        else:
            print(f"{precision}: cosine {found.cosine:.5f}, lowest of a frame {found.lowest:.5f}")


def compare_speed(peers: dict[str, Any], frames: np.ndarray, seconds: float) -> None:
    """Frames a second and clip latency, in turns."""
    batch, clip = frames[:16], frames[:NUM_FRAMES]
    features = {name: lambda f=f: (f(batch), 16.0)[1] for name, (f, _) in peers.items()}
    answers = {name: lambda f=f: (f(clip), 1.0)[1] for name, (_, f) in peers.items()}
    rates = take_turns(features, seconds=seconds / 2)
    clips = take_turns(answers, seconds=seconds / 2)
    first = next(iter(peers))
    print(f"\n| MobileNetV2, 256 x 256 | frames/s | x {first} | clip latency, ms | x {first} |\n|---|---|---|---|---|")
    for name in peers:
        faster, sooner = rates[name] / rates[first], clips[name] / clips[first]
        print(f"| {name} | {rates[name]:.0f} | {faster:.1f} | {1000 / clips[name]:.1f} | {sooner:.1f} |")


def compare_training(rows: dict[str, float], num_clips: int) -> None:
    """Seconds for 3 epochs."""
    first = next(iter(rows))
    print(f"\n| {NUM_EPOCHS} epochs over {num_clips} clips, ConvNet1D | s | x {first} |\n|---|---|---|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.1f} | {rows[first] / seconds:.1f} |")


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root, table = find_clips(folder, settings.kitchen, num_clips=settings.clips)
        frames = read_sample(root, table, count=NUM_FRAMES * len(table), size=(SIZE, SIZE))
        weights = settings.weights or random_weights(folder)
        backbone = load_backbone("mobilenet_v2", weights=weights, size=SIZE)
        engines = our_engines(backbone, frames)
        keras_features, keras_answer, keras_fit = keras_peer()
        eager_features, eager_answer, eager_fit = torch_peer(backbone.module)
        print(f"{describe_machine()}; {len(table)} clips of {NUM_FRAMES} frames", flush=True)
        peers = {"Keras graph": (keras_features, keras_answer), "eager PyTorch": (eager_features, eager_answer)}
        peers |= {f"egoact {precision}": (engine.run, our_answer(engine)) for precision, engine in engines.items()}
        tell_agreement(engines, backbone.module, frames[:: max(1, len(frames) // 16)], backbone.spec)
        compare_speed(peers, frames, settings.seconds)
        random = np.random.default_rng(0)
        clips = frames.reshape(len(table), NUM_FRAMES, SIZE, SIZE, 3)
        labels = {name: random.integers(n, size=len(table)) for name, n in NUM_CLASSES.items()}
        rows = {}
        for name, fit in (("Keras graph", keras_fit), ("eager PyTorch", eager_fit)):
            begun = time.perf_counter()
            fit(clips, labels)
            rows[name] = time.perf_counter() - begun
        for precision in engines:
            try:
                with tempfile.TemporaryDirectory(dir=folder) as scratch:
                    ours = time_ours(Path(scratch), root, table, weights, precision)
            except ValueError as error:
                print(f"\n{precision}: {error}")
                continue
            name = f"egoact {precision}: extract {ours['extract']:.1f} s, train {ours['train']:.1f} s"
            rows[name] = sum(ours.values())
        compare_training(rows, len(table))


if __name__ == "__main__":
    main(tyro.cli(Settings))
