"""Filling a feature store, recording by recording, so that it is whole at every moment; the counterpart of `reader`.

New moments are computed into a part file, then merged with what the store has of the recording into a new shard named
after its content, then the index that mentions it replaces the old one. Whatever kills the process, the index only
ever names finished shards; what it does not name is waste and is swept away by the next writer.
"""

import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import BaseFileLock

from egoact.core.errors import InputError
from egoact.core.files import LOCK_NAME, PART_SUFFIX, file_sha256, lock_folder, make_folder, rename, sync
from egoact.store.buffer import FeatureBuffer
from egoact.store.layout.index import CHUNK_BYTES, SHARDS_NAME, UNKNOWN, Moments, RecordingRow, StoreIndex
from egoact.store.layout.manifest import MANIFEST_NAME, StoreSpec
from egoact.store.reader import FeatureStore


class StoreWriter:
    """The one writer of a store: a context manager that makes its folder, if need be, and holds its lock.

    Entering it is an `ArtifactError` where another process writes, or the folder holds something else.
    """

    def __init__(self, path: str | Path, spec: StoreSpec) -> None:
        self.path, self.spec, self.index = Path(path), spec, StoreIndex()
        self._lock: BaseFileLock | None = None
        self._is_new = False

    def __enter__(self) -> "StoreWriter":
        self._is_new = not self.path.exists()
        self._lock = lock_folder(self.path, command="extract")
        try:
            self.index = FeatureStore.create_or_open(self.path, self.spec).index
            make_folder(self.path / SHARDS_NAME)
            self._sweep()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._lock is not None:
            self._lock.release()
        begun = {LOCK_NAME, MANIFEST_NAME, SHARDS_NAME}
        if self._is_new and kind is not None and issubclass(kind, InputError) and set(os.listdir(self.path)) == begun:
            with suppress(OSError):  # there are shards; else the folder was made in vain
                (self.path / SHARDS_NAME).rmdir()
                shutil.rmtree(self.path)

    def of(self, video_id: str) -> RecordingRow:
        """What the store holds of a recording, which may be nothing."""
        return self.index.rows.get(video_id) or RecordingRow(video_id, "", "", UNKNOWN, np.empty(0, dtype=np.int64))

    def begin(self) -> FeatureBuffer:
        """Where the features of a recording are kept while they are computed."""
        return FeatureBuffer(self.spec.backbone.feature_shape, dtype=self.spec.dtype, folder=self.path / SHARDS_NAME)

    def commit(self, video_id: str, buffer: FeatureBuffer, moments: Moments, *, num_steps: int = UNKNOWN) -> None:
        """Make new moments of a recording part of the store.

        The buffer has a row for each moment, int64 (M,), microseconds, in any order, none of which the store has;
        `num_steps` is how many steps the recording has, where its end was found.

        Raises:
            ValueError: Another number of rows, or a moment twice.
        """
        old = self.of(video_id)
        num_steps = old.num_steps if num_steps == UNKNOWN else num_steps
        if len(moments) and num_steps != UNKNOWN and moments.max() >= 1e6 * (num_steps + 1) / self.spec.rate:
            num_steps = UNKNOWN  # the recording has become longer since its end was found
        every = np.concatenate([old.moments, moments])
        order = np.argsort(every, kind="stable")
        if len(moments) != len(buffer) or (np.diff(every[order]) == 0).any():
            raise ValueError(f"{len(buffer)} rows for {len(moments)} moments of {video_id}, or a moment twice")
        if len(moments):
            row = self._write_shard(old, buffer.read(), every[order], order)
        elif num_steps != old.num_steps and old.shard:
            row = old
        else:
            return
        row = replace(row, num_steps=num_steps)
        index = StoreIndex((self.index.rows | {row.video_id: row}).values())
        index.write(self.path)
        self.index = index
        if old.shard not in ("", row.shard):
            (self.path / SHARDS_NAME / old.shard).unlink(missing_ok=True)

    def _write_shard(self, old: RecordingRow, new: np.ndarray, moments: Moments, order: np.ndarray) -> RecordingRow:
        """Old and new features in the order of their moments; the row says nothing of the recording's end."""
        folder, stem = self.path / SHARDS_NAME, re.sub(r"[^\w.\-]", "_", old.video_id)[:80]
        unique = hashlib.sha256(old.video_id.encode()).hexdigest()[:12]  # stems of different ids can be equal
        part = folder / f"{stem}.{unique}.npy{PART_SUFFIX}"
        before = new[:0]
        if old.shard:
            store = FeatureStore(self.path, self.spec, self.index)
            before = store.shard(self.index.video_ids.index(old.video_id))
        step = max(1, CHUNK_BYTES // max(new[:1].nbytes, 1))
        dtype, shape = self.spec.layout(len(moments))
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        with part.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(order), step):
                chosen = order[start : start + step]
                is_new = chosen >= len(before)
                rows = np.empty((len(chosen), *new.shape[1:]), dtype=new.dtype)
                rows[~is_new], rows[is_new] = before[chosen[~is_new]], new[chosen[is_new] - len(before)]
                file.write(rows.tobytes())
            file.flush()
            sync(file.fileno())
        digest = file_sha256(part)
        # The content's hash in the name lets the old shard live until the index no longer needs it.
        name = f"{stem}.{digest[:12]}.npy"
        rename(part, folder / name)
        return RecordingRow(old.video_id, name, digest, UNKNOWN, moments)

    def _sweep(self) -> None:
        """Remove what a killed writer left behind."""
        for leftover in self.path.glob(f"*{PART_SUFFIX}"):
            leftover.unlink()
        named = {row.shard for row in self.index.rows.values()}
        for file in (self.path / SHARDS_NAME).iterdir():
            if file.suffix == PART_SUFFIX or (file.suffix == ".npy" and file.name not in named):
                file.unlink()
        kept = [row for row in self.index.rows.values() if (self.path / SHARDS_NAME / row.shard).exists()]
        if len(kept) < len(self.index.rows):  # deleted on purpose, as `verify` advises for a damaged shard
            self.index = StoreIndex(kept)
            self.index.write(self.path)
