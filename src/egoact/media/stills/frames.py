"""Extracted frames: their bytes by number, from a folder or straight out of a tar, and pictures of them at given times.

frame_0000000001.jpg, frame_0000000002.jpg, ...      1-based; or .png
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np

from egoact.core.epic import facts as epic
from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.media.stills.pictures import decode_still, still_size
from egoact.media.stills.tar_index import FRAME_NAME, RATE_NAME, index_tar

Folders = str | Path | Sequence[str | Path]


def list_folders(folders: Folders) -> tuple[Path, ...]:
    """Each of them; a `MediaError` where one does not exist, or is not a folder, a `ValueError` where there is none."""
    paths = tuple(Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders))
    if not paths:
        raise ValueError("give at least one folder with recordings")
    for path in paths:
        if not path.is_dir():
            raise MediaError("the media folder does not exist (or is not a folder)", path=path)
    return paths


def name_folders(folders: Sequence[Path]) -> Path:
    """All of them as one name, for a complaint."""
    return Path(" + ".join(str(folder) for folder in folders))


def read_still_frames(
    stills: "Stills", times: np.ndarray, *, rate: float, size: tuple[int, int] | None
) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
    """As `media.read_frames`, for frames extracted `rate` times a second.

    All frames of a recording have one size; a frame of another size than the first is an error.
    """
    expected: tuple[int, int] | None = None

    def decode(number: int) -> np.ndarray:
        nonlocal expected
        content = stills.read(number)
        if expected is None:
            expected = _recording_size(stills, number, content)
        return decode_still(content, size=size, expected=expected)

    yield from each_frame_once(times, partial(epic.frame_index, rate=rate), decode, path=stills.path, name="frame")


def each_frame_once(
    times: np.ndarray, number_at: Callable[[float], int], decode: Callable[[int], np.ndarray], *, path: Path, name: str
) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
    """Runs of times that show the same frame, with that frame or the error of decoding it, which tells its place."""
    for number, run in groupby(range(len(times)), key=lambda position: number_at(float(times[position]))):
        first, *others = run
        place = f"{name} {number}, at {times[first]:.3f} s"
        frame: np.ndarray | MediaError
        try:
            frame = decode(number)
        except MediaError as error:
            frame = error if error.place else type(error)(error.reason, path=error.path, place=place)
        except ValueError as error:
            frame = MediaError(str(error), path=path, place=place)
        yield slice(first, first + 1 + len(others)), frame


def _recording_size(stills: "Stills", number: int, content: bytes) -> tuple[int, int] | None:
    """(height, width) of the recording: that of its first frame, or where that is lost, of the first one read."""
    try:
        return still_size(content if number == 1 else stills.read(1))
    except (MediaError, ValueError):
        return still_size(content)


class FrameFolder:
    """Frames of one folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with os.scandir(path) as entries:
                first = next((entry.name for entry in entries if FRAME_NAME.fullmatch(entry.name)), "frame.jpg")
        except OSError as error:
            raise MediaError(f"cannot list this folder: {error.strerror}", path=path) from None
        self._suffix = os.path.splitext(first)[1]  # .jpg, .JPG, .jpeg or .png

    def read(self, number: int) -> bytes:
        """The bytes of frame `number`, counted from 1; a `MediaError` where it does not exist or cannot be read."""
        path = self.path / f"frame_{number:010d}{self._suffix}"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise _missing_frame(number, last=self.last_number(), path=path) from None
        except OSError as error:
            raise MediaError(f"cannot read this frame: {error.strerror}", path=path) from None

    def stated_rate(self) -> float | None:
        """Frames per second as `fps.txt` says it."""
        path = self.path / RATE_NAME
        return _parse_rate(path.read_bytes(), path=path) if path.is_file() else None

    def last_number(self) -> int:
        """The number of the last frame."""
        matches = (FRAME_NAME.fullmatch(name) for name in os.listdir(self.path))
        return max((int(match[1]) for match in matches if match), default=0)


class TarFrames:
    """Frames of one tar, which is not unpacked; a context manager that holds the file open.

    Its index is made once and kept for as long as the file does not change. `component` is the folder inside it that
    the frames are in: "" for RGB wherever they are, "u" or "v" for flow.

    Raises:
        MediaError: It cannot be read, is compressed, or is no tar.
    """

    def __init__(self, path: Path, *, component: str = "") -> None:
        self.path, self._component = path, component
        try:
            self._index = index_tar(path)
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise MediaError(f"cannot open this archive: {error.strerror}", path=path) from None
        self._hint = "; the archive is truncated: an incomplete download?" if self._index.is_truncated else ""

    def __enter__(self) -> "TarFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, number: int) -> bytes:
        """As of a folder; what lies beyond the place where the archive was cut is a `MediaError`, too."""
        place = self._index.find(self._component, number)
        if place is None:
            raise _missing_frame(number, last=self.last_number(), path=self.path, hint=self._hint)
        content = self._read(*place)
        if len(content) != place[1]:
            raise MediaError(f"frame {number} is cut off{self._hint}", path=self.path)
        return content

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def stated_rate(self) -> float | None:
        """Frames per second as a member `fps.txt` says it."""
        place = self._index.rate_place
        return None if place is None else _parse_rate(self._read(*place), path=self.path / RATE_NAME)

    def last_number(self) -> int:
        """The number of the last frame."""
        return self._index.last(self._component)


Stills = FrameFolder | TarFrames


def _missing_frame(number: int, *, last: int, path: Path, hint: str = "") -> MediaError:
    """What is wrong with a frame that is not there; after the last one that is only the end."""
    if number > last:
        kind = MediaError if hint or not last else EndOfRecordingError
        return kind(f"there is no frame {number}: the last one is {last}{hint}", path=path)
    return MediaError(f"frame {number} is missing (the last one is {last}){hint}", path=path)


def _parse_rate(content: bytes, *, path: Path) -> float:
    """Frames per second out of the text "59.94" or "30000/1001"."""
    with suppress(ValueError, ZeroDivisionError):
        rate = float(Fraction(content.decode("ascii").strip()))
        if 0 < rate < 10_000:
            return rate
    raise MediaError("this file should hold one number, the frames per second, such as 29.97", path=path)
