"""What a smaller backbone costs in accuracy and gains in speed: `egoact compress` against the run that it is made from.

    python benchmarks/compress.py --data FOLDER --out FOLDER [--keep 0.5] [--kitchen KITCHEN] [--retrain]

FOLDER of --data holds `segments.csv` (verbs) and `videos/`: each recording is left out once, and pictures of the others
alone teach, without labels. KITCHEN is what `egoact kitchen` made: its training kitchens teach, the other one measures.
The head stays as it was trained on the unpruned backbone; with --retrain another one is trained on the smaller
backbone's features, too.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from gtea import Bench, train_quietly
from gtea import Settings as GteaSettings

from egoact.adaptation.new_run import network_spec, write_run
from egoact.commands.compress import CompressSettings, compress
from egoact.commands.evaluate import EvaluateSettings, evaluate
from egoact.commands.extract import ExtractSettings, extract
from egoact.commands.train import TrainSettings
from egoact.core.annotations.segments import read_segments
from egoact.engines import load_engine
from egoact.engines.loading import measure, offered_pairs
from egoact.models.backbones.own_files import FILE_NAME, carry
from egoact.models.heads import DEFAULT_HEAD
from egoact.runs.loading import load_run
from egoact.runs.streams import load_spec


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with segments.csv and videos/."""
    out: Path
    """Folder to keep features and runs in."""
    backbone: str = "efficientnet_lite0"
    """As in egoact extract."""
    distill_into: str | None = None
    """As in egoact compress."""
    keep: float = 0.5
    """As in egoact compress."""
    pictures: int = 2000
    """As in egoact compress."""
    epochs: int = 2
    """As in egoact compress."""
    seeds: int = 3
    """Trainings of the head."""
    kitchen: Path | None = None
    """Folder of egoact kitchen, measured too."""
    only_kitchen: bool = False
    """Measure nothing else."""
    retrain: bool = False
    """Also train heads on the smaller backbone's features."""

    def compress(self, run: Path, media: Path, out: Path) -> None:
        """Make a run smaller, once."""
        if not (out / "config.json").exists():
            asked = CompressSettings(
                run=run,
                media=(media,),
                out=out,
                keep=self.keep,
                distill_into=self.distill_into,
                pictures=self.pictures,
                epochs=self.epochs,
            )
            assert compress(asked) == 0

    @property
    def name(self) -> str:
        """Of the folder of this way to compress."""
        return f"{self.backbone}-{self.distill_into or self.keep}-{self.pictures}-{self.epochs}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def fill(segments: Path, media: Path, features: Path, small: Path, backbone: str) -> None:
    """Features by the smaller backbone."""
    asked = ExtractSettings(
        segments=(segments,),
        media=(media,),
        features=features,
        backbone=backbone,
        weights=small / FILE_NAME,
        precision="f32",
    )
    with quiet():
        assert extract(asked) == 0


def measure_gtea(settings: Settings) -> dict[str, np.ndarray]:
    """Per cent right over all segments, of every seed: with the run, its smaller self, and a head trained anew."""
    work = settings.out / settings.name
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(GteaSettings(settings.data, settings.out, backbone=settings.backbone), settings.out)
    names = ("unpruned", "smaller", *(("smaller, head trained anew",) if settings.retrain else ()))
    right = {name: np.zeros(settings.seeds) for name in names}
    for video in np.unique(bench.videos):
        runs = [bench.run(DEFAULT_HEAD, left_out=(video,), seed=seed) for seed in range(settings.seeds)]
        for run in runs:
            train_quietly(run)
        media, small = work / f"media-{video}", work / f"run-{video}"
        media.mkdir(exist_ok=True)
        for file in (settings.data / "videos").iterdir():
            if file.stem != video and not (media / file.name).exists():
                (media / file.name).symlink_to(file.resolve())
        settings.compress(runs[0].run, media, small)
        held, labels = bench.table.select(bench.videos == video), bench.labels[bench.videos == video]
        csv, features = work / f"only-{video}.csv", work / f"features-{video}"
        bench.frame[bench.videos == video].to_csv(csv, index=False)
        student = settings.distill_into or settings.backbone
        fill(csv, settings.data / "videos", features, small, student)
        if settings.retrain:
            fill(settings.data / "segments.csv", settings.data / "videos", features, small, student)
        for seed, run in enumerate(runs):
            other = work / f"run-{video}-{seed}"
            carry(small / FILE_NAME, other)
            write_run(load_run(run.run), other, network_spec(load_run(small)))
            tried = [("unpruned", run.run, run.features), ("smaller", other, (features,))]
            if settings.retrain:
                anew = replace(run, features=(features,), run=work / f"anew-{video}-{seed}")
                train_quietly(anew)
                tried.append((names[2], anew.run, (features,)))
            for name, path, stores in tried:
                scores = load_run(path).score(held, stores).verb
                assert scores is not None
                right[name][seed] += (scores.argmax(1) == labels).sum()
        print(f"{video}: " + ", ".join(f"{n} {r.mean():.1f}" for n, r in right.items()) + " right so far", flush=True)
    return {name: 100 * values / len(bench.table) for name, values in right.items()}


