"""Pictures in, faces out: MediaPipe's full-range face detector on OpenVINO.

The network sees 192 x 192 pixels, in which a face across the room is a dot. So it looks at the whole picture, and then
at square parts of it that overlap by a third at least, six tenths as wide as the picture's shorter side.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.engines.hands.detections import group_overlapping
from egoact.engines.hands.network import NetworkFile, SquareDetector, letterbox

FACES = NetworkFile("modules/face_detection/face_detection_full_range_sparse.tflite", "faces", "face", "--face-model")
LEAST_SCORE = 0.3
GRIDS = ((4, 1),)
_NUM_KEYPOINTS = 6
_PART = 0.6  # of the shorter side
_MOST_ASPECT = 4.0
_SAME = 0.3  # overlap of two boxes of one face


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture: left, top, right, bottom, as shares, and how sure the detector is, 0 to 1."""

    box: tuple[float, float, float, float]
    score: float


class FaceDetector:
    """Finds faces, where they are at least as sure as `min_score`; not for several threads at once.

    `model` is a `.tflite` file or wheel of MediaPipe; None: the installed one. An `ArtifactError` where it is not here.

    Source: Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv:1907.05047.
    """

    def __init__(self, model: Path | None = None, *, min_score: float = LEAST_SCORE) -> None:
        self._network = SquareDetector(FACES, model, grids=GRIDS, num_keypoints=_NUM_KEYPOINTS, min_score=min_score)

    def run(self, frame: np.ndarray) -> tuple[Face, ...]:
        """The faces of a picture, uint8 (H, W, 3) RGB, in its true shape, best first.

        A `ValueError` for a frame of another type or shape, or many times as wide as high.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 (H, W, 3), got {frame.dtype} of shape {frame.shape}")
        height, width = frame.shape[:2]
        if not 1 / _MOST_ASPECT <= width / height <= _MOST_ASPECT:
            raise ValueError(f"a picture of {width} x {height} is of no shape that faces are found in")
        parts, squares, found = list(picture_parts(height, width)), [], []
        for top, left, bottom, right in parts:
            square, place = letterbox(frame[top:bottom, left:right], aspect_ratio=(right - left) / (bottom - top))
            squares.append((2 * square - 1, place))  # from -1 to 1, unlike palms
        for (top, left, bottom, right), (points, scores) in zip(parts, self._network.find(squares), strict=True):
            corners = points[:, :2] * (right - left, bottom - top) + (left, top)
            for box, score in zip(np.clip(corners / (width, height), 0.0, 1.0).tolist(), scores.tolist(), strict=True):
                (x0, y0), (x1, y1) = box
                if x1 > x0 and y1 > y0:
                    found.append(Face((x0, y0, x1, y1), score))
        return _unite(found)


def picture_parts(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """The whole picture, and squares in it that overlap: top, left, bottom, right.

    >>> list(picture_parts(100, 160))[:2], len(list(picture_parts(100, 160)))
    ([(0, 0, 100, 160), (0, 0, 60, 60)], 11)
    """
    yield 0, 0, height, width
    side = max(round(_PART * min(height, width)), 1)
    for top in _places(height, side):
        for left in _places(width, side):
            yield top, left, top + side, left + side


def _places(length: int, side: int) -> list[int]:
    """Where parts begin, so that they cover all, and overlap by at least a third."""
    number = max(int(np.ceil((length - side) / (side * 2 / 3))), 1) + 1 if length > side else 1
    return [round(place) for place in np.linspace(0, length - side, number)]


def _unite(faces: list[Face]) -> tuple[Face, ...]:
    """Each face once: the best box, widened to what the others say of it."""
    boxes, scores = np.array([face.box for face in faces]).reshape(-1, 4), np.array([face.score for face in faces])
    united = []
    for same in group_overlapping(boxes, scores, max_overlap=_SAME):
        left, top = boxes[same, :2].min(axis=0).tolist()
        right, bottom = boxes[same, 2:].max(axis=0).tolist()
        united.append(Face((left, top, right, bottom), faces[same[0]].score))
    return tuple(united)
