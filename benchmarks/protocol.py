"""Time and memory of the official protocol at its full size: reading 67,217 segments, scoring 9,668.

    python benchmarks/protocol.py --annotations FOLDER

FOLDER holds EPIC-KITCHENS-100's validation CSV and class files. The training CSV is made from the validation rows,
repeated under new ids until there are as many as the real one has. Prints the protocol's figures for the best constant
answer and for the prior as well; peak memory is that of the whole process, pandas and numpy included.
"""

import csv
import resource
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import tyro

from egoact.core.annotations.labels import TARGETS, read_unseen_participants, read_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.protocol import evaluate_scores

NUM_TRAINING_ROWS = 67_217


@dataclass(frozen=True)
class Settings:
    """What to measure on."""

    annotations: Path
    """Folder with EPIC_100_validation.csv, class files, tail and unseen lists."""


def write_training_csv(source: Path, path: Path) -> None:
    with source.open(newline="", encoding="utf-8") as file, path.open("w", newline="", encoding="utf-8") as out:
        reader = csv.DictReader(file)
        writer = csv.DictWriter(out, reader.fieldnames or ())
        writer.writeheader()
        for number, row in enumerate(islice(cycle(list(reader)), NUM_TRAINING_ROWS)):
            writer.writerow(row | {"narration_id": f"{row['video_id']}_made_{number}"})


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(settings: Settings) -> None:
    validation = settings.annotations / "EPIC_100_validation.csv"
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "train.csv"
        write_training_csv(validation, large)
        begun = time.perf_counter()
        number = len(read_segments(large))
        print(f"reading {number:,} segments: {time.perf_counter() - begun:.2f} s")
    table = read_segments(validation)
    vocabularies = {target: read_vocabulary(settings.annotations, target) for target in TARGETS}
    labels = {target: v.encode(table, allow_unlabelled=False) for target, v in vocabularies.items()}
    participants = [segment.participant_id for segment in table]
    random = np.random.default_rng(0)
    scores = {target: random.normal(size=(len(table), v.size)).astype(np.float32) for target, v in vocabularies.items()}
    print(f"peak memory before scoring: {peak_megabytes():.0f} MB")
    begun = time.perf_counter()
    metrics = evaluate_scores(
        scores,
        labels,
        participants=participants,
        unseen=read_unseen_participants(settings.annotations, participants=participants),
        tail={target: v.tail for target, v in vocabularies.items() if v.tail},
    )
    shape = " + ".join(str(v.size) for v in vocabularies.values())
    print(f"scoring {len(table):,} x ({shape}): {time.perf_counter() - begun:.2f} s, peak {peak_megabytes():.0f} MB")
    for name, parts in metrics["baselines"].items():
        print(
            f"{name}: " + "; ".join(f"{t} {k} {v[k]:.2f}" for t, v in parts.items() for k in ("top1", "top5") if k in v)
        )
    sizes = {target: part["num_segments"] for target, part in metrics["tail"].items()}
    print(f"unseen segments: {metrics['unseen']['num_segments']:,}; tail segments: {sizes}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
