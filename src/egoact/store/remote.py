"""Features folders that fsspec reaches: `s3://bucket/features`, `gs://...`, `file:///...`, or a plain path.

The layout is that of every features folder. What a name stands for is replaced as a whole: object stores do so
themselves, on file systems a file is written beside its place and renamed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from egoact.core.errors import ArtifactError, InputError
from egoact.core.files import PART_SUFFIX

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)  # a Path has one slash left; C:/ is a drive


def as_url(features: Path) -> str | None:
    """The URL that was given as a path; None of a path of this machine.

    >>> as_url(Path("s3://bucket/features")), as_url(Path("features")), as_url(Path("file:///data/features"))
    ('s3://bucket/features', None, None)
    """
    found = _URL.fullmatch(features.as_posix())
    return None if found is None or found[1] in ("file", "local") else f"{found[1]}://{found[2]}"


def local_path(features: Path) -> Path:
    """The path of this machine that was given, as it is or as `file://`."""
    found = _URL.fullmatch(features.as_posix())
    return features if found is None else Path(f"/{found[2]}")


class RemoteFolder:
    """A features folder, a URL or a path, behind fsspec; names are relative to it.

    Raises:
        ArtifactError: From every method too: nobody understands the URL, or what is behind it does not answer.
    """

    def __init__(self, features: Path) -> None:
        from fsspec.core import url_to_fs

        url = as_url(features)
        self.name = url or str(local_path(features))
        self.is_local = url is None
        with self._asking():  # others write there too: what was listed once is not remembered
            target = url or str(local_path(features).absolute())
            self._fs, self._root = url_to_fs(target, use_listings_cache=False, skip_instance_cache=True)

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The content of those files that are there."""
        paths = {self._path(name): name for name in names}
        with self._asking():
            answers: dict[str, Any] = self._fs.cat(list(paths), on_error="return")
            for answer in answers.values():
                if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
                    raise answer
        return {paths[path]: answer for path, answer in answers.items() if isinstance(answer, bytes)}

    def sizes(self, names: Sequence[str]) -> list[int]:
        """Of files, in bytes."""
        with self._asking():
            return [int(size) for size in self._fs.sizes([self._path(name) for name in names])]

    def list(self, folder: str) -> list[str]:
        """Names of the files in a folder, without it; none where there is no such folder."""
        with self._asking():
            try:
                return [path.rstrip("/").rpartition("/")[2] for path in self._fs.ls(self._path(folder), detail=False)]
            except FileNotFoundError:
                return []

    def download(self, names: Sequence[str], paths: Sequence[Path]) -> None:
        """Copy files to this machine, as many at a time as the file system likes."""
        with self._asking():
            self._fs.get([self._path(name) for name in names], [str(path) for path in paths])

    def write(self, name: str, content: bytes) -> None:
        """Replace a file."""
        with self._replacing(name) as path:
            self._fs.pipe_file(path, content)

    def upload(self, source: Path, name: str) -> None:
        """Replace a file by one of this machine."""
        with self._replacing(name) as path:
            self._fs.put_file(str(source), path)

    def delete(self, names: Sequence[str]) -> None:
        """Remove files that are there."""
        with self._asking():
            for name in names:
                self._fs.rm_file(self._path(name))

    @contextmanager
    def _replacing(self, name: str) -> Iterator[str]:
        path = self._path(name)
        with self._asking():
            if not self.is_local:
                yield path
                return
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            part = f"{path}.{uuid4().hex[:8]}{PART_SUFFIX}"  # of one's own: a lost worker may still be writing
            yield part
            self._fs.mv(part, path)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # every file system has its own types
            if isinstance(error, ImportError):
                reason = f"a package is missing to reach it ({error}); pip install s3fs for s3://"
            elif isinstance(error, FileNotFoundError):
                reason = f"{str(error) or 'a file'} is missing there; give the command again"
            else:
                reason = f"cannot be reached ({type(error).__name__}: {error})"
            raise ArtifactError(f"{self.name}: {reason}") from None
