"""What each stream is worth for naming clips, and what a closed-form fit is worth beside gradients.

    python benchmarks/clip_streams.py [--gtea FOLDER] [--kitchen FOLDER] [--out FOLDER] [--seeds 3]

GTEA: leave one recording out; its FOLDER holds `segments.csv`, `verb_classes.csv` and `videos/`. Kitchen: trained on
`train.csv`, measured on `validation.csv`, whose kitchen was never seen; FOLDER as `egoact kitchen` makes it. Weights of
streams and penalties are chosen by `egoact train` inside the training recordings. The recipe ridge draws nothing at
random, and is trained once.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from timelines import write_segments

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.models.backbones.spec import STREAMS
from egoact.runs.loading import load_run

WORTH = (
    ("rgb",),
    ("difference",),
    ("motion",),
    ("rgb", "difference"),
    ("rgb", "motion"),
    ("rgb", "difference", "motion"),
    STREAMS,
)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path | None = None
    """Folder with segments.csv, verb_classes.csv and videos/."""
    kitchen: Path | None = None
    """Folder with train.csv, validation.csv, verb_classes.csv, noun_classes.csv and videos/."""
    out: Path | None = None
    """Folder to keep features and runs in; default: a temporary one."""
    methods: tuple[str, ...] = ("difference:default", "difference:ridge", "statistics:ridge")
    """Heads and recipes; with `:joint` after them also pairs of verb and noun are learned."""
    streams: tuple[str, ...] = tuple("+".join(streams) for streams in WORTH)
    """Sets of streams."""
    seeds: int = 3
    """Trainings of the recipe default."""


@dataclass(frozen=True)
class Part:
    """Segments to train on, and segments that are asked about."""

    training: SegmentTable
    asked: SegmentTable


def main(settings: Settings) -> None:
    """Print a table for each data set."""
    with tempfile.TemporaryDirectory() as temporary:
        work = settings.out or Path(temporary)
        if settings.gtea is not None:
            table = read_segments(settings.gtea / "segments.csv")
            parts = [
                Part(table.select(lambda s, v=v: s.video_id != v), table.select(lambda s, v=v: s.video_id == v))  # type: ignore[misc]
                for v in table.video_ids
            ]
            print(f"\nGTEA, leave one recording out, {len(table)} clips, verb top-1 %\n")
            measure(settings, parts, settings.gtea / "videos", work / "gtea", settings.gtea)
        if settings.kitchen is not None:
            folder = settings.kitchen
            parts = [Part(*(read_segments(folder / name) for name in ("train.csv", "validation.csv")))]
            print(f"\nkitchen never seen, {len(parts[0].asked)} clips, action top-1 %\n")
            measure(settings, parts, folder / "videos", work / "kitchen", folder)


def measure(settings: Settings, parts: Sequence[Part], media: Path, work: Path, classes: Path) -> None:
    """Train on every set of streams by every method."""
    features = work / "features"
    sets = [tuple(names.split("+")) for names in settings.streams]
    wanted = tuple(name for name in STREAMS if any(name in names for names in sets))
    made = ExtractSettings(media=(media,), features=features, streams=wanted)
    with contextlib.redirect_stdout(io.StringIO()):
        assert extract(made) == 0
    print("| streams | " + " | ".join(settings.methods) + " |\n|" + "---|" * (len(settings.methods) + 1))
    for streams in sets:
        cells = []
        for method in settings.methods:
            seeds = range(1 if ":ridge" in method else settings.seeds)
            began = time.process_time()
            right = [_accuracy(parts, features, work / "runs", streams, method, seed, classes) for seed in seeds]
            seconds = (time.process_time() - began) / len(right) / len(parts)
            spread = f" ± {np.std(right, ddof=1):.1f}" if len(right) > 1 else ""
            cells.append(f"{np.mean(right):.1f}{spread} ({seconds:.1f} s)")
        print(f"| {' + '.join(streams)} | " + " | ".join(cells) + " |", flush=True)


def _accuracy(
    parts: Sequence[Part],
    features: Path,
    runs: Path,
    streams: Sequence[str],
    method: str,
    seed: int,
    classes: Path,
) -> float:
    head, recipe, *others = method.split(":")
    right: list[np.ndarray] = []
    for number, part in enumerate(parts):
        training = runs / f"part-{number}.csv"
        training.parent.mkdir(parents=True, exist_ok=True)
        write_segments(part.training, training)
        run = runs / f"{method.replace(':', '-')}-{'-'.join(streams)}-{seed}-{number}"
        chosen = TrainSettings(
            segments=(training,),
            features=(features,),
            run=run,
            streams=tuple(streams),  # type: ignore[arg-type]
            head=head,
            recipe=recipe,
            joint="joint" in others,
            classes=classes,
            seed=seed,
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(chosen)
            trained = load_run(run)
        scores = trained.score(part.asked, (features,)).by_target()
        correct = [
            scores[target].argmax(1) == vocabulary.encode(part.asked, allow_unlabelled=False)
            for target, vocabulary in trained.config.vocabularies.items()
        ]
        right.append(np.logical_and.reduce(correct))
    return 100 * float(np.concatenate(right).mean())


if __name__ == "__main__":
    main(tyro.cli(Settings))
