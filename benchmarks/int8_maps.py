"""What int8 maps lose: the same maps as float16 and as int8, their cosine, and heads trained and tested on either.

egoact kitchen --out kitchen
egoact extract --segments kitchen/train.csv --media kitchen/videos --features maps --kind maps --cut 12 \
        --backbone mobilenet_v2      (and validation.csv)
python benchmarks/int8_maps.py --kitchen kitchen --features maps
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from gtea import MAP_OPTIONS

from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.sampling import ClipSampling
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter


def copy_as_int8(store: FeatureStore, path: Path) -> FeatureStore:
    """A store of the same features, quantised from their float16."""
    with StoreWriter(path, replace(store.spec, dtype="int8")) as writer:
        for number, row in enumerate(store.index.rows.values()):
            with writer.begin() as buffer:
                buffer.append(np.array(store.shard(number)))
                writer.commit(row.video_id, buffer, row.moments, num_steps=row.num_steps)
    return FeatureStore.open(path)


def compare(a: FeatureStore, b: FeatureStore, table: SegmentTable) -> str:
    """Cosine of each frame's map, bytes, and seconds to gather a batch of 32 clips."""
    lines = []
    lowest, total = 1.0, []
    rows = [store.locate(table, ClipSampling()) for store in (a, b)]
    width = np.prod(a.spec.backbone.feature_shape)
    for start in range(0, len(table), 32):
        x, y = (
            store.gather(row[start : start + 32]).astype(np.float32).reshape(-1, width)
            for store, row in zip((a, b), rows, strict=True)
        )
        cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        lowest = min(lowest, float(cosine.min()))
        total.append(float(cosine.mean()))
    lines.append(f"cosine of a frame's maps: mean {np.mean(total):.6f}, lowest {lowest:.6f}")
    for store, row in zip((a, b), rows, strict=True):
        size = sum(file.stat().st_size for file in (store.path / "shards").iterdir())
        began = time.perf_counter()
        for _ in range(3):
            store.gather(row[:32])
        seconds = (time.perf_counter() - began) / 3
        lines.append(f"{store.spec.dtype}: {size / 1e6:.0f} MB, {1000 * seconds:.0f} ms to gather 32 clips")
    return "\n".join(lines)


def train_on(store: FeatureStore, kitchen: Path, run: Path, *, head: str, seed: int, epochs: int) -> None:
    """One training in silence."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(
            TrainSettings(
                segments=kitchen / "train.csv",
                classes=kitchen,
                features=(store.path,),
                run=run,
                head=head,
                head_options=MAP_OPTIONS[head],
                epochs=epochs,
                seed=seed,
                select="last",
            )
        )


def test_on(store: FeatureStore, kitchen: Path, run: Path) -> list[float]:
    """Top-1 of verb, noun and action, percent."""
    segments, out = kitchen / "validation.csv", run / "results"
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate(EvaluateSettings(segments=segments, run=run, features=(store.path,), out=out))
    metrics = json.loads((out / "metrics.json").read_text())
    return [metrics[target]["top1"] for target in ("verb", "noun", "action")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kitchen", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--heads", nargs="+", default=list(MAP_OPTIONS))
    settings = parser.parse_args()
    asked = read_segments(settings.kitchen / "validation.csv")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        exact = FeatureStore.open(settings.features)
        stores = (exact, copy_as_int8(exact, work / "int8"))
        print(compare(*stores, asked), flush=True)
        print("\n| head | trained on | tested on | verb | noun | action |\n|---|---|---|---|---|---|", flush=True)
        for head, trained in product(settings.heads, stores):
            runs = [work / f"{head}-{trained.spec.dtype}-{seed}" for seed in range(settings.seeds)]
            for seed, run in enumerate(runs):
                train_on(trained, settings.kitchen, run, head=head, seed=seed, epochs=settings.epochs)
            for tested in stores:
                found = np.mean([test_on(tested, settings.kitchen, run) for run in runs], axis=0)
                cells = " | ".join(f"{value:.1f}" for value in found)
                print(f"| {head} | {trained.spec.dtype} | {tested.spec.dtype} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
