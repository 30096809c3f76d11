"""Why class weights make training unsteady: what a batch of 32 is worth under them, on somebody's real labels.

    python benchmarks/class_weights.py --segments CSV

For each way to weigh: weight of the rarest over the most frequent class; share of a batch's weight that its heaviest
clip has; how many equally heavy clips would give as steady a gradient, (sum w)^2 / sum w^2 (Kish 1965); and how the
sum of weights varies from batch to batch, which is how the step varies in a framework that does not divide by it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from egoact.core.annotations.labels import TARGETS, build_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.imbalance import CLASS_WEIGHTS, count_classes


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    segments: Path
    """Segments CSV with labels."""
    batch_size: int = 32
    """Clips in a batch."""
    batches: int = 20_000
    """Batches to draw."""


def main(settings: Settings) -> None:
    table = read_segments(settings.segments)
    print("| target, weights | rarest : most frequent | heaviest clip % | worth clips | sum varies by % |")
    print("|---|---|---|---|---|")
    for target in TARGETS:
        vocabulary = build_vocabulary(table, target)
        if vocabulary is None:
            continue
        labels = vocabulary.encode(table, allow_unlabelled=False)
        drawn = np.random.default_rng(0).integers(len(labels), size=(settings.batches, settings.batch_size))
        for name, weigh in CLASS_WEIGHTS.items():
            weights = weigh(count_classes(labels, num_classes=vocabulary.size))
            seen = weights[weights > 0]
            batches = weights[labels[drawn]]
            sums = batches.sum(1)
            worth = (sums**2 / (batches**2).sum(1)).mean()
            heaviest, spread = 100 * (batches.max(1) / sums).mean(), 100 * sums.std() / sums.mean()
            ratio = seen.max() / seen.min()
            print(f"| {target}, {name} | {ratio:,.0f} | {heaviest:.0f} | {worth:.1f} | {spread:.0f} |")


if __name__ == "__main__":
    main(tyro.cli(Settings))
