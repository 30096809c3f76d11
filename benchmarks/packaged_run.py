"""Makes the run that comes with egoact, and its card.

    python benchmarks/packaged_run.py --work FOLDER [--out src/egoact/runs/kitchen_run]

Films the built-in kitchen, trains a segmenter that sees no future on the first blocks of the backbone, exports it for
ONNX Runtime with its weights in float16, and measures what `egoact predict` then says of a kitchen that training never
saw. An interrupted run goes on when the same command is given again.
On one machine it gives the same bytes every time: torch in float32 computes the features, on one thread.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from egoact.commands.command_line import run_command
from egoact.core.annotations.segments import read_segments
from egoact.core.defaults import TIMELINE_RATE
from egoact.core.files import LOCK_NAME, write_atomically

OUT = Path(__file__).parents[1] / "src/egoact/runs/kitchen_run"
CARD = """# The run that comes with egoact

It finds actions in recordings of rendered kitchens, as `egoact kitchen` makes them, and is there for a first look:
`egoact predict VIDEO` and `egoact live --source VIDEO` use it where no `--run` is given. For your own videos train a
run of your own.

- **Data**: `egoact kitchen --videos {videos} --seed {seed}`: {train_recordings} recordings with {train_actions}
  actions, in all its kitchens but one.
- **Knows** {known}.
- **Model**: {backbone}, pictures of {size} x {size} pixels, means of their quarters {rate} times a second; `causal`,
  ridge regression on the last seconds, which sees no future. ONNX, weights in float16, {kilobytes:,.0f} kB.
- **Accuracy** of `egoact predict` in {test_recordings} recordings ({test_actions} actions) of the kitchen that
  training never saw, percent; calling everything background gives {background:.1f} % of frames:

| | frames | edit score | F1@10 | F1@25 | F1@50 |
|---|---|---|---|---|---|
{rows}

- **Limits**: it knows nothing but the words above, has never been trained or measured on real pictures of a kitchen,
  which look different; expect it to be wrong there. It is better at verbs than at nouns, which are small things in
  small pictures.
- **Licence**: the network's weights come from EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; trained on ImageNet),
  under the Apache License 2.0, of which `LICENSE-APACHE` of egoact is a copy. Changed: its first blocks alone, batch
  norm folded into the convolutions, rounded to float16. All else is MIT, as egoact is.
- **Made by** `python benchmarks/packaged_run.py --work FOLDER`; on one machine the same versions give
  the same bytes every time.
"""


@dataclass(frozen=True)
class Settings:
    """What to make."""

    work: Path
    """Folder for the kitchen, features and the run in torch; an earlier one is gone on with."""
    out: Path = OUT
    """Folder of the export."""
    videos: int = 36
    """Recordings of the kitchen."""
    seed: int = 0
    """Of the kitchen."""
    backbone: str = "efficientnet_lite0"
    """As for egoact extract."""
    cut: int = 7
    """Its last block."""
    size: int = 224
    """Of the pictures, pixels."""


def main(settings: Settings) -> None:
    torch.set_num_threads(1)
    work, kitchen = settings.work, settings.work / "kitchen"
    features, media, labels = work / "features", (kitchen / "videos",), (kitchen / "train.csv",)
    run_command("kitchen", announce=True, out=kitchen, videos=settings.videos, seed=settings.seed)
    run_command(
        "extract",
        announce=True,
        media=media,
        features=features,
        streams=("grid",),
        backbone=settings.backbone,
        cut=settings.cut,
        size=settings.size,
        rate=TIMELINE_RATE,
        engine="torch",
        precision="f32",
    )
    run_command(
        "train-timeline",
        announce=True,
        segments=labels,
        classes=kitchen,
        features=(features,),
        segmenter="causal",
        run=work / "run",
    )
    run_command(
        "export", announce=True, run=work / "run", segments=labels, media=media, precision="f16", out=settings.out
    )
    (settings.out / LOCK_NAME).unlink(missing_ok=True)
    write_atomically(settings.out / "README.md", write_card(settings, measure(settings)))


def measure(settings: Settings) -> dict[str, Any]:
    """What `egoact predict` says of the kitchen that training never saw, with the export."""
    work, labels = settings.work, settings.work / "kitchen/validation.csv"
    shutil.rmtree(work / "timelines", ignore_errors=True)
    (participant,) = {segment.participant_id for segment in read_segments(labels)}
    video = work / "kitchen/videos" / participant
    run_command("predict", announce=True, video=video, run=settings.out, out=work / "timelines", proxy=False)
    run_command("evaluate", announce=True, timeline=work / "timelines", segments=(labels,), out=work / "evaluation")
    found: dict[str, Any] = json.loads((work / "evaluation/metrics.json").read_text(encoding="utf-8"))
    return found


def write_card(settings: Settings, metrics: dict[str, Any]) -> str:
    kitchen = settings.work / "kitchen"
    train, test = (read_segments(kitchen / f"{name}.csv") for name in ("train", "validation"))
    labels = json.loads((settings.out / "labels.json").read_text(encoding="utf-8"))
    rows = []
    for target in ("verb", "noun", "action"):
        found = metrics[target]
        f1 = (found["f1"][overlap] for overlap in ("10", "25", "50"))
        values = " | ".join(f"{value:.1f}" for value in (found["frame_accuracy"], found["edit"], *f1))
        rows.append(f"| {target} | {values} |")
    return CARD.format(
        videos=settings.videos,
        seed=settings.seed,
        train_recordings=len(train.video_ids),
        train_actions=len(train),
        test_recordings=len(test.video_ids),
        test_actions=len(test),
        known=" and ".join(f"{len(names)} {target}s ({', '.join(names)})" for target, names in labels.items()),
        backbone=f"`{settings.backbone}` up to block {settings.cut}",
        size=settings.size,
        rate=TIMELINE_RATE,
        kilobytes=sum(path.stat().st_size for path in settings.out.glob("*.onnx")) / 1000,
        background=metrics["baselines"]["background"]["action"]["frame_accuracy"],
        rows="\n".join(rows),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
