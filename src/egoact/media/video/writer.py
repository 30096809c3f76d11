"""Writes pictures as H.264 in MP4; the same pictures give the same bytes."""

import os
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np


def write_video(path: Path, frames: Iterable[np.ndarray], *, rate: int, width: int, height: int) -> None:
    """Encode uint8 RGB frames (height, width, 3) at a constant `rate` per second into `path`, atomically."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(unfinished), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"preset": "ultrafast", "crf": "23", "threads": "1", "g": "24"}
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
