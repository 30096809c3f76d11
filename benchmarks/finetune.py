"""What fine-tuning the last blocks is worth, against the frozen backbone: the same recordings, seeds and clips.

    python benchmarks/finetune.py --data FOLDER --out FOLDER [--blocks 1] [--epochs 4] [--seeds 1] [--num-frames 8]

FOLDER of --data holds `segments.csv` (verbs) and `videos/`. Each recording is left out once: a run is trained on exact
frames of the others, fine-tuned on the same clips, and both answer for the one that was left out. Nothing is chosen by
it. Seconds and memory are of the fine-tunings, as measured while they ran.
"""

import contextlib
import io
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.labels import build_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.models.backbones.own_files import FILE_NAME
from egoact.models.heads import DEFAULT_HEAD
from egoact.runs.loading import load_run


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with segments.csv and videos/."""
    out: Path
    """Folder to keep features and runs in."""
    backbone: str = "efficientnet_lite0"
    """As in egoact extract."""
    head: str = DEFAULT_HEAD
    """As in egoact train."""
    num_frames: int = 8
    """Of a clip."""
    blocks: int = 1
    """As in egoact finetune."""
    epochs: int = 4
    """As in egoact finetune."""
    learning_rate: float = 3e-3
    """As in egoact finetune."""
    augment: str = "none"
    """As in egoact finetune."""
    seeds: int = 1
    """Of both trainings."""

    def extract(self, segments: Path, features: Path, weights: Path | None) -> None:
        """The exact frames of all clips."""
        asked = ExtractSettings(
            segments=(segments,),
            media=(self.data / "videos",),
            features=features,
            backbone=self.backbone,
            weights=weights,
            exact=True,
            num_frames=self.num_frames,
            precision="f32",
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert extract(asked) == 0


def finetune(settings: Settings, run: Path, csv: Path, out: Path, seed: int) -> tuple[str, str]:
    """In a process of its own; gives its seconds and its memory, as it says them."""
    options = {"run": run, "segments": csv, "media": settings.data / "videos", "out": out, "seed": seed}
    options |= {name: getattr(settings, name) for name in ("blocks", "epochs", "augment")}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    words += ["--learning-rate", str(settings.learning_rate)]
    done = subprocess.run(
        [sys.executable, "-m", "egoact", "finetune", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"clips, in (.*), ([\d.]+ GB)", done.stdout)
    assert found is not None, done.stdout
    return found[1], found[2]


def main(settings: Settings) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    whole = settings.data / "segments.csv"
    table, frame = read_segments(whole), pd.read_csv(whole, dtype=str, keep_default_na=False)
    vocabulary = build_vocabulary(table, "verb")
    assert vocabulary is not None, "segments.csv has no verbs"
    pd.DataFrame({"id": range(vocabulary.size), "key": vocabulary.names}).to_csv(
        settings.out / "verb_classes.csv", index=False
    )
    labels, videos = vocabulary.encode(table), np.array([segment.video_id for segment in table])
    features = settings.out / "features"
    settings.extract(whole, features, None)
    right = {name: np.zeros(settings.seeds) for name in ("frozen", "fine-tuned")}
    for video in np.unique(videos):
        held = videos == video
        csv, own = settings.out / f"without-{video}.csv", settings.out / f"only-{video}.csv"
        frame[~held].to_csv(csv, index=False)
        frame[held].to_csv(own, index=False)
        for seed in range(settings.seeds):
            run = settings.out / f"run-{video}-{seed}"
            name = f"{video}-{seed}-{settings.blocks}-{settings.epochs}-{settings.learning_rate}-{settings.augment}"
            tuned, small = settings.out / f"tuned-{name}", settings.out / f"features-{name}"
            asked = TrainSettings(
                (csv,),
                (features,),
                run,
                head=settings.head,
                num_frames=settings.num_frames,
                classes=settings.out,
                seed=seed,
            )
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                train(asked)
            seconds, memory = finetune(settings, run, csv, tuned, seed)
            settings.extract(own, small, tuned / FILE_NAME)
            for name, path, store in (("frozen", run, features), ("fine-tuned", tuned, small)):
                scores = load_run(path).score(table.select(held), store).verb
                assert scores is not None
                right[name][seed] += (scores.argmax(1) == labels[held]).sum()
            so_far = ", ".join(f"{name} {values.mean():.1f}" for name, values in right.items())
            print(f"{video}, seed {seed}: {so_far} right so far; {seconds}, {memory}", flush=True)
    for name, values in right.items():
        shares = 100 * values / len(table)
        print(f"{name}: {shares.mean():.1f} +- {shares.std():.1f} of {len(table)} segments")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
