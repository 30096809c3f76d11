"""How unsteady class weights make training: curves of validation after every epoch, on an extreme tail.

    python benchmarks/long_tail.py --out FOLDER
    python benchmarks/class_weight_curves.py --out FOLDER [--head lstm]

The report weighed clips by class and saw "a lot of instability". Here its recipe (Adam at a constant 1e-3 until epoch
35) trains with and without weights on the segments that `benchmarks/long_tail.py` left of each tail; what is measured
is the unseen kitchen after every epoch:

    step       mean change of action top-1 from one epoch to the next, points
    dip        how far the worst epoch is below the best one before it, points
    loss step  mean change of the validation loss from one epoch to the next, relative to its mean, percent
    spread     standard deviation of the last epoch's top-1 over tails and seeds, points

all of them from epoch `--settled` on, means over tails.
"""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro

from egoact.commands.learning.train import TrainSettings, train
from egoact.core.metrics.imbalance import CLASS_WEIGHTS


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    out: Path
    """Folder that benchmarks/long_tail.py filled."""
    head: str = "lstm"
    """As in egoact train."""
    epochs: int = 30
    """Of each training."""
    settled: int = 10
    """First epoch that counts."""
    seeds: int = 3
    """Tails, as many as long_tail.py drew."""


def curves(settings: Settings, weights: str, seed: int) -> pd.DataFrame:
    """history.csv of a training on one tail, from the epoch on that counts."""
    run = settings.out / "curves" / f"{settings.head}-{weights}-{seed}"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(
            TrainSettings(
                segments=settings.out / f"train-{seed}.csv",
                validation=settings.out / "kitchen" / "validation.csv",
                features=(settings.out / "features",),
                classes=settings.out / "kitchen",
                run=run,
                head=settings.head,
                recipe="report",
                patience=0,
                epochs=settings.epochs,
                class_weights=weights,  # type: ignore[arg-type]
                select="last",
                seed=seed,
            )
        )
    return pd.read_csv(run / "history.csv").iloc[settings.settled :]


def describe(history: pd.DataFrame) -> list[float]:
    """Step, dip, loss step and the last top-1 of one training."""
    top1, loss = history["validation_top1"].to_numpy(), history["validation_loss"].to_numpy()
    dip = (np.maximum.accumulate(top1) - top1).max()
    return [np.abs(np.diff(top1)).mean(), dip, 100 * np.abs(np.diff(loss)).mean() / loss.mean(), top1[-1]]


def main(settings: Settings) -> None:
    print(f"head {settings.head}, recipe report, {settings.epochs} epochs, {settings.seeds} tails\n")
    print("| class weights | step | dip | loss step % | last top-1 | spread |\n|---|---|---|---|---|---|")
    for weights in ("none", *CLASS_WEIGHTS):
        found = np.array([describe(curves(settings, weights, seed)) for seed in range(settings.seeds)])
        step, dip, loss, last = found.mean(0)
        print(f"| {weights} | {step:.2f} | {dip:.1f} | {loss:.1f} | {last:.1f} | {found[:, 3].std():.1f} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings))
