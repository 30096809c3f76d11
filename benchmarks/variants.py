"""What a second feature store and the joint classifier are worth, on the built-in kitchen; writes nothing but a table.

    egoact kitchen --out kitchen
    egoact extract --segments kitchen/train.csv --media kitchen/videos --features a      (and validation.csv)
    egoact extract ... --features b --backbone mobilenet_v2
    python benchmarks/variants.py --kitchen kitchen --features a b

Every variant: the last epoch, in the kitchen that training never saw.
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np

from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.store.reader import FeatureStore


def measure(kitchen: Path, features: tuple[Path, ...], work: Path, *, seeds: int, **options: object) -> np.ndarray:
    """Top-1 of verb, noun and action, percent: (seeds, 3)."""
    found = []
    for seed in range(seeds):
        run, out = work / f"run-{seed}", work / f"out-{seed}"
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(
                TrainSettings(
                    segments=kitchen / "train.csv",
                    classes=kitchen,
                    features=features,
                    run=run,
                    seed=seed,
                    select="last",
                    **options,  # type: ignore[arg-type]
                )
            )
            evaluate(EvaluateSettings(segments=kitchen / "validation.csv", run=run, features=features, out=out))
        metrics = json.loads((out / "metrics.json").read_text())
        found.append([metrics[target]["top1"] for target in ("verb", "noun", "action")])
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kitchen", type=Path, required=True)
    parser.add_argument("--features", type=Path, nargs=2, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--heads", nargs="+", default=["difference"])
    settings = parser.parse_args()
    first, second = both = tuple(settings.features)
    one, other = (FeatureStore.open(path).spec.backbone.name for path in both)
    print("| head | features | joint | verb | noun | action |\n|---|---|---|---|---|---|")
    for head in settings.heads:
        for name, features, options in (
            (one, (first,), {}),
            (one, (first,), {"joint": True}),
            (other, (second,), {}),
            ("both, early", both, {"fusion": "early"}),
            ("both, late", both, {"fusion": "late"}),
            ("both, late", both, {"fusion": "late", "joint": True}),
        ):
            with tempfile.TemporaryDirectory() as work:
                found = measure(settings.kitchen, features, Path(work), seeds=settings.seeds, head=head, **options)
            cells = [f"{m:.1f} +- {s:.1f}" for m, s in zip(found.mean(0), found.std(0), strict=True)]
            print(f"| {head} | {name} | {'yes' if 'joint' in options else ''} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
