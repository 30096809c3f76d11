"""What each method against a long tail gains, on the built-in kitchen with an extreme tail.

    python benchmarks/long_tail.py --out FOLDER [--videos 60] [--head difference] [--seeds 3]

Training segments are dropped until the most frequent verb and noun have `--imbalance` times as many as the rarest;
the kitchen that training never sees is left as it is. No setting of a method is tuned: temperatures are fixed
beforehand. Every seed draws another tail and starts training anew.
"""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from egoact.core.labels import TARGETS
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.kitchen import KitchenSettings, kitchen
from egoact.stages.train import TrainSettings, train

METHODS: dict[str, dict[str, Any]] = {
    "plain cross entropy": {},
    "class weights, inverse": {"class_weights": "inverse"},
    "class weights, square root": {"class_weights": "square_root"},
    "class weights, effective number": {"class_weights": "effective_number"},
    "class-balanced sampling": {"class_balanced_sampling": True},
    "focal loss": {"loss": "focal"},
    "balanced softmax": {"loss": "balanced_softmax"},
    "logit adjustment, temperature 0.5": {"loss": "logit_adjustment", "temperature": 0.5},
    "classifier re-training": {"retrain_epochs": 30},
}
PARTS = [(target, measure) for target in (*TARGETS, "action") for measure in ("top1", "mean_class")]


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    out: Path
    """Folder for the kitchen, features and runs; what is there is used."""
    videos: int = 60
    """Recordings to film."""
    head: str = "difference"
    """As in egoact train."""
    epochs: int = 30
    """Of each training."""
    seeds: int = 3
    """Tails and trainings."""
    imbalance: float = 100.0
    """Most frequent over rarest class, of verbs and of nouns."""
    share: float = 0.5
    """Of its segments that the most frequent class keeps."""


class Bench:
    """A kitchen, its features, and trainings on parts of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.out = settings, settings.out
        self.made, self.features = settings.out / "kitchen", settings.out / "features"
        kitchen(KitchenSettings(out=self.made, videos=settings.videos))
        for part in ("train", "validation"):
            segments = self.made / f"{part}.csv"
            assert not extract(
                ExtractSettings(segments=segments, media=self.made / "videos", features=self.features)
            ), f"some segments failed; see {self.features}/failures.csv"
        self.frame = pd.read_csv(self.made / "train.csv", dtype=str, keep_default_na=False)

    def draw_tail(self, seed: int) -> pd.DataFrame:
        """Training segments of which the k-th most frequent class keeps ever fewer, down to one in `imbalance`."""
        quotas = {}
        for target in TARGETS:
            counts = self.frame[f"{target}_class"].value_counts()
            most = counts.iloc[0] * self.settings.share
            ranks = np.arange(len(counts)) / (len(counts) - 1)
            left = np.maximum(1, np.round(most * self.settings.imbalance**-ranks)).astype(int)
            quotas[target] = dict(zip(counts.index, left, strict=True))
        order = np.random.default_rng(seed).permutation(len(self.frame))
        rarity = self.frame.apply(lambda row: min(quotas[t][row[f"{t}_class"]] for t in TARGETS), axis=1).to_numpy()
        kept = []
        for index in order[np.argsort(rarity[order], kind="stable")]:
            classes = [(target, self.frame.at[index, f"{target}_class"]) for target in TARGETS]
            if all(quotas[target][name] > 0 for target, name in classes):
                kept.append(index)
                for target, name in classes:
                    quotas[target][name] -= 1
        return self.frame.loc[sorted(kept)]

    def train_and_measure(self, training: pd.DataFrame, change: dict[str, Any], seed: int) -> dict[str, Any]:
        """Metrics of the validation kitchen after training on some segments."""
        run = self.out / "runs" / f"{self.settings.head}-{seed}-{'-'.join(map(str, change.values())) or 'plain'}"
        csv = self.out / f"train-{seed}.csv"
        training.to_csv(csv, index=False)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(
                TrainSettings(
                    segments=csv,
                    validation=self.made / "validation.csv",
                    features=self.features,
                    run=run,
                    classes=self.made,
                    head=self.settings.head,
                    select="last",
                    epochs=self.settings.epochs,
                    seed=seed,
                    **change,
                )
            )
        metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
        return metrics

    def run_seed(self, seed: int) -> dict[str, Any]:
        """Metrics of every method on the validation kitchen."""
        training = self.draw_tail(seed)
        counts = {t: training[f"{t}_class"].value_counts() for t in TARGETS}
        counted = ", ".join(f"{t}s {c.iloc[0]} to {c.iloc[-1]}" for t, c in counts.items())
        print(f"seed {seed}: {len(training)} training segments, {counted}", flush=True)
        results: dict[str, Any] = {}
        for method, change in METHODS.items():
            results[method] = self.train_and_measure(training, change, seed)
            print(f"seed {seed}, {method}: {_show([results[method]])}", flush=True)
        return results


def _mean(values: list[dict[str, Any]], get: Callable[[dict[str, Any]], float]) -> str:
    return f"{np.mean([get(metrics) for metrics in values]):.1f}"


def _show(values: list[dict[str, Any]]) -> str:
    cells = [_mean(values, lambda m, t=target, k=measure: m[t][k]) for target, measure in PARTS]
    cells += [_mean(values, lambda m, p=part: m[p]["noun"]["top1"]) for part in ("head", "tail")]
    return " | ".join(cells)


def main(settings: Settings) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(settings)
    found = [bench.run_seed(seed) for seed in range(settings.seeds)]
    (settings.out / f"long-tail-{settings.head}.json").write_text(json.dumps(found, indent=2))
    print(f"\nhead {settings.head}, means over {settings.seeds} tails, %\n")
    print("| method | verb top-1 | mean class | noun top-1 | mean class | action top-1 | mean class |", end="")
    print(f" noun head | noun tail |\n|{'---|' * 9}")
    for method in METHODS:
        print(f"| {method} | {_show([seed[method] for seed in found])} |")


if __name__ == "__main__":
    main(tyro.cli(Settings))
