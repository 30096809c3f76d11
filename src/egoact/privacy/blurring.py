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


def write_masked(recording: Path, path: Path, masks: Masks, *, advance: Callable[[int], None] = lambda _: None) -> None:
    """Write a recording without what is masked, as H.264 in MP4, atomically; or a `MediaError`.

    Hidden stretches stay, black and silent, so that labels of the recording fit. Times of masks count from the first
    picture; `advance` is called with seconds as they are done.
    """
    track = find_sound(recording)
    rate = track.form.rate

    def blocks() -> Iterator[np.ndarray]:
        position = 0
        for block in read_sound(track):
            yield _silence(block, masks, first=position, rate=rate)
            advance((position + len(block)) // rate - position // rate)
            position += len(block)

    encoding = PictureEncoding((), edit=lambda picture, seconds: mask_picture(picture, masks, seconds))
    write_sound(path, blocks(), track, comment="egoact: faces blurred", encoding=encoding)


def mask_picture(picture: np.ndarray, masks: Masks, seconds: float) -> np.ndarray:
    """uint8 (H, W, 3), with masked places blurred; black where nothing is to be seen."""
    if masks.is_hidden(seconds):
        return np.zeros_like(picture)
    boxes = masks.boxes(seconds)
    masked = picture.copy() if boxes else picture
    for box in boxes:
        _blur(masked, box)
    return masked


def _blur(picture: np.ndarray, box: Box) -> None:
    """In place: an ellipse of a few soft colours."""
    height, width = picture.shape[:2]
    left, top = int(box[0] * width), int(box[1] * height)
    right, bottom = int(np.ceil(box[2] * width)) + 1, int(np.ceil(box[3] * height)) + 1
    place = picture[top:bottom, left:right]
    if not place.size:
        return
    rows, columns = place.shape[:2]
    coarse = cv2.resize(place, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR)
    inside = np.zeros((rows, columns), dtype=np.uint8)
    cv2.ellipse(inside, (columns // 2, rows // 2), (columns // 2 + 1, rows // 2 + 1), 0, 0, 360, 1, -1)
    place[inside > 0] = soft[inside > 0]


def _silence(block: np.ndarray, masks: Masks, *, first: int, rate: int) -> np.ndarray:
    """Samples (N, C) from number `first` on, 0 where nothing is to be heard."""
    silent = block.copy() if masks.hidden else block
    for start, stop in masks.hidden:
        begin, end = (int(seconds * rate) - first for seconds in (start, stop))
        silent[max(begin, 0) : max(end, 0)] = 0
    return silent
