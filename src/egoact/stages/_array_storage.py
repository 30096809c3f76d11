"""Appendix D: size on disk and in memory, and loading time, of clips as numpy arrays of two types."""

import time
from pathlib import Path
from typing import Any

import numpy as np

_TYPES = ("uint8", "float32")


def measure_arrays(clips: np.ndarray, folder: Path, counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """Write clips plainly (npy) and compressed (npz), read them again, and remove them.

    Args:
        clips: uint8 (N, T, H, W, 3).
        folder: To write into.
        counts: Numbers of clips to measure, at most N.

    Returns:
        A row for each type, way of storing and number: bytes on disk, bytes in memory, seconds to load.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for count in counts:
        for type_name in _TYPES:
            chosen = clips[:count].astype(type_name)
            for is_compressed in (False, True):
                path = folder / ("clips.npz" if is_compressed else "clips.npy")
                if is_compressed:
                    np.savez_compressed(path, clips=chosen)
                else:
                    np.save(path, chosen, allow_pickle=False)
                begun = time.perf_counter()
                loaded = _load(path)
                seconds = time.perf_counter() - begun
                assert np.array_equal(loaded, chosen)
                rows.append(
                    {
                        "type": type_name,
                        "compressed": is_compressed,
                        "clips": count,
                        "disk_bytes": path.stat().st_size,
                        "memory_bytes": loaded.nbytes,
                        "load_seconds": round(seconds, 4),
                    }
                )
                path.unlink()
    return rows


def _load(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    with np.load(path, allow_pickle=False) as file:
        return file["clips"]
