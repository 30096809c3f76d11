"""A recording anew, with everything masked: pictures encoded again, sound as it was, times unchanged."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from egoact.media.sound.reader import find_sound, read_sound
from egoact.media.sound.writer import PictureEncoding, write_sound
from egoact.privacy.masks import Box, Masks

_CELLS = 5
"""A masked place keeps as many colours across and down: what is blurred more finely, a network can sharpen again."""
_COMMENT = "egoact: faces blurred"


def write_masked(recording: Path, path: Path, masks: Masks, *, advance: Callable[[int], None] = lambda _: None) -> None:
    """Write a recording without what is masked, as H.264 in MP4, atomically.

    Hidden stretches stay, black and silent, so that labels of the recording fit.

    Args:
        recording: Video file.
        path: File to write, `.mp4`.
        masks: What nobody shall see; times count from the first picture.
        advance: Called with seconds as they are done.

    Raises:
        MediaError: The recording cannot be read, or the file cannot be written.
    """
    track = find_sound(recording)

    def blocks() -> Iterator[np.ndarray]:
        position, told = 0, 0
        for block in read_sound(track):
            yield _silence(block, masks, first=position, rate=track.form.rate)
            position += len(block)
            advance(position // track.form.rate - told)
            told = position // track.form.rate

    write_sound(
        path,
        blocks(),
        track,
        comment=_COMMENT,
        encoding=PictureEncoding((), edit=lambda picture, seconds: mask_picture(picture, masks, seconds)),
    )


def mask_picture(picture: np.ndarray, masks: Masks, seconds: float) -> np.ndarray:
    """uint8 (H, W, 3), with masked places blurred; black where nothing is to be seen."""
    if masks.is_hidden(seconds):
        return np.zeros_like(picture)
    boxes = masks.boxes(seconds)
    if not boxes:
        return picture
    masked = picture.copy()
    for box in boxes:
        _blur(masked, box)
    return masked


def _blur(picture: np.ndarray, box: Box) -> None:
    """In place: an ellipse of a few soft colours."""
    height, width = picture.shape[:2]
    left, top = int(box[0] * width), int(box[1] * height)
    right, bottom = (min(int(np.ceil(s * n)) + 1, n) for s, n in zip(box[2:], (width, height), strict=True))
    place = picture[top:bottom, left:right]
    if not place.size:
        return
    coarse = cv2.resize(place, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(coarse, place.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    inside = np.zeros(place.shape[:2], dtype=np.uint8)
    rows, columns = place.shape[:2]
    cv2.ellipse(inside, (columns // 2, rows // 2), (columns // 2 + 1, rows // 2 + 1), 0, 0, 360, 1, -1)
    place[inside > 0] = soft[inside > 0]


def _silence(block: np.ndarray, masks: Masks, *, first: int, rate: int) -> np.ndarray:
    """Samples (N, C) from number `first` on, 0 where nothing is to be heard."""
    if not masks.hidden:
        return block
    silent = block.copy()
    for start, stop in masks.hidden:
        begin, end = (int(seconds * rate) - first for seconds in (start, stop))
        silent[max(begin, 0) : max(end, 0)] = 0
    return silent
