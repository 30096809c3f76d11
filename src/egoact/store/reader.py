"""The feature store: features of recordings at moments, on disk, read by memory map.

    manifest.json         how the features were made, and the fingerprint of that
    recordings.parquet    recording -> shard, moments: what is not in here is not in the store
    shards/*.npy          (M,) frames, one file a recording; see `encoding` for how they are stored

Knows nothing about videos, backbones or labels: clips of segments are gathered from it by time.

Shapes: N segments, V views, T frames, M moments, *feature = (D,) or (C, h, w).
"""

import mmap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.bounds import DAMAGED_ARRAY, check_inside
from egoact.core.errors import ArtifactError
from egoact.core.files import check_folder, make_folder
from egoact.core.sampling import ClipSampling
from egoact.store.copies import fetch_shards
from egoact.store.layout.encoding import decode
from egoact.store.layout.index import INDEX_NAME, REPAIR, StoreIndex
from egoact.store.layout.manifest import MANIFEST_NAME, StoreSpec, read_manifest, write_manifest

__all__ = ["FeatureStore", "StoreSpec"]

_OPEN_FILES = 16_384
_STORES = 8  # that may be read side by side: streams, and other files of the process
_LEFT_OVERS = {".lock", "shards", "streams", "failures.csv", MANIFEST_NAME + ".part"}
_DENSE = 4
_WILL_NEED: int | None = getattr(mmap, "MADV_WILLNEED", None)  # not on Windows
_PATIENCE = 16  # batches out of memory alone before prefetching stops


class FeatureStore:
    """A store opened for reading; `open` or `create_or_open` makes one.

    `spec` says how its features were made, `index` which moments it holds, and where.
    """

    def __init__(self, path: Path, spec: StoreSpec, index: StoreIndex) -> None:
        self.path, self.spec, self.index = path, spec, index
        self._mapped: dict[int, np.memmap] = {}
        self._most_mapped = _most_mapped()
        self._patience = _PATIENCE

    @classmethod
    def open(cls, path: str | Path) -> "FeatureStore":
        """Open a store that exists; of one behind a URL the copy that `choose_streams` gives, which is completed.

        Raises:
            ArtifactError: None there, damaged, or not one recording of it finished.
        """
        path = Path(path)
        spec = read_manifest(path)
        if not (path / INDEX_NAME).exists():
            reason = "the feature store holds no finished recording yet; run egoact extract again"
            raise ArtifactError(reason, path=path)
        fetch_shards(path)
        return cls(path, spec, StoreIndex.read(path))

    @classmethod
    def create_or_open(cls, path: str | Path, spec: StoreSpec) -> "FeatureStore":
        """Open a store made with `spec`, or begin one; an `ArtifactError` for other files, or another store."""
        path = Path(path)
        if (path / MANIFEST_NAME).exists():
            found = read_manifest(path)
            if found.fingerprint != spec.fingerprint:
                reason = f"this feature store was made with {'; '.join(found.differences(spec))}"
                raise ArtifactError(f"{reason}; use the same settings or another folder", path=path)
        else:
            check_is_free(path)
            make_folder(path)
            write_manifest(path, spec)
        index = StoreIndex.read(path) if (path / INDEX_NAME).exists() else StoreIndex()
        return cls(path, spec, index)

    def __len__(self) -> int:
        """How many moments it holds."""
        return len(self.index)

    @property
    def specs(self) -> tuple[StoreSpec, ...]:
        """`spec` alone: `ConcatenatedStores` have several."""
        return (self.spec,)

    def find(self, segments: Sequence[Segment], sampling: ClipSampling) -> np.ndarray:
        """Where the frames of each clip are in this store, int64 (N, V, T); -1 for those that are not here."""
        rows = np.full((len(segments), sampling.num_views, sampling.num_frames), -1, dtype=np.int64)
        names = np.array([segment.video_id for segment in segments], dtype=object)
        for video_id in dict.fromkeys(names):
            if video_id not in self.index.rows:
                continue
            positions = np.flatnonzero(names == video_id)
            times = sampling.times([segments[i] for i in positions.tolist()])
            found = self.index.rows[video_id].find(times, rate=self.spec.rate)
            rows[positions] = np.where(found >= 0, found + self.index.starts[video_id], -1)
        return rows

    def locate(self, segments: Sequence[Segment], sampling: ClipSampling) -> np.ndarray:
        """As `find`, of segments that are all here; an `ArtifactError` names the recordings and times of others."""
        rows = self.find(segments, sampling)
        missing = np.flatnonzero((rows < 0).any(axis=(1, 2)))
        if len(missing):
            named = [segments[int(i)] for i in missing[:3]]
            names = ", ".join(f"{s.video_id} from {s.start_seconds:.2f} to {s.stop_seconds:.2f} s" for s in named)
            reason = f"{len(missing)} of {len(segments)} segments have no features here, such as {names}"
            how = "run egoact extract with this CSV, and see failures.csv"
            raise ArtifactError(f"{reason}; {how}", path=self.path)
        return rows

    def gather(self, rows: np.ndarray, *, views: int | np.ndarray = 0) -> np.ndarray:
        """Features of some clips, float16 (N, T, *feature), by rows int64 (N, V, T), as from `locate`.

        One vectorised read a shard; `views` is one for all, or int64 (N,): one for each.

        Raises:
            ValueError: A row or view that does not exist.
            ArtifactError: A shard is missing or damaged.
        """
        frames = _choose_views(np.asarray(rows, dtype=np.int64), views)
        if frames.size and not (frames.min() >= 0 and frames.max() < len(self)):
            raise ValueError(f"rows must be in 0 to {len(self) - 1}, got {frames.min()} to {frames.max()}")
        shards = np.searchsorted(self.index.ends, frames[:, 0], side="right")
        offsets = frames - np.append(0, self.index.ends)[shards][:, None]
        out = np.empty((*frames.shape, *self.spec.backbone.feature_shape), dtype=np.float16)
        num_read = _count_reads()
        if _WILL_NEED is not None and self._patience > 0:
            self._prefetch(shards, offsets)
        # Sorted by place, so that reads of one shard run forward through its file.
        order = np.lexsort((offsets[:, 0], shards))
        for part in np.split(order, np.flatnonzero(np.diff(shards[order])) + 1):
            if len(part):
                out[part] = decode(self.shard(int(shards[part[0]]))[offsets[part]], self.spec.dtype)
        self._patience = _PATIENCE if _count_reads() > num_read else self._patience - 1
        return out

    def _prefetch(self, shards: np.ndarray, offsets: np.ndarray) -> None:
        """Tell the system which parts of the mapped files are wanted next (readahead, `madvise`).

        What is not in memory is otherwise read when it is touched: one run of pages at a time, with neighbours that a
        shuffled order does not want. Told before, a batch is read at once and nothing else; a cold store came eight
        times as fast (`docs/LOG.md`). Where everything is in memory that only costs time, so it stops when nothing is
        read.
        """
        for number, rows in zip(shards.tolist(), offsets, strict=True):
            shard = self._map(number)
            mapped, start = shard.base, shard.offset % mmap.ALLOCATIONGRANULARITY
            assert isinstance(mapped, mmap.mmap)
            # The frames of a short clip lie side by side; those of a long one are far apart. Where the store has both
            # steps and exact moments, they may be out of order.
            begin, end = rows.min(), rows.max()
            is_dense = end - begin < _DENSE * len(rows)
            for first, last in [(begin, end)] if is_dense else zip(rows, rows, strict=True):
                each = shard.strides[0]
                prefetch(mapped, start + int(first) * each, int(last + 1 - first) * each)

    def shard(self, number: int) -> np.ndarray:
        """The features of one recording as they lie on disk, mapped and not read; `decode` makes float16 of them."""
        return self._map(number).view(np.ndarray)  # np.memmap is slow to index

    def _map(self, number: int) -> np.memmap:
        if number in self._mapped:
            return self._mapped[number]
        path = self.index.shard_path(self.path, number)
        try:
            check_inside(path, self.path)
            features = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            reason = "this shard of the feature store is missing; run egoact extract again"
            raise ArtifactError(reason, path=path) from None
        except DAMAGED_ARRAY as error:
            raise ArtifactError(f"this shard is damaged ({error}); {REPAIR}", path=path) from None
        dtype, shape = self.spec.layout(len(self.index.rows[self.index.video_ids[number]].moments))
        if not isinstance(features, np.memmap) or features.dtype != dtype or features.shape != shape:
            reason = f"this shard should be {dtype} {shape}, but is {features.dtype} {features.shape}; {REPAIR}"
            raise ArtifactError(reason, path=path)
        while len(self._mapped) >= self._most_mapped:  # the one that was mapped first; whoever reads it keeps it
            self._mapped.pop(next(iter(self._mapped)), None)
        self._mapped[number] = features
        return features


