"""Stills of every kind that cameras, scanners and programs write, by the numbers that they carry."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.Image import Transpose

from egoact.core.errors import MediaError
from egoact.media.sources import find_media, read_frames
from tests.makers.films.media import SIZE, number_in, picture, write_tar

NUM_FRAMES = 3
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""EXIF's orientation -> how a picture is stored."""


def jpeg(image: np.ndarray, *, mode: str = "RGB", orientation: int = 1) -> bytes:
    made, exif, content = Image.fromarray(image).convert(mode), Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    stored = made.transpose(TURNS[orientation]) if orientation in TURNS else made
    stored.save(content, "JPEG", quality=95, exif=exif)
    return content.getvalue()


def png(image: np.ndarray, *, bits: int = 8, channels: int = 3) -> bytes:
    deep = image.astype(np.uint16) * 257 if bits == 16 else image
    if channels == 1:
        deep = deep[..., 0]
    elif channels == 4:
        deep = np.dstack([deep, np.full_like(deep[..., 0], np.iinfo(deep.dtype).max // 3)])
    return cv2.imencode(".png", deep[..., ::-1] if channels == 3 else deep)[1].tobytes()


KINDS: dict[str, Callable[[np.ndarray], bytes]] = {
    "cmyk jpg": lambda image: jpeg(image, mode="CMYK"),
    "grey jpg": lambda image: jpeg(image, mode="L"),
    **{f"exif {n} jpg": lambda image, n=n: jpeg(image, orientation=n) for n in range(1, 9)},
    "8 bits png": png,
    "16 bits png": lambda image: png(image, bits=16),
    "16 bits grey png": lambda image: png(image, bits=16, channels=1),
    "16 bits alpha png": lambda image: png(image, bits=16, channels=4),
}


@pytest.mark.parametrize("is_tar", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_of_the_moment(tmp_path: Path, kind: str, is_tar: bool) -> None:
    suffix = kind.rpartition(" ")[2]
    frames = {f"frame_{n + 1:010d}.{suffix}": KINDS[kind](picture(2000 + n)) for n in range(NUM_FRAMES)}
    if is_tar:
        write_tar(tmp_path / "mine.tar", frames)
    else:
        (tmp_path / "mine").mkdir()
        for name, content in frames.items():
            (tmp_path / "mine" / name).write_bytes(content)
    source = find_media(tmp_path, "mine", frame_rate=10)
    for size in (None, (64, 80)):
        shown = [frame for _, frame in read_frames(source, np.arange(NUM_FRAMES) / 10 + 0.05, size=size)]
        assert [number_in(frame) for frame in shown] == [2000, 2001, 2002]
        assert {(frame.shape, frame.dtype) for frame in shown} == {((*(size or SIZE), 3), np.dtype(np.uint8))}
    if "grey" not in kind and "alpha" not in kind:
        first = next(frame for _, frame in read_frames(source, np.zeros(1)))
        assert np.abs(first.astype(int) - picture(2000)).mean() < 2


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[: len(content) // 2], "the PNG picture is truncated"),
        (lambda content: content[:12], "not a JPEG or PNG"),
        (lambda content: content[:200] + b"\xa5" * 40 + content[240:], "the PNG picture cannot be decoded"),
        (lambda content: content[:16] + b"\0\0\xff\xdc" * 2 + content[24:], "the picture is 65500 x 65500 pixels"),
    ],
    ids=["half", "header", "middle", "bomb"],
)
def test_a_damaged_png_is_an_error(tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
    (tmp_path / "mine").mkdir()
    for n in (1, 2):
        content = png(picture(n))
        (tmp_path / f"mine/frame_{n:010d}.png").write_bytes(damage(content) if n == 2 else content)
    (_, whole), (_, lost) = read_frames(find_media(tmp_path, "mine", frame_rate=10), np.array([0.0, 0.1]))
    assert isinstance(lost, MediaError) and reason in str(lost) and "frame 2, at 0.100 s" in str(lost)
    assert isinstance(whole, np.ndarray) and number_in(whole) == 1
