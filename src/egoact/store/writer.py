"""Filling a feature store, video by video, so that it is whole at every moment; the counterpart of `store`.

A shard is written beside its place and named after its content, then the index that mentions it replaces the
old one. Whatever kills the process, the index only ever names finished shards; what it does not name is waste
and is swept away by the next writer.

`failures.csv`: the segments without features, and why.
"""

import contextlib
import csv
import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import BaseFileLock

from egoact.core.annotations.segments import Segment
from egoact.core.files import PART_SUFFIX, lock_folder, rename, sync, write_csv
from egoact.store.encoding import encode
from egoact.store.index import SHARDS_NAME, IndexRow, StoreIndex, canonical_order, stretch_of
from egoact.store.manifest import StoreSpec
from egoact.store.reader import FeatureStore


class Shard:
    """The features of some segments of one video, in canonical order, while they are being computed.

    Frames may arrive in any order; every slot is one (segment, view, frame) and is written once.
    """

    def __init__(self, path: Path, segments: Sequence[Segment], spec: StoreSpec) -> None:
        self.path = path
        self.segments = list(segments)
        self._spec = spec
        self._slots_each = spec.views * spec.num_frames
        self._written = np.zeros(len(segments), dtype=np.int64)
        self._file = path.open("wb")
        self._start = _write_header(self._file, *spec.layout(len(segments)))
        element, shape = spec.layout(1)
        self._frame_bytes = element.itemsize * math.prod(shape) // self._slots_each

    def write(self, slots: np.ndarray, features: np.ndarray) -> None:
        """Put features, float16 (M, *feature), into slots, int64 (M,): flat index into (segment, view, frame)."""
        expected = (len(slots), *self._spec.feature_shape)
        if features.dtype != np.float16 or features.shape != expected:
            raise ValueError(f"expected float16 {expected}, got {features.dtype} {features.shape}")
        for slot, frame in zip(slots.tolist(), encode(features, self._spec.dtype), strict=True):
            self._file.seek(self._start + slot * self._frame_bytes)
            self._file.write(frame.tobytes())
        np.add.at(self._written, slots // self._slots_each, 1)

    def finish(self) -> np.ndarray:
        """Make the file durable; gives bool (num_segments,), which segments are complete."""
        complete = self._written == self._slots_each
        if not complete[-1]:  # the file ends early: extend it to what its header says
            self._file.truncate(self._start + len(self.segments) * self._slots_each * self._frame_bytes)
        self._file.flush()
        sync(self._file.fileno())
        self._file.close()
        return complete

    def discard(self) -> None:
        """Give up: remove what was written."""
        with contextlib.suppress(OSError):  # the disk is full, and this is what was still buffered
            self._file.close()
        self.path.unlink(missing_ok=True)


class StoreWriter:
    """The one writer of a store: a context manager that holds its lock.

    Args:
        path: The folder; made if it does not exist.
        spec: How the features are made.

    Raises:
        ArtifactError: On entering: another process writes here, or the folder holds something else.
    """

    def __init__(self, path: str | Path, spec: StoreSpec) -> None:
        self.path = Path(path)
        self.spec = spec
        self.index = StoreIndex()
        self._lock: BaseFileLock | None = None

    def __enter__(self) -> "StoreWriter":
        self._lock = lock_folder(self.path, command="extract")
        try:
            self.index = FeatureStore.create_or_open(self.path, self.spec).index
            (self.path / SHARDS_NAME).mkdir(exist_ok=True)
            self._sweep()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()

    def missing(self, segments: Sequence[Segment]) -> list[Segment]:
        """Those whose features are not here yet, each stretch of a recording once; in canonical order."""
        absent = (s for s, row in zip(segments, self.index.find(segments), strict=True) if row < 0)
        wanted = {stretch_of(segment): segment for segment in reversed(list(absent))}  # the first of equal ones
        return sorted(wanted.values(), key=lambda s: (s.video_id, *canonical_order(s)))

    def begin(self, segments: Sequence[Segment]) -> Shard:
        """Start the features of some segments of one video, in the order that `missing` gives them."""
        video_id = segments[0].video_id
        unique = hashlib.sha256(video_id.encode()).hexdigest()[:12]  # stems of different ids can be equal
        path = self.path / SHARDS_NAME / f"{_file_stem(video_id)}.{unique}.npy{PART_SUFFIX}"
        return Shard(path, segments, self.spec)

    def commit(self, shard: Shard) -> int:
        """Make the complete segments of a shard part of the store; gives their number. The others are dropped."""
        complete = shard.finish()
        added = [segment for segment, whole in zip(shard.segments, complete, strict=True) if whole]
        if not added:
            shard.path.unlink()
            return 0
        video_id = added[0].video_id
        replaced = set(map(stretch_of, added))
        old = self.index.of_video(video_id)
        rows: Sequence[Segment | IndexRow] = added  # in canonical order already
        kept = [row for row in old if stretch_of(row) not in replaced]
        if kept or len(added) < len(shard.segments):
            rows = self._merge(shard.path, [*kept, *added], old, np.flatnonzero(complete))
        self._publish(shard.path, video_id, rows)
        return len(added)

    def _publish(self, part: Path, video_id: str, items: Sequence[Segment | IndexRow]) -> None:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        # The content's hash in the name lets the old shard live until the index no longer needs it.
        name = f"{_file_stem(video_id)}.{digest[:12]}.npy"
        rename(part, self.path / SHARDS_NAME / name)
        rows = [
            IndexRow(s.narration_id, video_id, s.start_seconds, s.stop_seconds, name, offset, digest)
            for offset, s in enumerate(items)
        ]
        previous = {row.shard for row in self.index.of_video(video_id)}
        index = self.index.with_video(video_id, rows)
        index.write(self.path)
        self.index = index
        for shard in previous - set(index.shards):
            (self.path / SHARDS_NAME / shard).unlink(missing_ok=True)

    def _merge(
        self, part: Path, items: list[Segment | IndexRow], old: list[IndexRow], new_rows: np.ndarray
    ) -> list[Segment | IndexRow]:
        """Rewrite a shard as the union of old and new features, in canonical order, at the same path."""
        ordered = sorted(items, key=canonical_order)
        new = np.load(part, mmap_mode="r", allow_pickle=False)
        before = self._old_features(old) if any(isinstance(item, IndexRow) for item in ordered) else new
        merged = part.with_name(f"merged-{part.name}")
        next_new = iter(new_rows.tolist())  # new segments keep their order when sorted among old ones
        with merged.open("wb") as file:
            _write_header(file, *self.spec.layout(len(ordered)))
            for item in ordered:
                row = before[item.offset] if isinstance(item, IndexRow) else new[next(next_new)]
                file.write(row.tobytes())
            file.flush()
            sync(file.fileno())
        del new, before  # Windows does not replace a file that is mapped
        rename(merged, part)
        return ordered

    def _old_features(self, old: list[IndexRow]) -> np.ndarray:
        store = FeatureStore(self.path, self.spec, self.index)
        return store.shard(self.index.shards.index(old[0].shard))

    def _sweep(self) -> None:
        """Remove what a killed writer left behind."""
        for leftover in self.path.glob(f"*{PART_SUFFIX}"):
            leftover.unlink()
        named = set(self.index.shards)
        for file in (self.path / SHARDS_NAME).iterdir():
            if file.suffix == PART_SUFFIX or (file.suffix == ".npy" and file.name not in named):
                file.unlink()
        gone = [name for name in self.index.shards if not (self.path / SHARDS_NAME / name).exists()]
        if gone:  # deleted on purpose, as `verify` advises for a damaged shard
            self.index = StoreIndex(row for row in self.index.rows if row.shard not in set(gone))
            self.index.write(self.path)


def _write_header(file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """Write an .npy header; gives its length."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.tell()


def _file_stem(video_id: str) -> str:
    """A file name for a video, whatever characters its id has."""
    return re.sub(r"[^\w.\-]", "_", video_id)[:80]


FAILURES_NAME = "failures.csv"
_COLUMNS = ("narration_id", "video_id", "reason")


def update_failures(
    folder: Path, *, tried: Sequence[Segment], failed: Sequence[tuple[Segment, str]], index: StoreIndex
) -> None:
    """Bring the list up to date; without failures there is no such file.

    Args:
        folder: Of the feature store.
        tried: All segments of this run: what an earlier run said of them no longer counts.
        failed: Those that failed, and why.
        index: Of the store as it is now: what it holds did not fail.
    """
    path = folder / FAILURES_NAME
    settled = {(s.video_id, s.narration_id) for s in tried} | {(r.video_id, r.narration_id) for r in index.rows}
    rows = {key: reason for key, reason in _read_failures(path).items() if key not in settled}
    rows |= {(s.video_id, s.narration_id): reason for s, reason in failed}
    if not rows:
        path.unlink(missing_ok=True)
        return
    write_csv(path, [_COLUMNS, *((narration, video, rows[video, narration]) for video, narration in sorted(rows))])


def _read_failures(path: Path) -> dict[tuple[str, str], str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        next(rows, None)
        return {(row[1], row[0]): row[2] for row in rows if len(row) == len(_COLUMNS)}
