"""One writer at a time: a lock that the system itself lets go when its process dies, even by kill -9."""

import os
from pathlib import Path

from egoact.core.errors import ArtifactError

LOCK_NAME = ".lock"


class FolderLock:
    """An advisory lock on a folder.

    Args:
        folder: Made if it does not exist.
        command: Of egoact, that takes it.
    """

    def __init__(self, folder: Path, *, command: str) -> None:
        self._folder = folder
        self._command = command
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ArtifactError: Another process has it, or the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except FileExistsError:
            raise ArtifactError("a folder is needed, this is a file", path=self._folder) from None
        except OSError as error:
            raise ArtifactError(f"cannot write here: {error.strerror}", path=self._folder) from None
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            raise ArtifactError(
                f"another egoact {self._command} is writing here; wait for it to end", path=self._folder
            ) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it; the empty file stays, since removing it would race with the next writer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
