"""What each method against a long tail gains, on the built-in kitchen with an extreme tail.

    python benchmarks/long_tail.py --out FOLDER [--videos 60] [--head difference] [--seeds 3]

Training segments are dropped until the most frequent verb and noun have `--imbalance` times as many as the rarest;
the kitchen that training never sees is left as it is. The setting of a method (the temperature of logit adjustment)
is chosen by leaving training kitchens out, never by the validation kitchen. Every seed draws another tail and starts
training anew. At the end: how unsteady class weights make the report's training.
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

from egoact.core.labels import TARGETS, read_vocabulary
from egoact.core.metrics import evaluate_scores
from egoact.core.segments import read_segments
from egoact.stages.evaluate import score_segments
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.kitchen import KitchenSettings, kitchen
from egoact.stages.train import TrainSettings, train

PLAIN = "plain cross entropy"
METHODS: dict[str, list[dict[str, Any]]] = {
    PLAIN: [{}],
    "class weights, inverse": [{"class_weights": "inverse"}],
    "class weights, square root": [{"class_weights": "square_root"}],
    "class weights, effective number": [{"class_weights": "effective_number"}],
    "class-balanced sampling": [{"class_balanced_sampling": True}],
    "focal loss": [{"loss": "focal"}],
    "balanced softmax": [{"loss": "balanced_softmax"}],
    "logit adjustment": [{"loss": "logit_adjustment", "temperature": tau} for tau in (0.5, 1.0, 1.5, 2.0)],
    "classifier re-training": [{"retrain_epochs": 30}],
}
"""Method -> the settings to choose from."""
FOLDS = (("P01", "P02"), ("P03", "P04", "P05"))
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

    def train_and_measure(
        self, name: str, training: pd.DataFrame, held: Path, change: dict[str, Any], seed: int
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Scores and metrics of held-out segments after training on others."""
        run = self.out / "runs" / f"{self.settings.head}-{name}-{seed}-{'-'.join(map(str, change.values())) or 'plain'}"
        csv = self.out / f"{name}-{seed}.csv"
        training.to_csv(csv, index=False)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(
                TrainSettings(
                    segments=csv,
                    validation=held,
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
        scores = score_segments(run, read_segments(held), self.features).by_target()
        return scores, json.loads((run / "metrics.json").read_text())

    def cross_validate(self, training: pd.DataFrame, change: dict[str, Any], seed: int) -> dict[str, Any]:
        """Metrics over all training segments, each answered without its own kitchen."""
        parts, answers = [], []
        for number, fold in enumerate(FOLDS):
            out = training["participant_id"].isin(fold)
            held = self.out / f"held-{number}-{seed}.csv"
            training[out].to_csv(held, index=False)
            answers.append(self.train_and_measure(f"fold{number}", training[~out], held, change, seed)[0])
            parts.append(read_segments(held))
        scores = {target: np.concatenate([answer[target] for answer in answers]) for target in TARGETS}
        labels = {
            target: np.concatenate([read_vocabulary(self.made, target).encode(part) for part in parts])
            for target in TARGETS
        }
        return evaluate_scores(scores, labels)

    def choose(self, training: pd.DataFrame, options: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        """The setting with the best mean-class accuracy of actions that costs no more than two points of top-1."""
        if len(options) == 1:
            return options[0]
        plain = self.cross_validate(training, {}, seed)["action"]
        found = [self.cross_validate(training, change, seed)["action"] for change in options]
        allowed = [metrics["mean_class"] - 100 * (plain["top1"] - metrics["top1"] > 2) for metrics in found]
        return options[int(np.argmax(allowed))]

    def run_seed(self, seed: int) -> dict[str, Any]:
        """Every method with its chosen setting on the validation kitchen."""
        training = self.draw_tail(seed)
        counts = {t: training[f"{t}_class"].value_counts() for t in TARGETS}
        counted = ", ".join(f"{t}s {c.iloc[0]} to {c.iloc[-1]}" for t, c in counts.items())
        print(f"seed {seed}: {len(training)} training segments, {counted}", flush=True)
        results: dict[str, Any] = {}
        for method, options in METHODS.items():
            setting = self.choose(training, options, seed)
            metrics = self.train_and_measure("all", training, self.made / "validation.csv", setting, seed)[1]
            results[method] = {"setting": setting, "metrics": metrics}
            print(f"seed {seed}, {method} {setting}: {_show([metrics])}", flush=True)
        return results

    def measure_unsteadiness(self) -> list[str]:
        """The report's LSTM and recipe with class weights: how far the validation curve jumps from epoch to epoch."""
        lines = []
        for weights in ("none", "square_root", "inverse"):
            jumps, best, last = [], [], []
            for seed in range(self.settings.seeds):
                run = self.out / "runs" / f"unsteady-{weights}-{seed}"
                csv = self.out / f"unsteady-{seed}.csv"
                self.draw_tail(seed).to_csv(csv, index=False)
                settings = TrainSettings(
                    segments=csv,
                    validation=self.made / "validation.csv",
                    features=self.features,
                    run=run,
                    classes=self.made,
                    head="lstm",
                    recipe="report",
                    patience=0,
                    epochs=34,  # the learning rate is that of the start
                    class_weights=weights,  # type: ignore[arg-type]
                    seed=seed,
                )
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    train(settings)
                history = pd.read_csv(run / "history.csv")
                loss = history["validation_loss"].to_numpy()[10:]
                jumps.append(np.abs(np.diff(loss)).mean() / loss.mean())
                top1 = history["validation_top1"].to_numpy()
                best.append(top1.max())
                last.append(top1[-10:].std())
            row = (100 * np.mean(jumps), np.mean(best), np.mean(last))
            lines.append(f"| {weights} | {row[0]:.1f} | {row[1]:.1f} | {row[2]:.1f} |")
        return lines


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
        print(f"| {method} | {_show([seed[method]['metrics'] for seed in found])} |")
    print("temperatures: " + ", ".join(str(seed["logit adjustment"]["setting"]["temperature"]) for seed in found))
    print("\nThe report's LSTM and recipe, epochs 10 to 34\n")
    print("| class weights | mean jump of the validation loss between epochs, % | best action top-1 | its spread |")
    print("|---|---|---|---|\n" + "\n".join(bench.measure_unsteadiness()))


if __name__ == "__main__":
    main(tyro.cli(Settings))
