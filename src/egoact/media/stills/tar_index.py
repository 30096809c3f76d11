"""Where the frames are inside a tar, from one pass over its headers; knows nothing about pictures.

Python's `tarfile` makes an object of 25 fields of every member; 60,000 frames need three numbers each.
Formats: ustar, GNU (long names, base-256 sizes) and pax (size of a member), not compressed.
"""

import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from egoact.core.errors import MediaError

BLOCK = 512
_FRAME = re.compile(
    r"(?:(?P<folder>.*)/)?frame_(?P<number>\d{10})\.(?:jpe?g|png)", re.ASCII | re.IGNORECASE | re.DOTALL
)
_MAX_EXTENSION_BYTES = 1 << 20
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class TarIndex:
    """Frames of one tar, by component: "" for RGB, "u", "v"."""

    places: dict[str, np.ndarray]  # frame numbers (ascending), offsets and sizes, int64 (3, N)
    rate_place: tuple[int, int] | None  # offset and size of `fps.txt`
    is_truncated: bool  # it ends without the archive's end mark

    def find(self, component: str, number: int) -> tuple[int, int] | None:
        """Offset and size of a frame in bytes, or None."""
        places = self.places.get(component)
        if places is None:
            return None
        at = int(np.searchsorted(places[0], number))
        if at == places.shape[1] or places[0, at] != number:
            return None
        return int(places[1, at]), int(places[2, at])

    def last(self, component: str) -> int:
        """Number of the last frame, 0 if there is none."""
        places = self.places.get(component)
        return 0 if places is None else int(places[0, -1])


def index_tar(path: Path) -> TarIndex:
    """Index a tar; one that did not change since is not read again.

    Raises:
        MediaError: Not an uncompressed tar, damaged in the middle, or with frames of two recordings.
    """
    status = path.stat()
    return _index(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _index(path: Path, modified_ns: int, size: int) -> TarIndex:
    if size < BLOCK:
        raise MediaError(f"this archive is truncated: it has {size} bytes", path=path)
    scan = _Scan(path, size)
    with path.open("rb", buffering=0) as file:
        scan.run(file.fileno())
    return scan.result()


@dataclass
class _Scan:
    path: Path
    size: int
    found: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    rate_place: tuple[int, int] | None = None
    ended: bool = False

    def run(self, descriptor: int) -> None:
        """Follow the headers from the first to the end mark."""
        position, long_name, pax_size = 0, None, None
        while position + BLOCK <= self.size:
            header = _read(descriptor, BLOCK, position)
            if not any(header):
                self.ended = True
                return
            self._check(header, position)
            size = _number(header[124:136]) if pax_size is None else pax_size
            kind, data = header[156:157], position + BLOCK
            if kind in b"LxgK":
                extension = _read(descriptor, min(size, _MAX_EXTENSION_BYTES), data)
                if kind == b"L":
                    long_name = extension.rstrip(b"\0")
                elif kind == b"x":
                    records = _pax_records(extension)
                    long_name = records.get(b"path", long_name)
                    pax_size = int(records[b"size"]) if records.get(b"size", b"").isdigit() else None
            else:
                if kind in b"0\0":
                    self._add(long_name or _name(header), data, size)
                long_name = pax_size = None
            position = data + -(-size // BLOCK) * BLOCK

    def result(self) -> TarIndex:
        """The index of what was found."""
        places = {
            component: np.array([(n, *frames[n]) for n in sorted(frames)], dtype=np.int64).T
            for component, frames in self.found.items()
        }
        return TarIndex(places, self.rate_place, not self.ended)

    def _add(self, name: bytes, offset: int, size: int) -> None:
        text = name.decode("utf-8", "replace").removeprefix("./")
        if text.rpartition("/")[2] == "fps.txt":
            self.rate_place = offset, size
        match = _FRAME.fullmatch(text)
        if match is None:
            return
        folder = match["folder"] or ""
        last = folder.rpartition("/")[2]
        component = last if last in ("u", "v") else ""
        if self.folders.setdefault(component, folder) != folder:
            raise MediaError(
                f"frames are in two folders of this archive, {self.folders[component]!r} and {folder!r}; "
                "one archive holds one recording",
                path=self.path,
            )
        self.found.setdefault(component, {})[int(match["number"])] = offset, size

    def _check(self, header: bytes, position: int) -> None:
        stated = header[148:156].strip(b" \0")
        if _is_octal(stated) and int(stated, 8) == sum(header) - sum(header[148:156]) + 8 * 32:
            return
        if position == 0:
            packed = next((name for mark, name in _COMPRESSED.items() if header.startswith(mark)), None)
            reason = f"is compressed with {packed}; decompress it, but do not unpack it" if packed else "is not a tar"
            raise MediaError(f"this archive {reason}", path=self.path)
        raise MediaError(
            "this archive is damaged here: no header where one should be", path=self.path, place=f"byte {position}"
        )


def _read(descriptor: int, size: int, position: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, position)
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.read(descriptor, size)


def _is_octal(text: bytes) -> bool:
    return bool(text) and all(48 <= digit < 56 for digit in text)


def _number(text: bytes) -> int:
    if text[0] & 0x80:  # GNU: base 256, for 8 GiB and more
        return int.from_bytes(text[1:])
    digits = text.strip(b" \0")
    return int(digits, 8) if _is_octal(digits) else 0


def _name(header: bytes) -> bytes:
    name = header[:100].rstrip(b"\0")
    prefix = header[345:500].split(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _pax_records(content: bytes) -> dict[bytes, bytes]:
    records = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not 0 < int(length) <= len(content):
            break
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        records[key] = value
        content = content[int(length) :]
    return records
