"""Segments through every format of annotations and back: what comes back, how exact its times are, how long it takes.

    python benchmarks/formats.py --segments EPIC_100_validation.csv --fps 60

A segment is the same if recording, verb and noun are, and both times are within half a frame.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import tyro

from egoact.core.annotations.formats.annotation import Annotation, Annotations
from egoact.core.annotations.formats.catalogue import FORMATS
from egoact.core.annotations.formats.conversion import decode_annotations, encode_annotations, read_annotations
from egoact.core.annotations.formats.exchange import ReadOptions, Source, WriteOptions
from egoact.core.annotations.formats.label_words import LabelWords


@dataclass(frozen=True)
class Settings:
    """What to convert."""

    segments: Path
    """CSV of segments."""
    fps: float
    """Of formats that count frames."""


def count_same(before: Annotations, after: Annotations, *, tolerance_seconds: float) -> tuple[int, float]:
    """How many segments are the same, and the largest difference of their times in milliseconds."""
    rest: dict[tuple[str, str, str], list[Annotation]] = defaultdict(list)
    for item in after:
        rest[item.recording, item.verb, item.noun].append(item)
    same, largest = 0, 0.0
    for item in before:
        others = rest[item.recording, item.verb, item.noun]
        distances = [
            max(abs(o.start_seconds - item.start_seconds), abs(o.stop_seconds - item.stop_seconds)) for o in others
        ]
        if distances and min(distances) <= tolerance_seconds:
            others.pop(distances.index(min(distances)))
            same, largest = same + 1, max(largest, min(distances))
    return same, 1000 * largest


def measure(settings: Settings) -> None:
    """Print a row a format."""
    given = read_annotations([settings.segments]).annotations
    print(f"{len(given)} segments of {len(given.by_recording())} recordings")
    print(f"{'format':<14}{'same':>7}{'largest ms':>12}{'MB':>7}{'write s':>9}{'read s':>8}")
    for name in FORMATS:
        began = time.perf_counter()
        encoded = encode_annotations(given, name, options=WriteOptions(fps=settings.fps))
        written = time.perf_counter()
        sources = [Source(f"{recording or 'all'}{encoded.suffix}", text) for recording, text in encoded.files.items()]
        options, words = ReadOptions(fps=settings.fps), LabelWords(is_split=True)
        read = decode_annotations(sources, format_name=name, options=options, words=words)
        ended = time.perf_counter()
        same, largest = count_same(given, read.annotations, tolerance_seconds=0.5 / settings.fps + 1e-6)
        size = sum(map(len, encoded.files.values())) / 1e6
        times = f"{written - began:>9.1f}{ended - written:>8.1f}"
        print(f"{name:<14}{same:>7}{largest:>12.1f}{size:>7.1f}{times}", flush=True)


if __name__ == "__main__":
    measure(tyro.cli(Settings))
