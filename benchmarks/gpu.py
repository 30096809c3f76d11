"""Everything that a machine with a GPU is asked, each figure beside the limit that the same run measures.

    python benchmarks/gpu.py [--device cuda] [--weights FILE] [--segments FILE --media FOLDER] [--parts training]

engines: frames a second from host memory, beside those of the compiled network on frames that lie on the device, and
beside what copies move. training: seconds an epoch of `egoact train` on as many clips as EPIC-KITCHENS-100 has, and the
loss that it comes to, on the device and on the CPU, beside a loop that does nothing but the matrix products. extract:
from MP4 to a store, beside decoding alone and the network alone; without --segments on recordings of the built-in
kitchen. With `--device cpu --quick` it runs in a minute anywhere, to try the script.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from torch import nn

from egoact.benchmarking import extract
from egoact.benchmarking.measuring import watch_training
from egoact.benchmarking.scale import NUM_CLIPS
from egoact.benchmarking.synthetic_store import NUM_FRAMES, WIDTH, make_store
from egoact.benchmarking.workload import Workload
from egoact.core.epic import facts as epic
from egoact.engines import check_parity, load_engine
from egoact.engines.frame_model import frame_model
from egoact.models.backbones.registry import Backbone, load_backbone

HEADS = ("difference", "convnet1d", "lstm")
# Rates of AdamW grow with the square root of the batch: Malladi et al. 2022, arXiv:2205.10287.
BATCHES = {32: 1e-3, 512: 4e-3}


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
    parts: tuple[Literal["engines", "training", "extract"], ...] = ("engines", "training", "extract")
    """What."""
    quick: bool = False
    """Few frames, clips and recordings: to try the script."""

    def load(self) -> Backbone:
        """A backbone of its own for each engine, which takes its module along."""
        return load_backbone(self.backbone, weights=self.weights, size=64 if self.quick else 256)


def rate(work: Callable[[], object], count: int, settings: Settings) -> float:
    """Items a second of `work`, which does `count` of them."""

    def finish() -> None:
        if settings.device == "cuda":
            torch.cuda.synchronize()

    work()
    finish()
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < (0.2 if settings.quick else 2.0):
        work()
        finish()
        done += count
    return done / (time.perf_counter() - begun)


def measure_engines(settings: Settings) -> None:
    """Every precision, compiled and not, from host memory."""
    device, number = settings.device, 16 if settings.quick else 512
    side = settings.load().spec.input_size[0]
    frames = np.random.default_rng(0).integers(0, 256, (number, side, side, 3), dtype=np.uint8)
    host = torch.from_numpy(frames)
    if device == "cuda":
        pinned = host.pin_memory()
        for name, source in (("pinned", pinned), ("pageable", host)):
            found = rate(lambda source=source: source.to(device, non_blocking=True), number, settings)  # type: ignore[misc]
            print(f"copies, {name}: {found:,.0f} frames/s", flush=True)
    model, batch = frame_model(settings.load()).to(device).to(memory_format=torch.channels_last), host.to(device)
    limit_model = model if settings.quick else torch.compile(model, dynamic=False)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
        limit = rate(lambda: limit_model(batch), number, settings)
    print(f"{settings.backbone}, bf16, frames on the device: {limit:,.0f} frames/s", flush=True)
    for precision in ("f32", "bf16", "f16") if device == "cuda" else ("f32", "bf16"):
        for is_compiled in (False,) if settings.quick else (False, True):
            engine = load_engine(
                settings.load(), engine="torch", precision=precision, device=device, is_compiled=is_compiled
            )
            found = rate(lambda engine=engine: engine.run(frames), number, settings)  # type: ignore[misc]
            try:
                agreed = f"lowest cosine {check_parity(engine, settings.load(), frames[:16]).lowest:.5f}"
            except ValueError as error:
                agreed = str(error)
            how = "compiled" if is_compiled else "as it is"
            share = f"{found / limit:.0%} of frames on the device"
            print(f"{settings.backbone}, {precision}, {how}: {found:,.0f} frames/s, {share}; {agreed}", flush=True)


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
                    said = f"{found.epoch_seconds:.2f} s an epoch of {num_clips:,} clips, loss {found.loss:.3f}"
                    print(f"{head} on {device}, batches of {size}: {said}", flush=True)
    print(f"matrix products alone, batches of 512: {_limit(settings):,.0f} clips/s")


def _limit(settings: Settings) -> float:
    """Clips a second of a linear classifier on all frames, with clips that lie on the device."""
    device, number = settings.device, 512 if settings.quick else 16_384
    clips = torch.randn(number, NUM_FRAMES * WIDTH, device=device).half()
    labels = torch.randint(epic.NUM_VERBS, (number,), device=device)
    model = nn.Linear(clips.shape[1], epic.NUM_VERBS).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def epoch() -> None:
        for chosen in torch.randperm(number, device=device).split(512):
            with torch.autocast(device, torch.bfloat16):
                loss = nn.functional.cross_entropy(model(clips[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return rate(epoch, number, settings)


def measure_extract(settings: Settings) -> None:
    """From recordings to a store."""
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(
            out=Path(folder),
            segments=settings.segments,
            media=settings.media,
            backbone_name=settings.backbone,
            weights=settings.weights,
            size=64 if settings.quick else 256,
            engine_name="torch",
            device=settings.device,
            is_quick=settings.quick,
        )
        results = extract.measure(work)
    for figure in results.figures:
        print(f"{figure.name}: {figure.value:,.0f} {figure.unit}")
    for name, found, share in results.tables[0].rows:
        print(f"extract, {name}: {found:,.0f} frames/s, {share:.0f} % of the network alone")


def main(settings: Settings) -> None:
    """Measure and print."""
    name = "CPU" if settings.device == "cpu" else torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, {name}")
    measures = {"engines": measure_engines, "training": measure_training, "extract": measure_extract}
    for part in settings.parts:
        measures[part](settings)


if __name__ == "__main__":
    main(tyro.cli(Settings))
