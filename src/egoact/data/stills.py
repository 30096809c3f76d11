"""Extracted frames by number, from a folder or straight out of a tar; gives bytes, knows nothing about JPEG.

frame_0000000001.jpg, frame_0000000002.jpg, ...      1-based
"""

import os
import re
from pathlib import Path

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.data.tar_index import index_tar

FRAME_NAME = re.compile(r"frame_(\d{10})\.jpe?g", re.ASCII | re.IGNORECASE)
RATE_NAME = "fps.txt"


class FrameFolder:
    """Frames of one folder.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with os.scandir(path) as entries:
                first = next((entry.name for entry in entries if FRAME_NAME.fullmatch(entry.name)), "frame.jpg")
        except OSError as error:
            raise MediaError(f"cannot list this folder: {error.strerror}", path=path) from None
        self._suffix = os.path.splitext(first)[1]  # .jpg, .JPG or .jpeg

    def read(self, number: int) -> bytes:
        """The bytes of frame `number`, counted from 1.

        Raises:
            MediaError: It does not exist or cannot be read.
        """
        path = self.path / f"frame_{number:010d}{self._suffix}"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise self._missing(number, path) from None
        except OSError as error:
            raise MediaError(f"cannot read this frame: {error.strerror}", path=path) from None

    def stated_rate(self) -> float | None:
        """Frames per second as `fps.txt` says it.

        Raises:
            MediaError: It says something else.
        """
        path = self.path / RATE_NAME
        return parse_rate(path.read_bytes(), path=path) if path.is_file() else None

    def last_number(self) -> int:
        """The number of the last frame."""
        matches = (FRAME_NAME.fullmatch(name) for name in os.listdir(self.path))
        return max((int(match[1]) for match in matches if match), default=0)

    def _missing(self, number: int, path: Path) -> MediaError:
        return missing_frame(number, last=self.last_number(), path=path)


class TarFrames:
    """Frames of one tar, which is not unpacked; a context manager that holds the file open.

    Args:
        path: The tar.
        component: Folder inside it that the frames are in: "" for RGB wherever they are, "u" or "v" for flow.
    """

    def __init__(self, path: Path, *, component: str) -> None:
        self.path = path
        self._index = index_tar(path)
        self._file = path.open("rb", buffering=0)
        self._component = component

    @classmethod
    def open(cls, path: Path, *, component: str = "") -> "TarFrames":
        """Open a tar; its index is made once and kept for as long as the file does not change.

        Raises:
            MediaError: It cannot be read, is compressed, or is no tar.
        """
        try:
            return cls(path, component=component)
        except OSError as error:
            raise MediaError(f"cannot open this archive: {error.strerror}", path=path) from None

    def __enter__(self) -> "TarFrames":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, number: int) -> bytes:
        """The bytes of frame `number`, counted from 1.

        Raises:
            MediaError: It is not in the archive, or lies beyond the place where the archive was cut.
        """
        place = self._index.find(self._component, number)
        if place is None:
            raise missing_frame(number, last=self._index.last(self._component), path=self.path, hint=self._hint())
        offset, size = place
        self._file.seek(offset)
        content = self._file.read(size)
        if len(content) != size:
            raise MediaError(f"frame {number} is cut off{self._hint()}", path=self.path)
        return content

    def stated_rate(self) -> float | None:
        """Frames per second as a member `fps.txt` says it."""
        if self._index.rate_place is None:
            return None
        offset, size = self._index.rate_place
        self._file.seek(offset)
        return parse_rate(self._file.read(size), path=self.path / RATE_NAME)

    def last_number(self) -> int:
        """The number of the last frame."""
        return self._index.last(self._component)

    def _hint(self) -> str:
        return "; the archive is truncated: an incomplete download?" if self._index.is_truncated else ""


def missing_frame(number: int, *, last: int, path: Path, hint: str = "") -> MediaError:
    """What is wrong with a frame that is not there; after the last one that is only the end."""
    if number > last:
        kind = MediaError if hint or not last else EndOfRecordingError
        return kind(f"there is no frame {number}: the last one is {last}{hint}", path=path)
    return MediaError(f"frame {number} is missing (the last one is {last}){hint}", path=path)


def parse_rate(content: bytes, *, path: Path) -> float:
    """Frames per second out of the text "59.94" or "30000/1001".

    Raises:
        MediaError: It is neither.
    """
    try:
        numerator, _, denominator = content.decode("ascii").strip().partition("/")
        rate = float(numerator) / float(denominator or 1)
        if 0 < rate < 10_000:
            return rate
    except (ValueError, ZeroDivisionError):
        pass
    raise MediaError("this file should hold one number, the frames per second, such as 29.97", path=path)