def check_is_free(path: Path) -> None:
    """A new store may begin in an empty folder, or where one was killed before its manifest was there."""
    check_folder(path)
    others = sorted(p.name for p in path.iterdir() if p.name not in _LEFT_OVERS) if path.exists() else []
    if others:
        reason = f"this folder is no feature store but holds other files, such as {others[0]}"
        raise ArtifactError(f"{reason}; give an empty or new folder", path=path)


def _choose_views(rows: np.ndarray, views: int | np.ndarray) -> np.ndarray:
    """The frames of one view of each clip, int64 (N, T)."""
    chosen = np.broadcast_to(np.asarray(views, dtype=np.int64), rows.shape[:1])
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < rows.shape[1]):
        raise ValueError(f"there are views 0 to {rows.shape[1] - 1}, got {chosen.min()} to {chosen.max()}")
    return rows[np.arange(len(rows)), chosen]


def prefetch(mapped: mmap.mmap, start: int, length: int) -> None:
    """Have the system read a part of a mapped file, in bytes, ahead of its use."""
    assert _WILL_NEED is not None
    first = start - start % mmap.PAGESIZE
    mapped.madvise(_WILL_NEED, first, start + length - first)


def _count_reads() -> int:
    """Blocks that this process has had from disks, prefetched or not."""
    if _WILL_NEED is None:
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


def _most_mapped() -> int:
    """How many shards of a store may be mapped at once: each holds a file open, of which systems allow 1,024 and fewer.

    Raises this process's limit first, as far as the system lets it.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _OPEN_FILES if soft == resource.RLIM_INFINITY else max(soft // _STORES, 16)
