"""What each method against a long tail gains, on the built-in kitchen with an extreme tail.

    python benchmarks/long_tail.py --out FOLDER [--videos 60] [--head difference] [--seeds 3]

Training segments are dropped until the most frequent verb and noun have `--imbalance` times as many as the rarest;
the kitchen that training never sees is left as it is. Every seed draws another tail and starts training anew.

One method is chosen for each seed inside what is left for training: each training kitchen is left out once, and of the
methods whose top-1 of actions there is at most `--most-lost` points below plain training the one with the highest
mean-class accuracy is taken, then trained on all training kitchens. The unseen kitchen has no say in it.
"""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.kitchen import KitchenSettings, kitchen
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.labels import TARGETS, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.protocol import evaluate_scores
from egoact.runs.loading import load_run

PLAIN, CHOSEN = "plain cross entropy", "chosen inside the training kitchens"
METHODS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "class weights, inverse": {"class_weights": "inverse"},
    "class weights, square root": {"class_weights": "square_root"},
    "class weights, effective number": {"class_weights": "effective_number"},
    "class-balanced sampling": {"class_balanced_sampling": True},
    "focal loss": {"loss": "focal"},
    "logit adjustment, temperature 0.25": {"loss": "logit_adjustment", "temperature": 0.25},
    "logit adjustment, temperature 0.5": {"loss": "logit_adjustment", "temperature": 0.5},
    "balanced softmax (temperature 1)": {"loss": "balanced_softmax"},
    "classifier re-training": {"retrain_epochs": 30},
}
Metrics = dict[str, Any]
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
    most_lost: float = 2.0
    """Points of action top-1 that the chosen method may lose inside the training kitchens."""


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

    def train(self, training: pd.DataFrame, name: str, change: dict[str, Any], seed: int, **options: Any) -> Path:
        """A run on some segments; `name` tells them from others."""
        run = self.out / "runs" / f"{self.settings.head}-{name}-{'-'.join(map(str, change.values())) or 'plain'}"
        csv = self.out / f"train-{name}.csv"
        training.to_csv(csv, index=False)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(
                TrainSettings(
                    segments=csv,
                    features=(self.features,),
                    run=run,
                    classes=self.made,
                    head=self.settings.head,
                    select="last",
                    epochs=self.settings.epochs,
                    seed=seed,
                    **change,
                    **options,
                )
            )
        return run

    def measure(self, training: pd.DataFrame, change: dict[str, Any], seed: int) -> Metrics:
        """Metrics of the unseen kitchen after training on some segments."""
        run = self.train(training, str(seed), change, seed, validation=self.made / "validation.csv")
        metrics: Metrics = json.loads((run / "metrics.json").read_text())
        return metrics

    def measure_inside(self, training: pd.DataFrame, change: dict[str, Any], seed: int) -> Metrics:
        """Metrics over all training segments, each kitchen's after training on the others."""
        logits: dict[str, list[np.ndarray]] = {target: [] for target in TARGETS}
        labels: dict[str, list[np.ndarray]] = {target: [] for target in TARGETS}
        for participant, held in training.groupby("participant_id"):
            csv = self.out / f"only-{seed}-{participant}.csv"
            held.to_csv(csv, index=False)
            run = self.train(training.drop(held.index), f"{seed}-without-{participant}", change, seed)
            table = read_segments(csv)
            scores = load_run(run).score(table, self.features).by_target()
            for target in TARGETS:
                logits[target].append(scores[target])
                labels[target].append(read_vocabulary(self.made, target).encode(table, allow_unlabelled=False))
        joined = [{target: np.concatenate(parts) for target, parts in each.items()} for each in (logits, labels)]
        return evaluate_scores(*joined)

    def choose(self, training: pd.DataFrame, seed: int) -> str:
        """The method that does best inside the training kitchens."""
        inside = {method: self.measure_inside(training, change, seed)["action"] for method, change in METHODS.items()}
        least = inside[PLAIN]["top1"] - self.settings.most_lost
        allowed = [method for method, metrics in inside.items() if metrics["top1"] >= least]
        for method, metrics in inside.items():
            shown = f"action top-1 {metrics['top1']:.1f}, mean class {metrics['mean_class']:.1f}"
            print(f"seed {seed}, inside, {method}: {shown}", flush=True)
        return max(allowed, key=lambda method: inside[method]["mean_class"])

    def run_seed(self, seed: int) -> dict[str, Metrics]:
        """Metrics of every method, and of the one that was chosen, on the unseen kitchen."""
        training = self.draw_tail(seed)
        counts = {t: training[f"{t}_class"].value_counts() for t in TARGETS}
        counted = ", ".join(f"{t}s {c.iloc[0]} to {c.iloc[-1]}" for t, c in counts.items())
        print(f"seed {seed}: {len(training)} training segments, {counted}", flush=True)
        chosen = self.choose(training, seed)
        print(f"seed {seed}, chosen: {chosen}", flush=True)
        results = {method: self.measure(training, change, seed) for method, change in METHODS.items()}
        return results | {CHOSEN: results[chosen]}


def cells(values: list[Metrics]) -> list[float]:
    """Means over seeds: top-1 and mean class of verb, noun and action, and top-1 of frequent and rare nouns."""
    found = [[m[target][measure] for target, measure in PARTS] for m in values]
    parts = [[m[part]["noun"]["top1"] for part in ("head", "tail")] for m in values]
    return np.concatenate([found, parts], axis=1).mean(0).tolist()


def gains(values: list[Metrics], plain: list[Metrics]) -> str:
    """What is gained over plain training, with its spread over seeds."""
    lines = []
    for target, measure in PARTS:
        gained = np.array([m[target][measure] - p[target][measure] for m, p in zip(values, plain, strict=True)])
        each = ", ".join(f"{value:+.1f}" for value in gained)
        lines.append(f"{target} {measure}: {gained.mean():+.2f} ({each})")
    return "\n".join(lines)


def main(settings: Settings) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(settings)
    found = [bench.run_seed(seed) for seed in range(settings.seeds)]
    (settings.out / f"long-tail-{settings.head}.json").write_text(json.dumps(found, indent=2))
    print(f"\nhead {settings.head}, means over {settings.seeds} tails, %\n")
    print("| method | verb top-1 | mean class | noun top-1 | mean class | action top-1 | mean class |", end="")
    print(f" noun head | noun tail |\n|{'---|' * 9}")
    for method in (*METHODS, CHOSEN):
        shown = " | ".join(f"{value:.1f}" for value in cells([seed[method] for seed in found]))
        print(f"| {method} | {shown} |")
    print(f"\n{CHOSEN}, against {PLAIN}, points:")
    print(gains([seed[CHOSEN] for seed in found], [seed[PLAIN] for seed in found]))


if __name__ == "__main__":
    main(tyro.cli(Settings))
