"""JPEG frames at given times: from bytes by frame number to RGB pictures. Knows nothing about folders or tars."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from egoact.core import epic
from egoact.core.errors import MediaError

_END_OF_IMAGE = b"\xff\xd9"


class Stills(Protocol):
    """Anything that gives the bytes of frame 1, 2, ..."""

    @property
    def path(self) -> Path: ...  # noqa: D102

    def read(self, number: int) -> bytes: ...  # noqa: D102


def read_still_frames(
    stills: Stills, times: np.ndarray, *, rate: float, size: tuple[int, int] | None
) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
    """As `media.read_frames`, for frames extracted `rate` times a second.

    All frames of a recording have one size; a frame of another size than the first is an error.
    """
    expected: tuple[int, int] | None = None
    start = 0
    while start < len(times):
        number = epic.frame_index(float(times[start]), rate=rate)
        stop = start + 1
        while stop < len(times) and epic.frame_index(float(times[stop]), rate=rate) == number:
            stop += 1
        place = f"frame {number}, at {times[start]:.3f} s"
        frame: np.ndarray | MediaError
        try:
            content = stills.read(number)
            if expected is None:
                expected = _recording_size(stills, number, content)
            frame = decode_jpeg(content, size=size, expected=expected)
        except MediaError as error:
            frame = error if error.place else type(error)(error.reason, path=error.path, place=place)
        except ValueError as error:
            frame = MediaError(str(error), path=stills.path, place=place)
        yield slice(start, stop), frame
        start = stop


def decode_jpeg(
    content: bytes, *, size: tuple[int, int] | None, expected: tuple[int, int] | None = None, is_grey: bool = False
) -> np.ndarray:
    """Decode a JPEG, all of it or nothing.

    Args:
        content: The file.
        size: (height, width) in pixels to resize to; None: as it is.
        expected: (height, width) that it must have before.
        is_grey: Whether one channel is wanted.

    Returns:
        uint8 (H, W, 3), RGB, where grey pictures get three equal channels; or (H, W).

    Raises:
        ValueError: Empty, truncated, no JPEG, or of another size.
    """
    if not content:
        raise ValueError("the picture is empty (0 bytes)")
    if not content.startswith(b"\xff\xd8"):
        raise ValueError("this is not a JPEG picture")
    # libjpeg fills what is missing with grey and says nothing; entropy-coded data cannot contain the end mark.
    if not content.rstrip(b"\0\r\n").endswith(_END_OF_IMAGE):
        raise ValueError("the JPEG picture is truncated")
    height, width = jpeg_size(content)
    if expected is not None and (height, width) != expected:
        raise ValueError(
            f"the picture is {width} x {height} pixels, but the recording is {expected[1]} x {expected[0]}"
        )
    try:
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR
        picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), mode)
    except cv2.error:  # more pixels than OpenCV allows
        picture = None
    if picture is None:
        raise ValueError("the JPEG picture cannot be decoded")
    resized = resize_area(picture, size)
    return resized if is_grey else cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)


def resize_area(picture: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize by the mean over each target pixel's area where it shrinks, linearly where it grows."""
    if size is None or picture.shape[:2] == size:
        return picture
    # OpenCV's area mode turns into another one as soon as one axis grows: one axis at a time, shrinking first.
    height, width = (min(a, b) for a, b in zip(size, picture.shape[:2], strict=True))
    if (height, width) != picture.shape[:2]:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if (height, width) != size:
        picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)
    return picture


def _recording_size(stills: Stills, number: int, content: bytes) -> tuple[int, int] | None:
    """(height, width) of the recording: that of its first frame, or where that is lost, of the first one read."""
    try:
        return jpeg_size(content if number == 1 else stills.read(1))
    except (MediaError, ValueError):
        return jpeg_size(content)


def jpeg_size(content: bytes) -> tuple[int, int]:
    """(height, width) in pixels out of a JPEG's header.

    Raises:
        ValueError: There is none.
    """
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return (
                int.from_bytes(content[position + 5 : position + 7]),
                int.from_bytes(content[position + 7 : position + 9]),
            )
        position += 2 + length
    raise ValueError("this is not a JPEG picture")
