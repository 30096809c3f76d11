"""Where the frames are inside a tar, from one pass over its headers; knows nothing about pictures.

Python's `tarfile` makes an object of 25 fields of every member; 60,000 frames need three numbers each.
Formats: ustar, GNU (long names, base-256 sizes) and pax (size of a member), not compressed.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.errors import MediaError

FRAME_NAME = re.compile(r"frame_(\d{10})\.(?:jpe?g|png)", re.ASCII | re.IGNORECASE)
RATE_NAME = "fps.txt"
BLOCK = 512
_MAX_EXTENSION_BYTES = 1 << 20
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

Place = tuple[int, int]
"""Offset and size, bytes."""


@dataclass(frozen=True)
class TarIndex:
    """Frames of one tar, by component: "" for RGB, "u", "v"."""

    places: dict[str, np.ndarray]  # frame numbers (ascending), offsets and sizes, int64 (3, N)
    rate_place: Place | None  # of `fps.txt`
    is_truncated: bool  # it ends without the archive's end mark

    def find(self, component: str, number: int) -> Place | None:
        """Where a frame is, or None."""
        places = self.places.get(component)
        if places is None:
            return None
        at = int(np.searchsorted(places[0], number))
        if at == places.shape[1] or places[0, at] != number:
            return None
        return int(places[1, at]), int(places[2, at])

    def last(self, component: str) -> int:
        """Number of the last frame, 0 if there is none."""
        return int(self.places[component][0, -1]) if component in self.places else 0


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
    found: dict[str, dict[int, Place]] = defaultdict(dict)
    folders: dict[str, str] = {}
    rate_place, is_truncated = None, True
    for member in _members(path, size):
        if member is None:
            is_truncated = False
            break
        folder, _, name = member[0].rpartition("/")
        if name == RATE_NAME:
            rate_place = member[1]
        match = FRAME_NAME.fullmatch(name)
        if match is None:
            continue
        last = folder.rpartition("/")[2]
        component = last if last in ("u", "v") else ""
        if folders.setdefault(component, folder) != folder:
            both = f"{folders[component]!r} and {folder!r}"
            reason = f"frames are in two folders of this archive, {both}; one archive holds one recording"
            raise MediaError(reason, path=path)
        found[component][int(match[1])] = member[1]
    places = {
        component: np.array([(number, *frames[number]) for number in sorted(frames)], dtype=np.int64).T
        for component, frames in found.items()
    }
    return TarIndex(places, rate_place, is_truncated)


def _members(path: Path, num_bytes: int) -> Iterator[tuple[str, Place] | None]:
    """Names and places of files, by the headers from the first to the end mark, which is None."""
    position, long_name, pax_size = 0, None, None
    with path.open("rb", buffering=0) as file:
        while position + BLOCK <= num_bytes:
            file.seek(position)
            header = file.read(BLOCK)
            if not any(header):
                yield None
                return
            _check(header, position, path)
            size = _number(header[124:136]) if pax_size is None else pax_size
            kind, data = header[156:157], position + BLOCK
            if kind in b"LxgK":
                extension = file.read(min(size, _MAX_EXTENSION_BYTES))
                if kind == b"L":
                    long_name = extension.rstrip(b"\0")
                elif kind == b"x":
                    records = _pax_records(extension)
                    long_name = records.get(b"path", long_name)
                    pax_size = int(records[b"size"]) if records.get(b"size", b"").isdigit() else None
            else:
                if kind in b"0\0":
                    name = (long_name or _name(header)).decode("utf-8", "replace").removeprefix("./")
                    yield name, (data, size)
                long_name = pax_size = None
            position = data + -(-size // BLOCK) * BLOCK


def _check(header: bytes, position: int, path: Path) -> None:
    if _number(header[148:156]) == sum(header) - sum(header[148:156]) + 8 * 32:
        return
    if position == 0:
        packed = next((name for mark, name in _COMPRESSED.items() if header.startswith(mark)), None)
        reason = f"is compressed with {packed}; decompress it, but do not unpack it" if packed else "is not a tar"
        raise MediaError(f"this archive {reason}", path=path)
    reason = "this archive is damaged here: no header where one should be"
    raise MediaError(reason, path=path, place=f"byte {position}")


def _number(text: bytes) -> int:
    if text[0] & 0x80:  # GNU: base 256, for 8 GiB and more
        return int.from_bytes(text[1:])
    digits = text.strip(b" \0")
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else 0


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
