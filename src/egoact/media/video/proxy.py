"""A small H.264 copy of a recording for browsers that lack its codec (a proxy, as video editors call it)."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import av.error
from av.video.reformatter import VideoReformatter

from egoact.media.video.decoder import to_rgb

_PLAYABLE = {
    "mp4": ("h264", "vp9", "av1"),
    "mov": ("h264",),
    "webm": ("vp8", "vp9", "av1"),
}
"""Container by suffix -> codecs that every current browser plays in it."""
_PLAYABLE_SUFFIXES = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
_PIXELS = ("yuv420p", "yuvj420p")
_HEIGHT = 360


def is_playable(path: Path) -> bool:
    """Whether browsers play this file as it is."""
    kind = _PLAYABLE_SUFFIXES.get(path.suffix.lower())
    if kind is None:
        return False
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        return context.name.removeprefix("lib").split("-")[0] in _PLAYABLE[kind] and context.pix_fmt in _PIXELS


def write_proxy(path: Path, proxy: Path, *, advance: Callable[[int], None] = lambda _: None) -> None:
    """Write a copy of at most 360 lines, upright, with the recording's own timestamps, without sound; atomically.

    What comes after damage is left out.

    Args:
        path: The recording.
        proxy: The copy.
        advance: Called with numbers of pictures as they are done.
    """
    unfinished = proxy.with_name(f"{proxy.name}.{os.getpid()}.part")
    reformatter = VideoReformatter()
    try:
        with av.open(str(path)) as container, av.open(str(unfinished), "w", format="mp4") as made:
            source = container.streams.video[0]
            source.thread_type = "AUTO"
            assert source.time_base is not None
            time_base = source.time_base
            stream, last = None, -1
            try:
                for picture in container.decode(source):
                    if picture.pts is None or picture.pts <= last:
                        continue
                    last = picture.pts
                    if stream is None:
                        first = to_rgb(picture, reformatter, size=None)
                        scale = min(1.0, _HEIGHT / first.shape[0])
                        size = tuple(max(2, round(side * scale / 2) * 2) for side in first.shape[:2])
                        stream = made.add_stream("libx264", rate=source.average_rate or 30)
                        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
                        stream.time_base = stream.codec_context.time_base = time_base
                        stream.options = {"preset": "veryfast", "crf": "29", "g": "48"}
                    frame = av.VideoFrame.from_ndarray(to_rgb(picture, reformatter, size=size), format="rgb24")
                    frame.pts, frame.time_base = picture.pts, time_base
                    made.mux(stream.encode(frame))
                    advance(1)
            except av.error.FFmpegError:
                pass  # the timeline ends there, too
            if stream is not None:
                made.mux(stream.encode(None))
        if stream is not None:
            unfinished.replace(proxy)
    finally:
        unfinished.unlink(missing_ok=True)
