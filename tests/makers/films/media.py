"""Tiny recordings for tests, in which every picture carries its own number so that a wrong one is noticed."""

import io
import tarfile
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

NUM_BITS = 12
SIZE = (96, 144)  # height, width
_made: dict[str | None, bytes] = {}  # recordings that were asked for before


def picture(number: int, *, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """uint8 (H, W, 3) RGB: a soft coloured pattern, with `number` as black and white bars along the top third."""
    height, width = size
    sine, cosine = _waves(size)
    turn = seed + number / 7
    image = (127 + sine * np.float32(np.cos(turn)) + cosine * np.float32(np.sin(turn))).astype(np.uint8)
    bits = [(number >> bit) & 1 for bit in range(NUM_BITS)]
    for bit, value in enumerate(bits):
        left, right = width * bit // NUM_BITS, width * (bit + 1) // NUM_BITS
        image[: height // 3, left:right] = 235 if value else 20
    return image


@lru_cache(maxsize=16)
def _waves(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine, float32 (H, W, 3), of which a picture with any turn is made."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    angle = np.stack([(x * a + y * b) / 23 for a, b in ((1, 0.3), (0.4, 1), (0.7, -0.6))], axis=-1)
    return (90 * np.sin(angle)).astype(np.float32), (90 * np.cos(angle)).astype(np.float32)


def number_in(image: np.ndarray) -> int:
    """The number that a picture carries, at any size."""
    height, width = image.shape[:2]
    row = image[height // 8 : height // 4].mean(axis=(0, 2))
    centres = [(2 * bit + 1) * width // (2 * NUM_BITS) for bit in range(NUM_BITS)]
    return sum(int(row[c - 1 : c + 2].mean() > 127) << bit for bit, c in enumerate(centres))


def write_video(
    path: Path,
    *,
    num_frames: int = 60,
    rate: Fraction | int = 30,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    gop: int = 12,
    b_frames: int = 0,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
    is_mirrored: bool = False,
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    images: Sequence[np.ndarray] | None = None,
    first_number: int = 0,
    with_sound: bool = False,
    colorspace: int | None = None,
    color_range: int | None = None,
) -> Path:
    """Encode numbered pictures; `pts` in units of `time_base` gives them other times than 0, 1, 2, ... / rate."""
    asked = None if images is not None else repr((path.suffix, {k: v for k, v in locals().items() if k != "path"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    if asked in _made:
        path.write_bytes(_made[asked])
        return path
    time_base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = size[0], size[1], pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if color_range is not None:
            stream.codec_context.color_range = color_range
        defaults = {"preset": "veryfast", "crf": "18", "threads": "1"} if codec == "libx264" else {}
        stream.options = {**defaults, **(options or {})}
        if rotation or is_mirrored:
            stream.set_display_rotation(rotation, hflip=is_mirrored)
        sound = container.add_stream("aac", rate=16000) if with_sound else None
        reformatter = VideoReformatter()  # prepared once, not for each picture
        count = num_frames if images is None else len(images)
        for i in range(count):
            image = picture(i + first_number, size=size) if images is None else images[i]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if pixel_format != "rgb24":
                frame = reformatter.reformat(
                    frame,
                    format=pixel_format,
                    dst_colorspace=colorspace,
                    dst_color_range=color_range,
                    interpolation="BICUBIC",
                )
            frame.pts = i if pts is None else pts[i]
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_sound(container, sound, seconds=float(count / Fraction(rate)))
    if asked and path.exists():
        _made[asked] = path.read_bytes()
    return path


def write_sound_only(path: Path) -> Path:
    """An MP4 without pictures."""
    with av.open(str(path), "w") as container:
        _write_sound(container, container.add_stream("aac", rate=16000), seconds=1.0)
    return path


def _write_sound(container, stream, *, seconds: float) -> None:
    for start in range(0, int(seconds * 16000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def jpeg(number: int, *, size: tuple[int, int] = SIZE, progressive: bool = False, grey: bool = False) -> bytes:
    """A numbered picture as JPEG."""
    image = picture(number, size=size)
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if grey else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    flags = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    return cv2.imencode(".jpg", pixels, flags)[1].tobytes()


def write_folder(path: Path, *, numbers: Sequence[int], size: tuple[int, int] = SIZE) -> Path:
    """`frame_0000000001.jpg` holds `numbers[0]`, and so on."""
    path.mkdir(parents=True, exist_ok=True)
    for i, number in enumerate(numbers, start=1):
        (path / f"frame_{i:010d}.jpg").write_bytes(jpeg(number, size=size))
    return path


def write_tar(path: Path, contents: dict[str, bytes], *, kind: int = tarfile.USTAR_FORMAT, mode: str = "w") -> Path:
    """A tar with these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=kind) as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def frame_members(numbers: Sequence[int], *, prefix: str = "./", size: tuple[int, int] = SIZE) -> dict[str, bytes]:
    """Members of an EPIC-KITCHENS tar."""
    return {f"{prefix}frame_{i:010d}.jpg": jpeg(number, size=size) for i, number in enumerate(numbers, start=1)}
