"""Writes H.264 in MP4: films, and small copies of recordings for browsers that lack their codec (proxies)."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from egoact.core.files import rename, sync
from egoact.media.video.chapters import find_chapters
from egoact.media.video.decoder import to_rgb
from egoact.media.video.file import decode_in_time, open_container, picture_stream

Edit = Callable[[np.ndarray, float], np.ndarray]
"""uint8 RGB (H, W, 3) and its seconds in, another picture of that size out."""

_MP4_CODECS = ("h264", "vp9", "av1")
_PLAYABLE = {".mp4": _MP4_CODECS, ".m4v": _MP4_CODECS, ".mov": ("h264",), ".webm": ("vp8", "vp9", "av1")}
"""Suffix -> codecs that every current browser plays in it."""
PLAYABLE_PIXELS = ("yuv420p", "yuvj420p")
_PROXY_HEIGHT = 360
_MOST_LATE = 0.1  # seconds, for which nobody wants another copy
_TICKS_PER_SECOND = 1000
_PROXY_OPTIONS = {"preset": "veryfast", "crf": "29", "g": "48"}


def write_video(path: Path, frames: Iterable[np.ndarray], *, rate: int, width: int, height: int) -> None:
    """Encode uint8 RGB frames (height, width, 3) at `rate` per second, atomically; equal frames give equal bytes."""
    with new_container(path) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "23", "threads": "1", "g": "24"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def is_playable(path: Path) -> bool:
    """Whether browsers play this file as it is."""
    codecs = _PLAYABLE.get(path.suffix.lower())
    if codecs is None or len(find_chapters(path)) > 1:
        return False
    with open_container(path) as container:
        stream = picture_stream(container, path)
        context = stream.codec_context
        is_known = context.name.removeprefix("lib").split("-")[0] in codecs and context.pix_fmt in PLAYABLE_PIXELS
        # Where the file begins, which sound may do before the pictures, browsers have their time 0.
        begin = float((stream.start_time or 0) * (stream.time_base or 0))
        late = begin - max((container.start_time or 0) / av.time_base, 0.0)
        return is_known and stream == container.streams.video[0] and late < _MOST_LATE


def write_proxy(path: Path, proxy: Path, *, advance: Callable[[int], None] = lambda _: None) -> None:
    """Write a copy of at most 360 lines, upright, its times from the first picture on, without sound; atomically.

    What comes after damage is left out. `advance` is called with numbers of pictures as they are done.
    """
    with open_container(path) as container, new_container(proxy) as made:
        source = picture_stream(container, path)
        for packets in encode_again(source, made, most_lines=_PROXY_HEIGHT, options=_PROXY_OPTIONS, advance=advance):
            made.mux(packets)


def encode_again(
    source: VideoStream,
    made: OutputContainer,
    *,
    options: Mapping[str, str],
    most_lines: int | None = None,
    start_ticks: int | None = None,
    edit: Edit | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[list[Packet]]:
    """A recording's pictures as H.264, upright; what comes after damage is left out.

    `made` gets a stream with the first picture, of `most_lines` at most and `options` of libx264. The timestamp
    `start_ticks`, by default of the first picture, becomes 0; `edit` makes another picture of one and its seconds from
    there. `advance` is called with numbers of pictures as they are done.

    Yields:
        The packets that a picture brings, to be written into `made`.
    """
    reformatter = VideoReformatter()
    source.thread_type = "AUTO"
    assert source.time_base is not None
    time_base = source.time_base
    stream, last, size = None, None, None
    try:
        for picture, ticks in decode_in_time(source):
            if last is not None and ticks <= last:
                continue
            last = ticks
            if start_ticks is None:
                start_ticks = ticks
            if stream is None:
                sides = to_rgb(picture, reformatter, size=None).shape[:2]
                scale = 1.0 if most_lines is None else min(1.0, most_lines / sides[0])
                height, width = (max(2, round(side * scale / 2) * 2) for side in sides)
                size = height, width
                stream = made.add_stream("libx264", rate=source.average_rate or 30)
                stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
                stream.time_base = stream.codec_context.time_base = time_base
                stream.options = dict(options)
            rgb = to_rgb(picture, reformatter, size=size)
            if edit is not None:
                rgb = edit(rgb, float((ticks - start_ticks) * time_base))
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = ticks - start_ticks, time_base
            yield stream.encode(frame)
            advance(1)
    except av.error.FFmpegError:
        pass  # the timeline ends there, too
    if stream is not None:
        yield stream.encode(None)


@contextmanager
def new_container(
    path: Path, *, kind: str = "mp4", options: Mapping[str, str] | None = None
) -> Iterator[OutputContainer]:
    """A file that takes its place once it is whole, unless there is nothing in it; `options` are of the container."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(unfinished), "w", format=kind, options=dict(options or {})) as container:
            yield container
            has_content = len(container.streams) > 0
        if has_content:
            with unfinished.open("r+b") as file:
                sync(file.fileno())
            rename(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_timed_video(path: Path, pictures: Iterable[tuple[float, np.ndarray]]) -> None:
    """Encode pictures that were taken at irregular times as H.264, atomically; a `ValueError` for no picture at all.

    They are seconds and uint8 RGB (H, W, 3), all of them resized to the first; times ascend by at least a millisecond,
    and the first one becomes 0.
    """
    stream, begin, last = None, 0.0, -1
    with new_container(path, options={"movflags": "+faststart"}) as container:
        for seconds, picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if stream is None:
                begin = seconds
                stream = container.add_stream("libx264", rate=30)
                stream.height, stream.width = (max(side // 2 * 2, 2) for side in picture.shape[:2])
                stream.pix_fmt = "yuv420p"
                stream.options = {"preset": "veryfast", "crf": "23", "g": "30"}
                stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_SECOND)
            ticks = round((seconds - begin) * _TICKS_PER_SECOND)
            if ticks <= last:
                continue
            frame = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
            frame.pts, frame.time_base, last = ticks, Fraction(1, _TICKS_PER_SECOND), ticks
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
    if stream is None:
        raise ValueError("no picture to write")
