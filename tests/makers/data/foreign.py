"""Made data sets in the layout of MS-TCN's: features whose first numbers say what happens, labels of every frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

NAMES = ("background", "take", "pour", "stir")
WIDTH = 12


def write_data_set(
    folder: Path,
    *,
    videos: Sequence[str] = ("S1_Tea", "S2_Tea", "S3_Tea", "S4_Tea"),
    layout: str = "DxF",
    dtype: str = "float32",
    noise: float = 0.3,
    rate: int = 15,
    num_test: int = 1,
    extra_frames: int = 0,
) -> Path:
    """Recordings of some 20 seconds; the last `num_test` of them are the test side of split 1."""
    for part in ("features", "groundTruth", "splits"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, video in enumerate(videos):
        random = np.random.default_rng(number)
        order = [0, *random.permutation([1, 2, 3]), 0, *random.permutation([1, 2, 3]), 0]
        labels = np.concatenate([np.full(int(random.integers(2 * rate, 4 * rate)), label) for label in order])
        write_features(folder, video, labels, layout=layout, dtype=dtype, noise=noise, extra_frames=extra_frames)
        (folder / "groundTruth" / f"{video}.txt").write_text("".join(f"{NAMES[label]}\n" for label in labels))
    (folder / "mapping.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(NAMES)))
    sides = {"train": videos[: len(videos) - num_test], "test": videos[len(videos) - num_test :]}
    for side, members in sides.items():
        (folder / "splits" / f"{side}.split1.bundle").write_text("".join(f"{video}.txt\n" for video in members))
    return folder


def write_features(
    folder: Path,
    video: str,
    labels: np.ndarray,
    *,
    layout: str = "DxF",
    dtype: str = "float32",
    noise: float = 0.3,
    extra_frames: int = 0,
) -> np.ndarray:
    """The features of one recording, (F, D)."""
    random = np.random.default_rng(len(video) + int(labels.sum()))
    shown = np.append(labels, np.full(extra_frames, labels[-1]))
    features = (np.eye(WIDTH)[shown] + random.normal(0, noise, (len(shown), WIDTH))).astype(dtype)
    np.save(folder / "features" / f"{video}.npy", features.T if layout == "DxF" else features)
    return features


def read_truth(folder: Path, video: str) -> list[str]:
    """The labels of a recording."""
    return (folder / "groundTruth" / f"{video}.txt").read_text().split()
