"""What looking at every recording 4, 8 or 15 times a second costs against the exact times of each clip.

    egoact demo --out demo
    python benchmarks/moments.py --data FOLDER --demo demo --out moments

The default head on real recordings (leave one out, as in `benchmarks/gtea.py`, whose settings these are) and in the
built-in kitchen (trained on the demo's training kitchens, asked about the one that training never saw). Accuracy:
mean and standard deviation over seeds. Seconds and bytes: of the extraction of all segments.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import gtea
import heads
import numpy as np
import tyro

from egoact.models.heads import DEFAULT_HEAD


@dataclass(frozen=True, kw_only=True)
class Settings(heads.Settings):
    """What to measure."""

    out: Path = Path("moments")
    """Folder to keep features and runs in."""
    heads: tuple[str, ...] = (DEFAULT_HEAD,)
    """Head to train; the first counts."""
    rates: tuple[int, ...] = (4, 8, 15)
    """Pictures a second to try."""


class Kitchen(heads.Kitchen):
    """The demo's kitchens, with features of their own."""

    def _extract(self, head: str) -> Path:
        features = self.settings.out / f"kitchen-{self.settings.store_name(head)}"
        for part in ("train", "validation"):
            self.settings.extract(self.folder / f"{part}.csv", self.folder / "videos", features, head=head)
        return features


def size_of(store: Path) -> float:
    """MB on disk."""
    return sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) / 1e6


def main(settings: Settings) -> None:
    head = settings.heads[0]
    ways = [("exact", replace(settings, exact=True))] + [
        (f"{r} a second", replace(settings, rate=r)) for r in settings.rates
    ]
    lines = [
        "| moments | real, verb | s | MB | kitchen, verb | noun | both | s | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, how in ways:
        how = replace(how, out=settings.out / f"{name.replace(' ', '-')}-{how.views}")
        how.out.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        bench = gtea.Bench(how, how.out)
        real_store = bench.features(head)
        real_seconds, begun = time.perf_counter() - begun, time.perf_counter()
        kitchen = Kitchen(how)
        kitchen_store = kitchen.features(head)
        kitchen_seconds = time.perf_counter() - begun
        real = gtea.measure_heads(bench)[head]
        made = kitchen.measure_heads()[head]
        cells = [heads.cell(np.array(real)), f"{real_seconds:.0f}", f"{size_of(real_store):.1f}"]
        cells += [heads.cell(made[:, i]) for i in range(3)] + [
            f"{kitchen_seconds:.0f}",
            f"{size_of(kitchen_store):.1f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main(tyro.cli(Settings))
