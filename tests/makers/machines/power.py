"""A disk that forgets what was not synced: what a folder may hold after the power failed at any moment."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest


@dataclass(frozen=True)
class Moment:
    """A folder while it is written.

    Args:
        root: Inode of the folder.
        files: Inode -> (what is on the medium, None where nothing is; what programs see).
        folders: Inode -> (entries on the medium, entries that programs see), name -> inode each.
    """

    root: int
    files: dict[int, tuple[bytes | None, bytes]]
    folders: dict[int, tuple[dict[str, int], dict[str, int]]]

    def after_power_failed(self, place: Path, dice: Random | None) -> Path:
        """What is found later, made at `place`.

        Args:
            place: A folder that does not exist.
            dice: Chooses for each name and content that was not synced whether it was kept; None: nothing was.
        """
        self._make(self.root, place, dice)
        return place

    def _make(self, number: int, place: Path, dice: Random | None) -> None:
        if number in self.files:
            kept, seen = self.files[number]
            place.write_bytes(seen if dice is not None and dice.random() < 0.3 else kept or b"")
            return
        place.mkdir()
        kept_names, seen_names = self.folders[number]
        for name in sorted(kept_names.keys() | seen_names.keys()):
            chosen = seen_names if dice is not None and dice.random() < 0.6 else kept_names
            if name in chosen:
                self._make(chosen[name], place / name, dice)


@dataclass
class _Disk:
    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, dict[str, int]] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)

    def sync(self, descriptor: int | str) -> None:
        found = os.stat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            self.entries[found.st_ino] = self._names(descriptor)
        else:
            path = descriptor if isinstance(descriptor, str) else f"/proc/self/fd/{descriptor}"
            self.contents[found.st_ino] = Path(path).read_bytes()

    def look(self) -> None:
        """Remember how it is now."""
        files: dict[int, tuple[bytes | None, bytes]] = {}
        folders: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
        known = self.moments[-1] if self.moments else None
        for path in (self.root, *self.root.rglob("*")):
            number = path.stat().st_ino
            if number not in self.held:
                self.held[number] = os.open(path, os.O_RDONLY)  # so that nothing else gets this number
            if path.is_dir():
                folders[number] = self.entries.get(number, {}), self._names(path)
            else:
                files[number] = self.contents.get(number), path.read_bytes()
        if known is not None:  # what was removed may come back
            files = {n: (self.contents.get(n), seen) for n, (_, seen) in known.files.items()} | files
            folders = {n: (self.entries.get(n, {}), {}) for n in known.folders} | folders
        self.moments.append(Moment(self.root.stat().st_ino, files, folders))

    @staticmethod
    def _names(folder: int | str | Path) -> dict[str, int]:
        with os.scandir(folder) as found:
            return {entry.name: entry.inode() for entry in found}


@contextmanager
def recorded_moments(root: Path) -> Iterator[list[Moment]]:
    """All moments at which something in a folder is synced, renamed, removed or made, and the end as the last one.

    What is there at the beginning is on the medium. Files are really written, and never really synced.
    """
    disk = _Disk(root)
    for path in (root, *root.rglob("*")):
        disk.sync(str(path))
    disk.look()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "rmdir"):
            patch.setattr(os, name, _observed(getattr(os, name), disk))
        try:
            yield disk.moments
            disk.look()
        finally:
            for descriptor in disk.held.values():
                os.close(descriptor)


def _observed(function: Callable[..., Any], disk: _Disk) -> Callable[..., Any]:
    def call(*given: Any, **options: Any) -> Any:
        result = function(*given, **options)
        disk.look()
        return result

    return call
