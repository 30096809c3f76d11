"""Pictures of recordings as a network sees them, decoded once into a memory-mapped file; without labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egoact.adaptation.disk_arrays import new_array, read_facts
from egoact.core.errors import MediaError
from egoact.core.files import make_folder, part_path, rename, write_json
from egoact.core.progress import Progress
from egoact.core.sampling import Floats
from egoact.extraction.decoding import FrameBatch, VideoJob, decode
from egoact.media.pairs import difference_pictures
from egoact.media.recording import estimate_steps, lay_grid
from egoact.media.sources import MediaRoot, MediaSource
from egoact.models.backbones.spec import BackboneSpec

_NAME, _FACTS = "pictures.npy", "pictures.json"
_RATE = 8  # steps a second that moments are chosen from


def load_pictures(root: MediaRoot, folder: Path, specs: Sequence[BackboneSpec], *, count: int) -> np.ndarray:
    """Frames spread evenly over all recordings, uint8 (N, H, W, 3) on disk.

    Where a stream looks at differences, every frame is followed by its difference to the frame before it. Given the
    same recordings again, a finished file is used again.

    Specs are those of the streams that a network computes; there are as many frames as steps, if that is less than
    `count`.

    Raises:
        MediaError: There is no recording, or not one picture can be read.
    """
    size = specs[0].input_size
    lag = max(spec.lag_seconds for spec in specs)
    moments = _choose_moments(root, count)
    num_kinds = 2 if lag else 1
    facts: dict[str, Any] = {"moments": {v: [round(float(t), 6) for t in times] for v, times in moments.items()}}
    facts |= {"size": list(size), "lag_seconds": lag, "folders": [str(f.resolve()) for f in root.folders]}
    path = folder / _NAME
    known = read_facts(folder / _FACTS)
    if path.is_file() and known | facts == known:
        return np.load(path, mmap_mode="r")[: known["num_read"]]
    make_folder(folder)
    (folder / _FACTS).unlink(missing_ok=True)
    num_moments = sum(map(len, moments.values()))
    shape = (num_moments * num_kinds, *size, 3)
    print(f"{num_moments} frames, {np.prod(shape) / 1e6:.0f} MB on disk at {path}", flush=True)
    num_read = _fill(part_path(path), root, moments, shape=shape, lag=lag)
    rename(part_path(path), path)
    write_json(folder / _FACTS, {**facts, "num_read": num_read})
    return np.load(path, mmap_mode="r")[:num_read]


def _choose_moments(root: MediaRoot, count: int) -> dict[str, Floats]:
    if not root.video_ids:
        raise MediaError("there is no recording here: no video file, no frame folder, no tar", path=root.path)
    steps = {video_id: _num_steps(root.find(video_id)) for video_id in root.video_ids}
    total = sum(steps.values())
    chosen = np.unique(np.linspace(0, total, min(count, total), endpoint=False).astype(int))
    moments, first = {}, 0
    for video_id, num_steps in steps.items():
        own = chosen[(chosen >= first) & (chosen < first + num_steps)] - first
        moments[video_id], first = (own + 0.5) / _RATE, first + num_steps
    return {video_id: times for video_id, times in moments.items() if len(times)}


def _num_steps(source: MediaSource) -> int:
    stated = estimate_steps(source, rate=_RATE)
    if stated is not None:
        return stated
    grid = lay_grid(source)
    return int(grid.num_frames / grid.frame_rate * _RATE)


def _fill(path: Path, root: MediaRoot, moments: dict[str, Floats], *, shape: tuple[int, ...], lag: float) -> int:
    """Decode into a file; gives how many pictures there are, the rest of it stays black."""
    pictures = new_array(path, dtype=np.uint8, shape=shape)
    jobs = [VideoJob(root.find(v), lambda t=times: t, lag_seconds=lag) for v, times in moments.items()]
    done = 0
    with Progress("decode", total=len(pictures), unit="pictures") as progress:
        for event in decode(jobs, size=shape[1:3], batch_size=16, num_workers=1):  # pyrefly: ignore[bad-argument-type]
            if not isinstance(event, FrameBatch):
                continue
            found = event.frames
            if lag and event.earlier is not None:
                both = event.frames[event.has_earlier], event.earlier[event.has_earlier]
                found = np.stack([both[0], difference_pictures(*both)], axis=1).reshape(-1, *shape[1:])
            pictures[done : done + len(found)] = found
            done += len(found)
            progress.advance(len(found))
    pictures.flush()
    if not done:
        raise MediaError("not one picture of these recordings can be read", path=root.path)
    return done
