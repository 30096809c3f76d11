"""Faces of a recording as masks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from egoact.engines.faces import FaceDetector
from egoact.media.video.decoder import to_rgb
from egoact.media.video.file import decode_in_time, open_container, picture_stream
from egoact.privacy.masks import Box, Mask, link, widen

SURE = 0.6  # as in MediaPipe
_MARGIN = 0.35  # of a face's box, which ends at brows and chin
_MOST_GAP_SECONDS = 1.0
_MOST_LINES = 1080


def find_faces(
    path: Path,
    detector: FaceDetector,
    *,
    rate: float,
    sure: float = SURE,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Mask]:
    """Every face of a recording, from its first picture to its last that can be decoded; or a `MediaError`.

    Args:
        path: Video file.
        detector: Finds faces in single pictures; what it is less sure of counts beside a picture where it is sure.
        rate: Pictures a second to look at.
        sure: How sure it must be once of each face, 0 to 1.
        advance: Called with 1 after each picture that was looked at.
    """

    def looked_at() -> Iterator[tuple[float, list[tuple[Box, float]]]]:
        for seconds, picture in _pictures(path, rate=rate):
            yield seconds, [(widen(face.box, _MARGIN), face.score) for face in detector.run(picture)]
            advance(1)

    return link(looked_at(), sure=sure, most_gap_seconds=_MOST_GAP_SECONDS)


def _pictures(path: Path, *, rate: float) -> Iterator[tuple[float, np.ndarray]]:
    """Seconds from the first picture, and pictures, upright and at most 1080 lines high."""
    reformatter, due, begin = VideoReformatter(), 0.0, None
    with open_container(path) as container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        try:
            for picture, ticks in decode_in_time(stream):
                begin = ticks if begin is None else begin
                seconds = float((ticks - begin) * stream.time_base)  # pyrefly: ignore[unsupported-operation]  # picture_stream has one
                if seconds + 1e-6 < due:
                    continue
                due = seconds + 1 / rate
                scale = min(1.0, _MOST_LINES / picture.height)
                size = (max(round(picture.height * scale), 2), max(round(picture.width * scale), 2))
                if round(picture.rotation / 90) % 2:
                    size = size[::-1]
                yield seconds, to_rgb(picture, reformatter, size=size)
        except av.error.FFmpegError:
            return  # the masked recording ends there, too
