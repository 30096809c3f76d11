"""A features folder that many machines fill: they put shards there, and one process names them in the indexes.

A shard has the hash of its content in its name, so that it may be put there twice. What no index names is not in the
store: whatever is lost, workers or the one who names, what is named is whole, and the rest is computed again.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from egoact.core.errors import ArtifactError
from egoact.core.files import PART_SUFFIX, lock_folder
from egoact.extraction.engine_choice import GRAPH_NAME
from egoact.models.backbones.own_files import FILE_NAME
from egoact.store.copies import STORES, download_shards
from egoact.store.layout.failures import FAILURES_NAME, Failure, read_failures, write_failures
from egoact.store.layout.index import INDEX_NAME, SHARDS_NAME, RecordingRow, StoreIndex
from egoact.store.layout.manifest import MANIFEST_NAME, read_manifest
from egoact.store.remote import RemoteFolder

_PATIENCE = 20  # times as long as the last commit took, until the next one

_HEADS = [f"{store}{name}" for store in STORES for name in (MANIFEST_NAME, GRAPH_NAME, FILE_NAME)]
Heads = dict[str, bytes]
"""The files of a features folder that say how its features are made: name -> content."""


@dataclass(frozen=True)
class Held:
    """What a store has of a recording: its row of the index, and the stretches that have no features."""

    row: RecordingRow | None
    failures: tuple[Failure, ...]


def read_heads(features: Path) -> Heads:
    """Those of a folder of this machine."""
    return {name: (features / name).read_bytes() for name in _HEADS if (features / name).exists()}


def lay_out(heads: Heads, features: Path) -> None:
    """Write them into a folder of this machine."""
    for name, content in heads.items():
        path = features / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def fetch_recording(folder: RemoteFolder, held: Mapping[str, Held], features: Path) -> None:
    """Give the stores of a folder of this machine what a shared one has of a recording; store -> what that is."""
    for store, known in held.items():
        path = features / store
        write_failures(path, known.failures)
        if known.row is not None:
            StoreIndex([known.row]).write(path)
            (path / SHARDS_NAME).mkdir()
            download_shards(folder, store, [known.row], read_manifest(path), into=path / SHARDS_NAME)


def put_recording(folder: RemoteFolder, features: Path, video_id: str, held: Mapping[str, Held]) -> dict[str, Held]:
    """Put what is new of a recording into a shared folder; gives what its indexes shall say of it."""
    found = {}
    for store, known in held.items():
        path = features / store
        rows = StoreIndex.read(path).rows if (path / INDEX_NAME).exists() else {}
        row = rows.get(video_id)
        if row is not None and (known.row is None or row.shard != known.row.shard):
            folder.upload(path / SHARDS_NAME / row.shard, f"{store}{SHARDS_NAME}/{row.shard}")
        found[store] = Held(row, tuple(read_failures(path)))
    return found


class SharedFeatures:
    """The one process that names the shards of a folder, a path or a URL: a context manager, which commits at its end.

    Attributes:
        heads: How its features are made.

    Raises:
        ArtifactError: On entering and from all methods: another process writes there, or it cannot be reached.
    """

    def __init__(self, features: Path) -> None:
        self.folder = RemoteFolder(features)
        self.heads: Heads = {}
        self._held: dict[str, dict[str, Held]] = {}  # store -> recording -> what it has of it
        self._written: dict[str, bytes] = {}  # the indexes as they were written last
        self._replaced: list[str] = []
        self._changed: set[str] = set()
        self._next_commit = 0.0
        self._open = ExitStack()

    def __enter__(self) -> "SharedFeatures":
        if self.folder.is_local:
            self._open.enter_context(lock_folder(Path(self.folder.name), command="extract"))
        self._place = Path(self._open.enter_context(TemporaryDirectory(prefix="egoact-")))
        self.heads = self.folder.read(_HEADS)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.commit()
        finally:
            self._open.close()

    def begin(self, heads: Heads) -> None:
        """Write what is not there of how features are made, read what is there of them, and sweep."""
        for name, content in heads.items():
            if self.heads.get(name) != content:
                self.folder.write(name, content)
        self.heads = heads
        for store in [name.removesuffix(MANIFEST_NAME) for name in heads if name.endswith(MANIFEST_NAME)]:
            path = self._place / store
            path.mkdir(parents=True, exist_ok=True)
            for name, content in self.folder.read([f"{store}{INDEX_NAME}", f"{store}{FAILURES_NAME}"]).items():
                (self._place / name).write_bytes(content)
                self._written[name] = content
            index = StoreIndex.read(path) if (path / INDEX_NAME).exists() else StoreIndex()
            there = set(self.folder.list(f"{store}{SHARDS_NAME}"))
            failures: dict[str, list[Failure]] = {video_id: [] for video_id in index.rows}
            for failure in read_failures(path):
                failures.setdefault(failure.video_id, []).append(failure)
            rows = {video_id: row for video_id, row in index.rows.items() if row.shard in there}
            self._held[store] = {video: Held(rows.get(video), tuple(each)) for video, each in failures.items()}
        self.sweep()

    def sweep(self) -> None:
        """Remove what lost workers left behind: shards that no index names."""
        for store in self._held:
            named, folder = {row.shard for row in self._rows(store)}, f"{store}{SHARDS_NAME}"
            left = set(self.folder.list(folder)) - named
            self.folder.delete([f"{folder}/{name}" for name in left if name.endswith((PART_SUFFIX, ".npy"))])

    def _rows(self, store: str) -> list[RecordingRow]:
        return [held.row for held in self._held[store].values() if held.row is not None]

    def held(self, video_id: str) -> dict[str, Held]:
        """What every store has of a recording."""
        return {store: recordings.get(video_id, Held(None, ())) for store, recordings in self._held.items()}

    def add(self, video_id: str, found: Mapping[str, Held]) -> None:
        """Take over what `put_recording` gave; it is committed when the time that takes is worth it."""
        for store, old in self.held(video_id).items():
            new = found[store]
            if old.row is not None and new.row is not None and new.row.shard != old.row.shard:
                self._replaced.append(f"{store}{SHARDS_NAME}/{old.row.shard}")
            if new != old:
                self._changed.add(store)
            self._held[store][video_id] = Held(new.row or old.row, new.failures)
        if time.monotonic() >= self._next_commit:
            self.commit()

    def commit(self) -> None:
        """Replace the indexes that have changed, and then delete the shards that they named before."""
        begun = time.monotonic()
        for store in sorted(self._changed):
            path = self._place / store
            write_failures(path, [failure for held in self._held[store].values() for failure in held.failures])
            if rows := self._rows(store):
                StoreIndex(rows).write(path)
            self._replace(f"{store}{FAILURES_NAME}")
            self._replace(f"{store}{INDEX_NAME}")
        self._changed.clear()
        self.folder.delete(self._replaced)
        self._replaced.clear()
        self._next_commit = time.monotonic() + _PATIENCE * (time.monotonic() - begun)

    def _replace(self, name: str) -> None:
        path, before = self._place / name, self._written.get(name)
        content = path.read_bytes() if path.exists() else None
        if content == before:
            return
        if self.folder.read([name]).get(name) != before:
            reason = "another egoact extract is writing here; wait for it to end, and give the command again"
            raise ArtifactError(f"{self.folder.name}: {reason}")
        if content is None:
            self.folder.delete([name])
            del self._written[name]
        else:
            self.folder.write(name, content)
            self._written[name] = content
