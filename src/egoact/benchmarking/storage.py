"""`egoact bench storage`: ways to keep clips on disk, as in the report's Appendix D, and as features."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.benchmarking.measuring import times_of
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import NUM_FRAMES, Workload, read_sample
from egoact.media.stills.pictures import decode_still

_JPEG_QUALITY = 95
_ROUNDS = 3


def measure(work: Workload) -> Results:
    """Write real clips in every way, and read them back."""
    root, table = work.recordings()
    backbone = work.backbone()
    sizes = (1, 2) if work.is_quick else (1, 4, 16)
    frames = read_sample(root, table, count=NUM_FRAMES * sizes[-1], size=backbone.spec.input_size)
    engine = replace(work, precision="f32").engine(backbone, frames)
    step = engine.batch_size
    features = np.concatenate([engine.run(frames[i : i + step]) for i in range(0, len(frames), step)])
    features = features.astype(np.float16)
    rows = []
    for num_clips in sizes:
        chosen = slice(0, num_clips * NUM_FRAMES)
        with tempfile.TemporaryDirectory(dir=work.out) as folder:
            rows += [[name, num_clips, *row] for name, row in _try_all(Path(folder), frames[chosen], features[chosen])]
    last = {row[0]: row for row in rows if row[1] == sizes[-1]}
    return Results(
        title="Keeping clips",
        text=f"Clips of {NUM_FRAMES} frames of {work.pixels} x {work.pixels}, from real recordings. float32 and "
        "uint8 are NumPy files, without and with compression (deflate); JPEG is a file a frame of quality "
        f"{_JPEG_QUALITY}, decoded again when it is loaded; features are what {backbone.spec.name} makes of the same "
        f"frames, float16. Load time: the fastest of {_ROUNDS}, from the page cache.",
        tables=[
            Table("formats", "Bytes and seconds", ("format", "clips", "MB on disk", "MB in memory", "s to load"), rows)
        ],
        figures=[
            Figure("features against uint8, on disk", last["uint8"][2] / last["features"][2], "x smaller"),
            Figure("features against float32, on disk", last["float32"][2] / last["features"][2], "x smaller"),
        ],
    )


def _try_all(folder: Path, frames: np.ndarray, features: np.ndarray) -> list[tuple[str, list[Any]]]:
    """Format -> MB on disk, MB in memory, seconds to load."""
    scaled = frames.astype(np.float32) / 255
    found = []
    for name, array in (("float32", scaled), ("uint8", frames)):
        plain, packed = folder / f"{name}.npy", folder / f"{name}.npz"
        np.save(plain, array)
        np.savez_compressed(packed, clips=array)
        found.append((name, _time(plain, partial(np.load, plain))))
        found.append((f"{name} compressed", _time(packed, partial(_read_packed, packed))))
    pictures = folder / "jpeg"
    pictures.mkdir()
    for number, frame in enumerate(frames):
        name = str(pictures / f"frame_{number + 1:010d}.jpg")
        cv2.imwrite(name, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    found.append(("JPEG", _time(pictures, partial(_read_pictures, pictures))))
    np.save(folder / "features.npy", features)
    found.append(("features", _time(folder / "features.npy", partial(np.load, folder / "features.npy"))))
    return found


def _time(path: Path, load: Callable[[], np.ndarray]) -> list[float]:
    files = path.iterdir() if path.is_dir() else [path]
    seconds = times_of(load, rounds=_ROUNDS).min()
    return [round(sum(f.stat().st_size for f in files) / 1e6, 3), round(load().nbytes / 1e6, 3), round(seconds, 4)]


def _read_packed(path: Path) -> np.ndarray:
    with np.load(path) as arrays:
        return arrays["clips"]


def _read_pictures(folder: Path) -> np.ndarray:
    paths = sorted(folder.iterdir())
    return np.stack([decode_still(path.read_bytes(), size=None) for path in paths])
