"""Features behind a URL, read through a copy on this machine, which is mapped into memory as every store is.

    s3://bucket/features          CACHE/features/URL/COMMIT/
        manifest.json                 the same files, as they were when their indexes had the hash COMMIT
        recordings.parquet
        shards/P01_01.1a2b.npy        fetched when its stream is read; linked where another commit has it
        streams/grid/...

A copy is never changed, so whoever reads from it need not care about what is written behind the URL meanwhile. All of
it may be deleted when nobody reads.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from filelock import FileLock

from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, PART_SUFFIX, file_sha256, rename, write_atomically
from egoact.core.machine import cache_folder
from egoact.core.progress import Progress
from egoact.models.backbones.own_files import FILE_NAME
from egoact.models.backbones.spec import STREAMS
from egoact.store.layout.failures import FAILURES_NAME
from egoact.store.layout.index import INDEX_NAME, REPAIR, SHARDS_NAME, RecordingRow, StoreIndex
from egoact.store.layout.manifest import MANIFEST_NAME, NO_STORE, StoreSpec, read_manifest
from egoact.store.remote import RemoteFolder, as_url, local_path

STORES = ("", *(f"streams/{name}/" for name in STREAMS if name != "rgb"))
"""Where the stores of a features folder may be."""
_ORIGIN = "origin.txt"
_AT_ONCE = 32
_MOST_HEADER = 4096  # bytes of an .npy file before its numbers


def local_copy(features: Path) -> Path:
    """A features folder of this machine; of one behind a URL a copy of all but the shards, see `fetch_shards`.

    Raises:
        ArtifactError: The URL cannot be reached, or no store is there.
    """
    url = as_url(features)
    if url is None:
        return local_path(features)
    names = (MANIFEST_NAME, INDEX_NAME, FAILURES_NAME, FILE_NAME)
    files = RemoteFolder(features).read(f"{store}{name}" for store in STORES for name in names)
    if not any(name.endswith(MANIFEST_NAME) for name in files):
        raise ArtifactError(f"{url}: {NO_STORE}")
    commit = hashlib.sha256()
    for name, content in sorted(files.items()):
        commit.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    folder = _copies() / hashlib.sha256(url.encode()).hexdigest()[:16] / commit.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK_NAME):
        for name, content in {_ORIGIN: url.encode(), **files}.items():
            if not (path := folder / name).exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
    return folder


def fetch_shards(store: Path) -> None:
    """Complete the copy of a store as `download_shards`; nothing is done of one that is no copy."""
    if not (store.is_relative_to(_copies()) and (store / INDEX_NAME).exists()):
        return
    url, commit, *inside = store.relative_to(_copies()).parts
    folder, spec, shards = _copies() / url / commit, read_manifest(store), store / SHARDS_NAME
    with FileLock(folder / LOCK_NAME):  # others wait, and then have them
        shards.mkdir(exist_ok=True)
        there = set(os.listdir(shards))
        lacking = [row for row in StoreIndex.read(store).rows.values() if row.shard and row.shard not in there]
        others = [other.joinpath(*inside, SHARDS_NAME) for other in folder.parent.iterdir() if other != folder]
        lacking = [row for row in lacking if not _is_linked(row.shard, others, shards)]
        remote = RemoteFolder(Path((folder / _ORIGIN).read_text(encoding="utf-8")))
        with Progress("fetch", total=len(lacking), unit="shards") as progress:
            for start in range(0, len(lacking), _AT_ONCE):
                some = lacking[start : start + _AT_ONCE]
                download_shards(remote, "".join(f"{part}/" for part in inside), some, spec, into=shards)
                progress.advance(len(some))


def download_shards(remote: RemoteFolder, store: str, rows: list[RecordingRow], spec: StoreSpec, *, into: Path) -> None:
    """Copy the shards of some rows of a store, one of `STORES`, checked by size before and by hash after it.

    Raises:
        ArtifactError: One is missing, or is not what its row says.
    """

    def changed(name: str, what: str) -> ArtifactError:
        return ArtifactError(f"{remote.name}/{name}: its bytes have changed since it was written ({what}); {REPAIR}")

    names = [f"{store}{SHARDS_NAME}/{row.shard}" for row in rows]
    for row, name, size in zip(rows, names, remote.sizes(names), strict=True):
        dtype, shape = spec.layout(len(row.moments))
        if not 0 <= size - dtype.itemsize * int(np.prod(shape)) <= _MOST_HEADER:
            raise changed(name, f"{size} bytes")
    parts = [into / f"{row.shard}{PART_SUFFIX}" for row in rows]
    remote.download(names, parts)
    for row, name, part in zip(rows, names, parts, strict=True):
        if file_sha256(part) != row.shard_sha256:
            raise changed(name, "another hash")
        rename(part, into / row.shard)


def _is_linked(shard: str, others: list[Path], shards: Path) -> bool:
    """Whether a shard could be taken over from another commit; its name holds the hash of its content."""
    for other in others:
        with suppress(OSError):  # it is not there, or there are no hard links here
            os.link(other / shard, shards / shard)
            return True
    return False


def _copies() -> Path:
    return cache_folder() / "features"
