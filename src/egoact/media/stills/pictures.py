"""One extracted frame: JPEG or PNG to pixels, all of it or nothing, as a person sees it.

Eight bits a channel whatever the file has, without transparency; turned and mirrored as its EXIF data say.

Source: ISO/IEC 10918-1, B.1.1 (JPEG markers); ISO/IEC 15948, 5.3 (PNG chunks).
"""

from pathlib import Path

import numpy as np

from egoact.core.bounds import MOST_PICTURE_PIXELS
from egoact.core.files import make_folder, write_atomically

_NEITHER = "this is not a JPEG or PNG picture"
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def decode_still(
    content: bytes, *, size: tuple[int, int] | None, expected: tuple[int, int] | None = None, is_grey: bool = False
) -> np.ndarray:
    """Decode a JPEG or PNG, all of it or nothing: uint8 (H, W, 3) RGB, or (H, W) where grey is wanted.

    It is resized to `size` (height, width), unless that is None, and must have the `expected` one before.

    Raises:
        ValueError: Empty, truncated, neither of them, or of another size.
    """
    import cv2

    if not content:
        raise ValueError("the picture is empty (0 bytes)")
    kind = _kind(content)
    # libjpeg fills what is missing with grey and says nothing; entropy-coded data cannot contain the end mark.
    if not content.rstrip(b"\0\r\n").endswith(_ENDS[kind]):
        raise ValueError(f"the {kind} picture is truncated")
    height, width = still_size(content)
    if expected is not None and (height, width) != expected:
        other = f"{expected[1]} x {expected[0]}"
        raise ValueError(f"the picture is {width} x {height} pixels, but the recording is {other}")
    if height * width > MOST_PICTURE_PIXELS:
        raise ValueError(f"the picture is {width} x {height} pixels, more than any camera's")
    try:
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR
        picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), mode)
    except cv2.error:  # more pixels than OpenCV allows
        picture = None
    if picture is None:
        raise ValueError(f"the {kind} picture cannot be decoded")
    resized = resize_area(picture, size)
    return resized if is_grey else cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write uint8 (H, W), or (H, W, 3) RGB, as PNG or JPEG by the name; makes the folder."""
    import cv2

    make_folder(path.parent)
    write_atomically(path, cv2.imencode(path.suffix, picture if picture.ndim == 2 else picture[..., ::-1])[1].tobytes())


def resize_area(picture: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize by the mean over each target pixel's area where it shrinks, linearly where it grows."""
    if size is None or picture.shape[:2] == size:
        return picture
    import cv2

    # OpenCV's area mode turns into another one as soon as one axis grows: one axis at a time, shrinking first.
    height, width = (min(a, b) for a, b in zip(size, picture.shape[:2], strict=True))
    if (height, width) != picture.shape[:2]:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if (height, width) != size:
        picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)
    return picture


def still_size(content: bytes) -> tuple[int, int]:
    """(height, width) in pixels out of a picture's header, as it is stored."""
    if _kind(content) == "PNG":
        return int.from_bytes(content[20:24]), int.from_bytes(content[16:20])
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = content[position + 5 : position + 7], content[position + 7 : position + 9]
            return int.from_bytes(height), int.from_bytes(width)
        position += 2 + length
    raise ValueError(_NEITHER)


def _kind(content: bytes) -> str:
    if content.startswith(b"\xff\xd8"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) >= 24:
        return "PNG"
    raise ValueError(_NEITHER)
