"""What each stream costs: seconds of `egoact extract` over some recordings, and bytes a recorded minute on disk.

    python benchmarks/streams.py --media FOLDER [--engine openvino] [--repeats 2]

Every set of streams is extracted into a new folder, in turns; the shortest time of each is kept, with the processor
time of all cores beside it, which other programs disturb less.
"""

import contextlib
import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.models.backbones.spec import STREAMS, Stream
from egoact.store.reader import FeatureStore
from egoact.store.streams import find_streams

SETS: tuple[tuple[Stream, ...], ...] = (
    ("rgb",),
    ("rgb", "grid"),
    ("rgb", "difference"),
    ("rgb", "motion"),
    ("motion",),
    STREAMS,
)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    media: Path
    """Folder of recordings."""
    engine: Literal["openvino", "onnxruntime", "torch"] = "openvino"
    """As in egoact extract, in f32."""
    repeats: int = 2
    """Turns."""


def measure(settings: Settings, streams: tuple[Stream, ...], features: Path) -> tuple[float, float]:
    """Seconds of the wall clock, and of all cores."""
    chosen = ExtractSettings(
        media=(settings.media,), features=features, streams=streams, engine=settings.engine, precision="f32"
    )
    begun, cores = time.perf_counter(), os.times()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert extract(chosen) == 0
    now = os.times()
    return time.perf_counter() - begun, now.user + now.system - cores.user - cores.system


def main(settings: Settings) -> None:
    """Print a line a set of streams, then one a stream."""
    best: dict[tuple[Stream, ...], tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(settings.repeats):
            for streams in SETS:
                features = Path(folder) / f"{turn}-{'-'.join(streams)}"
                taken = measure(settings, streams, features)
                best[streams] = min(best.get(streams, taken), taken)
        stores = {name: FeatureStore.open(path) for name, path in find_streams(features).items()}
        minutes = sum(row.num_steps for row in stores["rgb"].index.rows.values()) / stores["rgb"].spec.rate / 60
        print(f"{len(stores['rgb'].index.rows)} recordings of {minutes:.1f} minutes, {settings.engine} f32")
        for streams, (wall, cores) in best.items():
            print(f"{' '.join(streams)}: {wall:.1f} s, {cores:.1f} s of cores, {60 * minutes / wall:.1f} x real time")
        for name, store in stores.items():
            size = sum(file.stat().st_size for file in (store.path / "shards").iterdir())
            width = store.spec.backbone.feature_shape[0]
            print(f"{name}: {width} numbers, {size / minutes / 1e6:.2f} MB a recorded minute")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
