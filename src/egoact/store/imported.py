"""Features that somebody else made, one `.npy` a recording, into a feature store.

    VIDEO.npy    (D, F), as published with MS-TCN, or (F, D): a row a number or a row a frame

Files are mapped and read piece by piece; nothing is unpickled. Shapes: `F` frames, `D` numbers of each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from egoact.core.bounds import DAMAGED_ARRAY
from egoact.core.errors import ArtifactError
from egoact.models.backbones.spec import IMPORTED, BackboneSpec
from egoact.store.layout.index import CHUNK_BYTES, grid_moments
from egoact.store.layout.manifest import StoreSpec
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter

Layout = Literal["DxF", "FxD"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

_MOST_CHANNELS = 65_536
_DTYPES = ("float16", "float32", "float64")


def imported_spec(name: str, *, num_channels: int, rate: int) -> StoreSpec:
    """What a store says of features that cannot be computed here; a run takes only those of its training's name."""
    backbone = BackboneSpec(
        name=name,
        weights_hash="",
        input_size=(1, 1),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        kind="pooled",
        cut=None,
        feature_shape=(num_channels,),
        modality=IMPORTED,
    )
    return StoreSpec(backbone, engine=IMPORTED, precision="f32", rate=rate, resize="")


def open_array(path: Path) -> np.ndarray:
    """The numbers of a file, mapped and not read: (D, F) or (F, D).

    Raises:
        ArtifactError: Not an array of floating-point numbers with two axes, or an empty one.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # refuses Python objects
    except DAMAGED_ARRAY as error:
        raise ArtifactError(f"not an .npy file of plain numbers ({error})", path=path) from None
    if array.dtype.name not in _DTYPES:
        raise ArtifactError(f"holds {array.dtype}; features are {', '.join(_DTYPES)}", path=path)
    if array.ndim != 2 or not array.size:
        raise ArtifactError(f"has shape {array.shape}; features have two axes, frames and numbers", path=path)
    return array.view(np.ndarray)


@dataclass(frozen=True)
class Reading:
    """How the files of a folder are to be read."""

    layout: Layout  # which axis is which
    num_channels: int  # D, in most files
    num_fitting: int  # files that have it and, where the number of labels is known, about as many frames as labels

    def frames(self, array: np.ndarray) -> np.ndarray:
        """A view of a file's numbers as (F, D)."""
        return array.T if self.layout == "DxF" else array


def choose_reading(
    shapes: Mapping[str, tuple[int, int]], num_labels: Mapping[str, int], *, slack: int, layout: Layout | None = None
) -> Reading:
    """Find out which axis is time: the other one is equally long in all files, this one as long as the labels.

    Shapes of files and numbers of labels, which may differ by `slack` frames, are by video_id.

    Raises:
        ValueError: Both readings fit equally many files; or none fits any; or there would be too many numbers a frame.
    """
    read = {one: _try_reading(one, shapes, num_labels, slack) for one in ((layout,) if layout else LAYOUTS)}
    best = max(read.values(), key=lambda reading: reading.num_fitting)
    if not best.num_fitting:
        video = next(name for name in shapes if name in num_labels)
        reason = f"of no recording do features and labels fit: {video} has features {shapes[video]}"
        raise ValueError(f"{reason} and {num_labels[video]} labels; there must be one label for each frame of features")
    if len(read) > 1 and len({reading.num_fitting for reading in read.values()}) == 1:
        video, shape = next(iter(shapes.items()))
        reason = f"the files do not tell which axis is time, such as {video} with shape {shape}"
        raise ValueError(f"{reason}; say --layout DxF (a column a frame) or --layout FxD (a row a frame)")
    if best.num_channels > _MOST_CHANNELS:
        reason = f"read as {best.layout}, files have {best.num_channels:,} numbers a frame; is it the other way round?"
        raise ValueError(f"{reason} --layout {'FxD' if best.layout == 'DxF' else 'DxF'} says so")
    return best


def _try_reading(
    layout: Layout, shapes: Mapping[str, tuple[int, int]], num_labels: Mapping[str, int], slack: int
) -> Reading:
    axis = layout.index("D") // 2
    fitting = Counter(
        shape[axis]
        for video, shape in shapes.items()
        if video not in num_labels or abs(shape[1 - axis] - num_labels[video]) <= slack
    )
    channels, count = fitting.most_common(1)[0] if fitting else (next(iter(shapes.values()))[axis], 0)
    return Reading(layout, channels, count)


def check_frames(frames: np.ndarray, *, num_channels: int, path: Path) -> None:
    """Refuse features that a store cannot hold, before anything of them is written; (F, D).

    Raises:
        ArtifactError: Another D, or numbers that are not finite or too large for float16.
    """
    if frames.shape[1] != num_channels:
        raise ArtifactError(f"has {frames.shape[1]} numbers a frame, where most files have {num_channels}", path=path)
    for first, chunk in _chunks(frames):
        bad = np.flatnonzero(~np.isfinite(chunk).all(axis=1))
        if len(bad):
            reason = "not a finite number, or too large for float16 (65504)"
            raise ArtifactError(reason, path=path, place=f"frame {first + int(bad[0])}")


def add_recording(writer: StoreWriter, video_id: str, frames: np.ndarray) -> bool:
    """Put checked features (F, D) into a store; False where it has them, an `ArtifactError` where it has others."""
    known = writer.of(video_id)
    if len(known.moments):
        store = FeatureStore(writer.path, writer.spec, writer.index)
        stored = store.shard(writer.index.video_ids.index(video_id))
        if len(stored) != len(frames) or any((stored[a : a + len(part)] != part).any() for a, part in _chunks(frames)):
            raise ArtifactError(f"the store has other features of {video_id} already; give another --out")
        return False
    with writer.begin() as buffer:
        for _, part in _chunks(frames):
            buffer.append(part)
        moments = grid_moments(np.arange(len(frames)), rate=writer.spec.rate)
        writer.commit(video_id, buffer, moments, num_steps=len(frames))
    return True


def _chunks(frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Pieces as float16, each with the number of its first frame; what is too large is infinite."""
    step = max(1, CHUNK_BYTES // (frames.shape[1] * frames.itemsize))
    for first in range(0, len(frames), step):
        with np.errstate(over="ignore"):
            yield first, np.ascontiguousarray(frames[first : first + step].astype(np.float16))
