"""A made store of any size, with labels, to measure training with: its features are noise, its shape the real one."""

import csv
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import read_segments
from egoact.core.epic import facts as epic
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.store.reader import StoreSpec
from egoact.store.writer import StoreWriter

NUM_FRAMES = 20
WIDTH = 1280
CLIP_BYTES = NUM_FRAMES * WIDTH * 2
_CLIPS_PER_VIDEO = 1000
_BLOCK_CLIPS = 200
SPEC = StoreSpec(
    backbone="made",
    weights_hash="0",
    input_size=(256, 256),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    kind="pooled",
    cut=None,
    feature_shape=(WIDTH,),
    engine="none",
    precision="f32",
)


def make_store(folder: Path, *, num_clips: int) -> tuple[Path, Path]:
    """Write `segments.csv` with random labels of EPIC-KITCHENS-100's 97 verbs and 300 nouns, and a store for it.

    Returns:
        The CSV and the store.
    """
    random = np.random.default_rng(0)
    table_path, store_path = folder / "segments.csv", folder / "features"
    folder.mkdir(parents=True, exist_ok=True)
    with table_path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["narration_id", "video_id", "start_seconds", "stop_seconds", "verb_class", "noun_class"])
        verbs, nouns = (random.integers(n, size=num_clips).tolist() for n in (epic.NUM_VERBS, epic.NUM_NOUNS))
        for i in range(num_clips):
            writer.writerow([i, f"V_{i // _CLIPS_PER_VIDEO:03d}", 2 * i, 2 * i + 1, verbs[i], nouns[i]])
    segments = list(read_segments(table_path))
    noise = random.normal(size=(_BLOCK_CLIPS * NUM_FRAMES, WIDTH)).astype(np.float16)
    with StoreWriter(store_path, SPEC) as store:
        for first in range(0, num_clips, _CLIPS_PER_VIDEO):
            clips = segments[first : first + _CLIPS_PER_VIDEO]
            moments = to_microseconds(ClipSampling(NUM_FRAMES).times(clips).ravel())
            with store.begin() as buffer:
                for start in range(0, len(moments), len(noise)):
                    buffer.append(noise[: len(moments) - start])
                store.commit(clips[0].video_id, buffer, moments)
    return table_path, store_path
