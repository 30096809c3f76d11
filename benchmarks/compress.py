"""What a smaller backbone costs in accuracy and gains in speed: `egoact compress` against the run that it is made from.

    python benchmarks/compress.py --data FOLDER --out FOLDER [--keep 0.5] [--kitchen KITCHEN]

FOLDER of --data holds `segments.csv` (verbs) and `videos/`: each recording is left out once, and pictures of the others
alone teach, without labels. KITCHEN is what `egoact kitchen` made: its training kitchens teach, the other one measures.
Two ways to use the smaller backbone: with the head as it was trained on the unpruned one, and with a head that is
trained in the same way on the smaller backbone's features.
"""

import contextlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from gtea import Bench, train_quietly
from gtea import Settings as GteaSettings

from egoact.adaptation.new_run import network_spec, write_run
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.compress import CompressSettings, compress
from egoact.commands.learning.train import TrainSettings
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import read_segments
from egoact.engines.loading import load_engine, measure, offered_pairs
from egoact.models.backbones.own_files import FILE_NAME, carry
from egoact.models.heads import DEFAULT_HEAD
from egoact.runs.loading import load_run
from egoact.runs.streams import load_spec

WAYS = ("unpruned", "smaller, head kept", "smaller, head trained again")


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
    recipe: str = "default"
    """As in egoact train; of ridge, one seed is enough."""
    seeds: int = 3
    """Trainings of the head."""
    kitchen: Path | None = None
    """Folder of egoact kitchen, measured too."""
    only_kitchen: bool = False
    """Measure nothing else."""
    precision: Literal["f32", "bf16"] = "f32"
    """As in egoact extract; f32 gives the same figures on every processor, or nearly."""
    shown: bool = False
    """Pictures of the recording that is left out teach, too, still without labels: one smaller backbone for all."""

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
        made = f"{self.backbone}-{self.distill_into or self.keep}"
        return f"{made}-{self.pictures}-{self.epochs}-{self.precision}" + ("-shown" if self.shown else "")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def fill(settings: Settings, segments: tuple[Path, ...], media: Path, features: Path, small: Path | None) -> None:
    """Features by the smaller backbone, or by the unpruned one."""
    student = settings.distill_into or settings.backbone
    asked = ExtractSettings(
        segments=segments,
        media=(media,),
        features=features,
        backbone=settings.backbone if small is None else student,
        weights=None if small is None else small / FILE_NAME,
        precision=settings.precision,
    )
    with quiet():
        assert extract(asked) == 0


def show(source: Path, videos: Iterable[str], media: Path) -> Path:
    """A folder with some of the recordings alone."""
    media.mkdir(parents=True, exist_ok=True)
    for video in videos:
        file = next(source.glob(f"**/{video}.*"))
        if not (media / file.name).exists():
            (media / file.name).symlink_to(file.resolve())
    return media


def three_ways(run: TrainSettings, small: Path, features: Path, work: Path) -> dict[str, tuple[Path, tuple[Path, ...]]]:
    """Of a training: its run, that run on the smaller backbone, and the same training on the smaller backbone."""
    train_quietly(run)
    kept = work / f"kept-{run.recipe}-{run.seed}"
    carry(small / FILE_NAME, kept)
    write_run(load_run(run.run), kept, network_spec(load_run(small)))
    anew = replace(run, features=(features,), run=work / f"anew-{run.recipe}-{run.seed}")
    train_quietly(anew)
    return dict(zip(WAYS, ((run.run, run.features), (kept, (features,)), (anew.run, (features,))), strict=True))


def measure_gtea(settings: Settings) -> dict[str, np.ndarray]:
    """Per cent right over all segments, of every way and seed."""
    gtea = GteaSettings(
        settings.data,
        settings.out,
        backbone=settings.backbone,
        precision=settings.precision,
        recipe=settings.recipe,
    )
    bench, segments = Bench(gtea, settings.out), settings.data / "segments.csv"
    right = {way: np.zeros(settings.seeds) for way in WAYS}
    for video in np.unique(bench.videos):
        work = settings.out / settings.name / str(video)
        taught = work.with_name("all") if settings.shown else work
        runs = [bench.run(DEFAULT_HEAD, left_out=(video,), seed=seed) for seed in range(settings.seeds)]
        train_quietly(runs[0])
        others = sorted(set(bench.videos) - (set() if settings.shown else {video}))
        settings.compress(runs[0].run, show(settings.data / "videos", others, taught / "media"), taught / "run")
        fill(settings, (segments,), settings.data / "videos", taught / "features", taught / "run")
        held, labels = bench.table.select(bench.videos == video), bench.labels[bench.videos == video]
        for seed, run in enumerate(runs):
            for way, (path, stores) in three_ways(run, taught / "run", taught / "features", work).items():
                scores = load_run(path).score(held, stores).verb
                assert scores is not None
                right[way][seed] += (scores.argmax(1) == labels).sum()
        print(f"{video}: " + ", ".join(f"{n} {r.mean():.1f}" for n, r in right.items()) + " right so far", flush=True)
    return {name: 100 * values / len(bench.table) for name, values in right.items()}


def measure_kitchen(settings: Settings, kitchen: Path) -> dict[str, np.ndarray]:
    """Per cent of actions (verb and noun) right in the kitchen that nothing was taught in, of every way and seed."""
    work, videos = settings.out / f"kitchen-{settings.name}", kitchen / "videos"
    tables = train_csv, validation_csv = kitchen / "train.csv", kitchen / "validation.csv"
    fill(settings, tables, videos, work / "unpruned", None)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(settings.seeds):
        run = TrainSettings(
            (train_csv,),
            (work / "unpruned",),
            work / f"unpruned-{settings.recipe}-{seed}",
            classes=kitchen,
            head=DEFAULT_HEAD,
            recipe=settings.recipe,
            seed=seed,
        )
        if seed == 0:
            train_quietly(run)
            taught = sorted({segment.video_id for segment in read_segments(train_csv)})
            settings.compress(run.run, show(videos, taught, work / "media"), work / "run")
            fill(settings, tables, videos, work / "features", work / "run")
        for way, (path, stores) in three_ways(run, work / "run", work / "features", work).items():
            out = work / f"results-{path.name}"
            with quiet():
                evaluate(EvaluateSettings(segments=(validation_csv,), run=path, features=stores, out=out))
            found[way].append(json.loads((out / "metrics.json").read_text())["action"]["top1"])
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
    settings.out.mkdir(parents=True, exist_ok=True)
    results = {} if settings.only_kitchen else {"left out": measure_gtea(settings)}
    if settings.kitchen is not None:
        results["kitchen"] = measure_kitchen(settings, settings.kitchen)
    for where, found in results.items():
        whole = found["unpruned"].mean()
        for name, values in found.items():
            share = f", {values.mean() / whole:.1%} of it" if name != "unpruned" else ""
            print(f"{where}, {name}: {values.mean():.1f} +- {values.std():.1f}{share}")
    small = sorted(settings.out.glob(f"*{settings.name}/**/run/compress.json"))[0]
    facts = json.loads(small.read_text())
    print(f"multiply-adds {facts['multiply_adds']}, {facts['seconds']} s for {facts['pictures']} pictures")
    measure_speed(Path(facts["of"]), small.parent)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
