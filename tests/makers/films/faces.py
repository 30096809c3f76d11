"""A face that moves through a recording, and the network that finds faces, which may be absent."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from egoact.core.errors import ArtifactError
from egoact.engines.faces import FaceDetector
from tests.makers.films.media import write_video

SIZE = (360, 640)
RATE = 15


def needs_face_model() -> FaceDetector:
    """The detector; skips the test where its network is not here, saying how to get it."""
    try:
        return FaceDetector()
    except ArtifactError as error:
        pytest.skip(str(error))


@lru_cache
def portrait() -> np.ndarray:
    """uint8 (180, 180, 3) RGB: the astronaut Eileen Collins; her face is in the middle of the upper half."""
    data = pytest.importorskip("skimage.data", reason="the picture is in scikit-image: pip install 'egoact[test]'")
    return cv2.resize(data.astronaut(), (180, 180), interpolation=cv2.INTER_AREA)


def face_place(number: int, num_frames: int) -> tuple[float, float]:
    """Where the middle of the face is in a picture, as shares of it."""
    left = round((SIZE[1] - 180) * number / num_frames)
    return (left + 0.44 * 180) / SIZE[1], (120 + 0.23 * 180) / SIZE[0]


def write_face_video(path: Path, *, num_frames: int = 30) -> Path:
    """A person who goes from left to right before a patterned wall."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    wall = np.stack([120 + 40 * np.sin(x / 9) * np.cos(y / 7 + k) for k in range(3)], axis=-1).astype(np.uint8)
    images = []
    for number in range(num_frames):
        image = wall.copy()
        left = round((SIZE[1] - 180) * number / num_frames)
        image[120:300, left : left + 180] = portrait()
        images.append(image)
    return write_video(path, images=images, rate=RATE, size=SIZE, with_sound=True)
