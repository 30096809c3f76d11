"""Everything that a machine with a GPU is asked, each figure beside the limit that the same run measures and its aim.

    python benchmarks/gpu.py [--device cuda] [--weights FILE] [--segments FILE --media FOLDER] [--parts training]

checks: features of the device, of what it decodes and of the store, against those of the processor and PyAV. engines:
frames a second from host memory, by every engine that is installed, beside those of the compiled network on frames that
lie on the device, and beside what copies move. decode: NVDEC by torchcodec, 1 to 8 recordings at the same time, beside
PyAV. training: seconds an epoch of `egoact train` on as many clips as EPIC-KITCHENS-100 has, and the loss that it comes
to, on the device and on the CPU, beside a loop that does nothing but the matrix products. extract: from MP4 to a store,
beside decoding alone and the network alone; without --segments on recordings of the built-in kitchen. With `--device
cpu --quick` it runs in a minute anywhere, to try the script; torchcodec is left out where it is not installed.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro

from egoact.benchmarking import extract
from egoact.benchmarking.decode import count_decoded
from egoact.benchmarking.engines import copy_tasks, finish, network_task
from egoact.benchmarking.scale import NUM_CLIPS
from egoact.benchmarking.train import NUM_FRAMES, WIDTH, classifier_task, make_store, watch_training
from egoact.benchmarking.workload import Workload
from egoact.core.defaults import RATE
from egoact.core.errors import MediaError
from egoact.core.machine import num_cores
from egoact.core.sampling import step_times
from egoact.engines.loading import load_engine, tune_batch
from egoact.engines.parity import check_parity, compare_features
from egoact.extraction.decoding import Decoders, VideoJob, choose_decoders
from egoact.media.video.device_reader import DeviceReader
from egoact.media.video.reader import read_video_frames
from egoact.models.backbones.registry import Backbone, load_backbone

HEADS = ("difference", "convnet1d", "lstm")
# Rates of AdamW grow with the square root of the batch: Malladi et al. 2022, arXiv:2205.10287.
BATCHES = {32: 1e-3, 512: 4e-3}
AIM_ENGINE = 22_000  # frames/s, MobileNetV2 at 256 pixels on one H100
AIM_SHARE = 0.8  # of frames on the device; of the slower of decoding and network
AIM_EPOCH = 1.0  # seconds, 67,217 clips, pooled heads
AIM_COSINE = 0.999
AIM_DECODED = 0.995  # colours are rounded in other ways: 0.997 to 0.999 for torchcodec on a processor
AIM_PICTURE = 4.0  # of 255, mean over a picture
ENGINES = (("torch", ("f32", "bf16", "f16")), ("onnxruntime", ("f32",)), ("tensorrt", ("f32", "f16")))


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    device: Literal["cuda", "cpu"] = "cuda"
    """Where."""
    backbone: str = "mobilenet_v2"
    """As in egoact extract."""
    weights: Path | None = None
    """As in egoact extract."""
    segments: Path | None = None
    """Of recordings to extract."""
    media: tuple[Path, ...] = ()
    """Their folders."""
    parts: tuple[Literal["checks", "engines", "decode", "training", "extract"], ...] = (
        "checks",
        "engines",
        "decode",
        "extract",
        "training",
    )
    """What."""
    quick: bool = False
    """Few frames, clips and recordings: to try the script."""

    def load(self) -> Backbone:
        """A backbone of its own for each engine, which takes its module along."""
        return load_backbone(self.backbone, weights=self.weights, size=64 if self.quick else 256)

    @property
    def size(self) -> tuple[int, int]:
        """Of frames, pixels."""
        return (64, 64) if self.quick else (256, 256)

    def workload(self, folder: Path) -> Workload:
        """Recordings, in a folder where those of the kitchen are filmed."""
        return Workload(
            out=folder,
            segments=self.segments,
            media=self.media,
            backbone_name=self.backbone,
            weights=self.weights,
            size=self.size[0],
            engine_name="torch" if self.device == "cpu" else "auto",
            device=self.device,
            is_quick=self.quick,
        )

    def aim(self, value: float) -> float | None:
        """What a GPU is to reach; of a processor nothing."""
        return value if self.device == "cuda" else None

    @cached_property
    def reader(self) -> DeviceReader | None:
        """Decodes on the device; None where torchcodec is not there, which is said."""
        try:
            return DeviceReader(self.device)
        except ValueError as error:
            print(f"left out: {error}")
            return None


def tell(
    name: str, found: float, unit: str, *, aim: float | None = None, is_most: bool = False, more: str = ""
) -> None:
    """Print a figure, and whether it is what was aimed for."""
    text = f"{name}: {found:,.5g} {unit}".rstrip()
    if aim is not None:
        is_reached = found <= aim if is_most else found >= aim
        text += f" (aim: {'at most' if is_most else 'at least'} {aim:,g}, {'reached' if is_reached else 'NOT reached'})"
    print(f"{text}{more and '; '}{more}", flush=True)


def rate(work: Callable[[], object], count: int, settings: Settings) -> float:
    """Items a second of `work`, which does `count` of them."""
    work()
    finish(settings.device)
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < (0.2 if settings.quick else 2.0):
        work()
        finish(settings.device)
        done += count
    return done / (time.perf_counter() - begun)


@contextmanager
def recordings(settings: Settings) -> Iterator[list[VideoJob]]:
    """Whole recordings, `RATE` moments a second."""
    with tempfile.TemporaryDirectory() as folder:
        root, _ = settings.workload(Path(folder)).recordings()
        times = partial(step_times, (60 if settings.quick else 24 * 3600) * RATE, rate=RATE)
        yield [VideoJob(root.find(video_id), times, to_end=True) for video_id in root.video_ids]


def check_all(settings: Settings) -> None:
    """Pictures and features, device against processor."""
    if settings.reader is None:
        return
    reference = load_engine(settings.load(), engine="torch", precision="f32", device="cpu")
    engine = load_engine(settings.load(), engine="torch", precision="f32", device=settings.device)
    number = 20 if settings.quick else 200
    lowest, same, furthest, on_device, count = 1.0, 1.0, 0.0, 0, 0
    with recordings(settings) as jobs:
        for job in jobs:
            times = job.times()[:number]
            how = {"size": settings.size}
            right = list(islice(read_video_frames(job.source.path, times, **how), number))
            found = list(settings.reader.read(job.source.path, times, **how))
            both = [(a, b) for (_, a), (_, b) in zip(right, found, strict=True)]
            is_same = [p for p, _ in right] == [p for p, _ in found]
            if not is_same or any(type(a) is not type(b) for a, b in both if isinstance(a, MediaError)):
                raise RuntimeError(f"{job.source.path}: other pictures answer")
            pairs = [(a, b) for a, b in both if isinstance(a, np.ndarray)]
            expected = np.stack([a for a, _ in pairs])
            given = [torch.as_tensor(b, device=settings.device) for _, b in pairs]
            on_device += sum(isinstance(b, torch.Tensor) for _, b in pairs)
            count += len(pairs)
            pictures = torch.stack(given)
            off = np.abs(pictures.cpu().numpy().astype(int) - expected).reshape(len(expected), -1).mean(1)
            features = reference.run(expected)
            lowest = min(lowest, compare_features(features, engine.start(pictures)()).lowest)  # type: ignore[attr-defined]
            same = min(same, compare_features(features, engine.run(expected)).lowest)
            furthest = max(furthest, float(off.max()))
    print(f"checks: {count} pictures, {on_device} of them decoded by torchcodec on {settings.device}")
    tell("largest mean difference of a picture to PyAV's, of 255", furthest, "", aim=AIM_PICTURE, is_most=True)
    tell("lowest cosine to torch in f32 on the CPU, PyAV's pictures computed there", same, "", aim=AIM_COSINE)
    tell("the same, decoded and computed there", lowest, "", aim=AIM_DECODED)


def measure_engines(settings: Settings) -> None:
    """Every engine and precision, from host memory."""
    device, number = settings.device, 16 if settings.quick else 512
    frames = np.random.default_rng(0).integers(0, 256, (number, *settings.size, 3), dtype=np.uint8)
    many = np.concatenate([frames] * (2 if settings.quick else 8))
    for name, task in copy_tasks(frames, device).items():
        tell(name, rate(task, number, settings), "frames/s")
    limit = 0.0
    for precision in ("bf16",) if device == "cpu" else ("bf16", "f16"):
        task = network_task(settings.load(), frames, precision=precision, device=device, is_compiled=not settings.quick)
        found = rate(task, number, settings)
        limit = max(limit, found)
        tell(f"{settings.backbone}, {precision}, compiled, frames on the device", found, "frames/s")
    best = 0.0
    for name, precisions in ENGINES:
        for precision in precisions:
            if name == "torch" and device == "cpu" and precision == "f16":
                continue
            for is_compiled in (False, True) if name == "torch" and not settings.quick else (False,):
                best = max(best, measure_engine(settings, name, precision, many, limit, is_compiled=is_compiled))
    tell("best engine from host memory", best, "frames/s", aim=settings.aim(AIM_ENGINE))
    tell("the same, as a share of frames on the device", best / limit, "", aim=settings.aim(AIM_SHARE))


def measure_engine(
    settings: Settings, name: str, precision: str, frames: np.ndarray, limit: float, *, is_compiled: bool
) -> float:
    """Frames a second of one engine, replayed as a graph or not; 0 where it is not there or not near enough."""
    backbone = settings.load()
    try:
        how = {"engine": name, "precision": precision, "device": settings.device}
        engine = load_engine(backbone, **how, is_compiled=is_compiled)
        tune_batch(engine, settings.load(), device=settings.device)
    except ValueError as error:
        print(f"{name} in {precision}: {error}")
        return 0.0
    best = 0.0
    for replays in (False, True) if name == "torch" and settings.device == "cuda" else (None,):
        if replays is not None:
            engine.replays = replays  # type: ignore[attr-defined]
        found = rate(lambda: engine.run(frames), len(frames), settings)
        try:
            agreed = f"lowest cosine {check_parity(engine, settings.load(), frames[:16]).lowest:.5f}"
            best = max(best, found)
        except ValueError as error:
            agreed = str(error)
        ways = [way for way, is_so in (("compiled", is_compiled), ("as a graph", replays)) if is_so]
        share = f"{found / limit:.0%} of frames on the device, batches of {engine.batch_size}"
        tell(f"{name}, {precision}, {', '.join(ways) or 'as it is'}", found, "frames/s", more=f"{share}; {agreed}")
    return best


def measure_decoding(settings: Settings) -> None:
    """PyAV by all cores, torchcodec by some decoders, and both."""
    with recordings(settings) as jobs:
        jobs = jobs * (1 if settings.quick else max(1, 16 // len(jobs)))
        count = partial(count_decoded, jobs, size=settings.size[0], num_workers=num_cores(), device=settings.device)

        def decode(name: str, decoders: Decoders | None) -> float:
            begun = time.perf_counter()
            found = count(decoders=decoders) / (time.perf_counter() - begun)
            tell(f"decoding {len(jobs)} recordings, {name}", found, "pictures/s that are shown")
            return found

        decode(f"PyAV, {num_cores()} workers", None)
        if settings.reader is not None:
            for number in (1,) if settings.quick else (1, 2, 4, 8):
                decode(f"torchcodec, {number} at the same time", Decoders(settings.reader, number, is_helped=False))
            place = "cuda" if settings.device == "cuda" else "cpu"
            decode("both, as extract chooses", choose_decoders("auto", place=place, num_workers=1, is_whole=True))


def measure_training(settings: Settings) -> None:
    """Seconds an epoch and loss, of the device and of the CPU."""
    num_clips = 256 if settings.quick else NUM_CLIPS
    with tempfile.TemporaryDirectory() as folder:
        table, store = make_store(Path(folder), num_clips=num_clips)
        for head in HEADS:
            for device in dict.fromkeys((settings.device, "cpu")):
                for size, learning_rate in BATCHES.items() if device == settings.device else [(32, 1e-3)]:
                    run = Path(folder) / f"{head}_{device}_{size}"
                    how = {"batch_size": size, "learning_rate": learning_rate}
                    found = watch_training(table, store, run, head=head, epochs=3, device=device, **how)
                    name = f"{head} on {device}, batches of {size}, an epoch of {num_clips:,} clips"
                    aim = AIM_EPOCH if device == "cuda" and size == 512 else None
                    tell(name, found.epoch_seconds, "s", aim=aim, is_most=True, more=f"loss {found.loss:.3f}")
    number = 512 if settings.quick else 16_384
    task = classifier_task(num_clips=number, width=NUM_FRAMES * WIDTH, device=settings.device)
    tell("matrix products alone, batches of 512", rate(task, number, settings), "clips/s")


def measure_extract(settings: Settings) -> None:
    """From recordings to a store, with what decodes by default and with PyAV alone."""
    with tempfile.TemporaryDirectory() as folder:
        work = settings.workload(Path(folder))
        for decoder in ("auto", "pyav") if settings.device == "cuda" else ("pyav",):
            results = extract.measure(replace(work, decoder=decoder))
            for name, found, share in results.tables[0].rows:
                tell(f"extract, {decoder}, {name}", found, "frames/s", more=f"{share:.0f} % of the network alone")
            share = next(figure.value for figure in results.figures if "slowest" in figure.name)
            tell(f"extract, {decoder}, against the slower stage", (share or 0) / 100, "", aim=settings.aim(AIM_SHARE))


def main(settings: Settings) -> None:
    """Measure and print."""
    name = "CPU" if settings.device == "cpu" else torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, {name}")
    measures = {
        "checks": check_all,
        "engines": measure_engines,
        "decode": measure_decoding,
        "training": measure_training,
        "extract": measure_extract,
    }
    for part in settings.parts:
        try:
            measures[part](settings)
        except Exception as error:  # what follows is measured all the same: a machine with a GPU is dear
            print(f"{part}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
            if settings.device == "cpu":
                raise


if __name__ == "__main__":
    main(tyro.cli(Settings))
