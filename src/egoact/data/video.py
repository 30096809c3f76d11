"""Frames of a video file at given times, by its timestamps.

Time 0 is the first picture. Nothing that was not recorded is ever shown: a picture that is damaged, or that
refers to one that is, is an error at its times.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from egoact.data.video_file import VideoFile
from egoact.data.video_passes import Answer, Manner, OutputPass, PlannedPass, UnsuitableError


def read_video_frames(
    path: Path, times: np.ndarray, *, size: tuple[int, int] | None, num_threads: int = 0
) -> Iterator[Answer]:
    """As `media.read_frames`, for a video file.

    Raises:
        MediaError: The file is no video, or has no picture.
    """
    manner, done = Manner(num_threads), 0
    while True:
        kind = OutputPass if manner.by_output else PlannedPass
        try:
            with VideoFile(path) as file:
                for positions, answer in kind(file, times[done:], size, manner).answers():
                    start, done = done, done + positions.stop - positions.start
                    yield slice(start, done), answer
            return
        except UnsuitableError as error:
            manner = error.better
