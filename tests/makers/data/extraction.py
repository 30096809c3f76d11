"""Short recordings, their segments, and settings that extract them in a second."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from egoact.commands.data.extract import ExtractSettings
from egoact.core.annotations.union import read_labels
from egoact.store.reader import FeatureStore
from tests.makers.films.media import write_video

NUM_FRAMES = 100  # of each recording, at 50 frames per second: two seconds
SPANS = [(0.1, 0.9), (0.5, 1.5), (0.6, 0.62), (1.2, 1.98)]
VIDEOS = [f"P01_10{i}" for i in range(4)]


def write_segments(path: Path, videos: list[str], spans: list[tuple[float, float]] = SPANS) -> Path:
    """A segments CSV: the same spans of every recording."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["narration_id", "participant_id", "video_id", "start_seconds", "stop_seconds", "verb"])
        for video in videos:
            for i, (start, stop) in enumerate(spans):
                writer.writerow([f"{video}_{i}", video[:3], video, start, stop, "take"])
    return path


def make_video(path: Path, number: int = 0, num_frames: int = NUM_FRAMES) -> Path:
    """A recording whose frames carry numbers that no other has."""
    return write_video(path, rate=50, num_frames=num_frames, first_number=number * NUM_FRAMES, gop=20)


def settings(tmp_path: Path, **changes) -> ExtractSettings:
    """Of `tmp_path`; some of them changed."""
    base = ExtractSettings(
        segments=(tmp_path / "segments.csv",),
        media=tmp_path / "media",
        features=tmp_path / "features",
        backbone="tiny-random",
        exact=True,
        num_frames=8,
        size=64,
        engine="torch",
        precision="f32",
        device="cpu",
        workers=2,
    )
    return replace(base, **changes)


def features(chosen: ExtractSettings, *, views: int = 0) -> np.ndarray:
    store = FeatureStore.open(chosen.features)
    return store.gather(store.locate(read_labels(chosen.segments), chosen.clips()), views=views).astype(np.float32)