def measure_kitchen(settings: Settings, kitchen: Path) -> dict[str, np.ndarray]:
    """Per cent of actions (verb and noun) right in the kitchen that nothing was taught in, of every seed."""
    work = settings.out / f"kitchen-{settings.name}"
    train_csv, validation_csv = kitchen / "train.csv", kitchen / "validation.csv"
    features = work / "features"
    both = ExtractSettings(
        segments=(train_csv, validation_csv),
        media=(kitchen / "videos",),
        features=features,
        backbone=settings.backbone,
        precision="f32",
    )
    with quiet():
        assert extract(both) == 0
    media, small = work / "media", work / "run"
    media.mkdir(exist_ok=True)
    for video in sorted({segment.video_id for segment in read_segments(train_csv)}):
        file = next((kitchen / "videos").glob(f"**/{video}.*"))
        if not (media / file.name).exists():
            (media / file.name).symlink_to(file.resolve())
    found: dict[str, list[float]] = {"unpruned": [], "smaller": []}
    for seed in range(settings.seeds):
        run = work / f"run-{seed}"
        train_quietly(TrainSettings((train_csv,), (features,), run, classes=kitchen, seed=seed))
        if seed == 0:
            settings.compress(run, media, small)
            fill(validation_csv, kitchen / "videos", work / "small", small, settings.distill_into or settings.backbone)
        other = work / f"small-{seed}"
        carry(small / FILE_NAME, other)
        write_run(load_run(run), other, network_spec(load_run(small)))
        for name, path, store in (("unpruned", run, features), ("smaller", other, work / "small")):
            out = work / f"results-{name}-{seed}"
            with quiet():
                evaluate(EvaluateSettings(segments=(validation_csv,), run=path, features=(store,), out=out))
            found[name].append(json.loads((out / "metrics.json").read_text())["action"]["top1"])
    return {name: np.array(values) for name, values in found.items()}


def measure_speed(first: Path, second: Path) -> None:
    """Pictures a second of two runs' backbones in every engine, in turns; others only ever slow a run down."""
    backbones = [load_spec(network_spec(run), run.choice, run=run.path) for run in map(load_run, (first, second))]
    best: dict[tuple[str, str], list[float]] = {}
    for engine, precision in offered_pairs("auto", "auto", "cpu"):
        loaded = [load_engine(b, engine=engine, precision=precision, device="cpu") for b in backbones]
        for _ in range(3):
            rates = [
                measure(e, input_size=b.spec.input_size).frames_per_second
                for e, b in zip(loaded, backbones, strict=True)
            ]
            best[engine, precision] = list(np.maximum(best.get((engine, precision), [0, 0]), rates))
    for pair, (before, after) in sorted(best.items(), key=lambda item: -item[1][0]):
        print(f"{' '.join(pair)}: {before:.0f} to {after:.0f} pictures/s, {after / before:.2f} times")


def main(settings: Settings) -> None:
    results = {} if settings.only_kitchen else {"left out": measure_gtea(settings)}
    if settings.kitchen is not None:
        results["kitchen"] = measure_kitchen(settings, settings.kitchen)
    for where, found in results.items():
        whole = found["unpruned"].mean()
        for name, values in found.items():
            share = f", {values.mean() / whole:.1%} of it" if name != "unpruned" else ""
            print(f"{where}, {name}: {values.mean():.1f} +- {values.std():.1f}{share}")
    small = sorted(settings.out.glob(f"*{settings.name}/run*/compress.json"))[0]
    facts = json.loads(small.read_text())
    print(f"multiply-adds {facts['multiply_adds']}, {facts['seconds']} s for {facts['pictures']} pictures")
    measure_speed(Path(facts["of"]), small.parent)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
