"""What reduced precision does to accuracy: the same heads trained and measured on features in every precision.

    python benchmarks/precisions.py --gtea FOLDER [--kitchen FOLDER] [--weights FILE] [--out FOLDER]

FOLDER of GTEA holds `segments.csv` (verbs) and `videos/`: every recording is answered by a head trained on the
others. The kitchen's FOLDER is that of `egoact kitchen`; without it one is filmed: its last kitchen was never seen in
training. The recipe and head are the packaged ones. WEIGHTS belong to mobilenet_v2.
"""

import contextlib
import io
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from gtea import Bench
from gtea import Settings as GteaSettings

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.kitchen import KitchenSettings, kitchen
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import read_segments
from egoact.core.sampling import ClipSampling
from egoact.models.heads import DEFAULT_HEAD
from egoact.store.reader import FeatureStore


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path
    """Folder with segments.csv and videos/."""
    kitchen: Path | None = None
    """Folder that egoact kitchen made; default: film one."""
    weights: Path | None = None
    """Weights of mobilenet_v2."""
    precisions: tuple[str, ...] = ("bf16", "int8")
    """To compare with f32."""
    backbones: tuple[str, ...] = ("efficientnet_lite0", "mobilenet_v2")
    """What looks at the frames."""
    parts: tuple[str, ...] = ("gtea", "kitchen")
    """What to measure on."""
    engine: str = "openvino"
    """As in egoact extract."""
    seeds: int = 3
    """Trainings of each head."""
    out: Path | None = None
    """Folder to keep features and runs in; default: a temporary one."""


def cosine(reference: Path, other: Path, segments: Path) -> float:
    """Lowest cosine between the frames of two stores."""
    table = read_segments(segments)
    a, b = (
        store.gather(store.locate(table, ClipSampling()))
        .reshape(-1, store.spec.backbone.feature_shape[0])
        .astype(np.float64)
        for store in map(FeatureStore.open, (reference, other))
    )
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def measure_gtea(settings: Settings, work: Path, backbone: str, weights: Path | None, precision: str) -> list[float]:
    """Top-1 %, one for each seed."""
    folder = work / "gtea" / backbone / precision
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(
        GteaSettings(data=settings.gtea, backbone=backbone, weights=weights, precision=precision, out=folder), folder
    )
    return [
        bench.leave_one_out(lambda video, s=seed: bench.answer(DEFAULT_HEAD, left_out=(video,), seed=s))
        for seed in range(settings.seeds)
    ]


def measure_kitchen(
    settings: Settings, work: Path, backbone: str, weights: Path | None, precision: str
) -> dict[str, list[float]]:
    """Top-1 % of verbs and nouns in the unseen kitchen, one for each seed."""
    assert settings.kitchen is not None
    folder = work / "kitchen" / backbone / precision
    found: dict[str, list[float]] = {"verb": [], "noun": []}
    for part in ("train", "validation"):
        failed = extract(
            ExtractSettings(
                segments=settings.kitchen / f"{part}.csv",
                media=settings.kitchen / "videos",
                features=folder / "features",
                backbone=backbone,
                weights=weights,
                engine=settings.engine,  # type: ignore[arg-type]
                precision=precision,  # type: ignore[arg-type]
            )
        )
        assert failed == 0, f"{failed} segments failed"
    for seed in range(settings.seeds):
        run, out = folder / f"run-{seed}", folder / f"evaluation-{seed}"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(
                TrainSettings(
                    segments=settings.kitchen / "train.csv",
                    features=folder / "features",
                    run=run,
                    classes=settings.kitchen,
                    seed=seed,
                )
            )
            evaluate(
                EvaluateSettings(
                    segments=settings.kitchen / "validation.csv", run=run, features=folder / "features", out=out
                )
            )
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        for target, values in found.items():
            values.append(metrics[target]["top1"])
    return found


def measure(settings: Settings, work: Path, backbone: str, weights: Path | None, precision: str) -> list[str]:
    """Cells of one row: top-1 % and the lowest cosine to the reference, on everything that is measured."""
    cells = []
    if "gtea" in settings.parts:
        cells.append(_spread(measure_gtea(settings, work, backbone, weights, precision)))
        folders = [work / "gtea" / backbone / each / f"features-{backbone}" for each in (precision, "f32")]
        cells.append(f"{cosine(folders[1], folders[0], settings.gtea / 'segments.csv'):.4f}")
    if "kitchen" in settings.parts:
        assert settings.kitchen is not None
        found = measure_kitchen(settings, work, backbone, weights, precision)
        cells += [_spread(values) for values in found.values()]
        folders = [work / "kitchen" / backbone / each / "features" for each in (precision, "f32")]
        cells.append(f"{cosine(folders[1], folders[0], settings.kitchen / 'validation.csv'):.4f}")
    return cells


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} +- {np.std(values):.1f}"


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = settings.out or Path(temporary)
        if settings.kitchen is None and "kitchen" in settings.parts:
            kitchen(KitchenSettings(out=work / "filmed"))
            settings = replace(settings, kitchen=work / "filmed")
        heads = {"gtea": ["GTEA verb", "cosine"], "kitchen": ["kitchen verb", "kitchen noun", "cosine"]}
        names = ["features", *(name for part in settings.parts for name in heads[part])]
        print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
        for backbone in settings.backbones:
            weights = settings.weights if backbone == "mobilenet_v2" else None
            for precision in ("f32", *settings.precisions):
                try:
                    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                        cells = measure(settings, work, backbone, weights, precision)
                except ValueError as error:
                    cells = [f"refused: {error}"]
                print(f"| {' | '.join([f'{backbone} {precision}', *cells])} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings))
