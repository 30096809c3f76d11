"""Pictures in, faces out: MediaPipe's full-range face detector on OpenVINO.

The network sees 192 x 192 pixels, in which a face across the room is a dot. So it looks at the whole picture, and then
at square parts of it that overlap by a third at least, six tenths as wide as the picture's shorter side.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.engines.hands.anchors import SIZE
from egoact.engines.hands.detections import decode, overlap, suppress
from egoact.engines.hands.detector import letterbox, load_detector
from egoact.engines.hands.model_file import read_network

HOW_TO_GET_IT = (
    "`pip install --no-deps mediapipe==0.10.21` brings the face detector (it is read and never imported), "
    "or give its file with --face-model"
)
LEAST_SCORE = 0.3
_INSIDE = "modules/face_detection/face_detection_full_range_sparse.tflite"
_NUM_KEYPOINTS = 6
_STRIDE = 4
_PART = 0.6  # of the shorter side
_MOST_ASPECT = 4.0
_SAME = 0.3  # overlap of two boxes of one face


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture.

    Args:
        box: Left, top, right, bottom, as shares of the picture.
        score: How sure the detector is, 0 to 1.
    """

    box: tuple[float, float, float, float]
    score: float


class FaceDetector:
    """Finds faces; not for several threads at once.

    Args:
        model: `.tflite` file or wheel of MediaPipe; None: the installed one.
        min_score: Faces below are left out, 0 to 1.

    Raises:
        ArtifactError: The network is not here, or is another one.

    Source: Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv:1907.05047.
    """

    def __init__(self, model: Path | None = None, *, min_score: float = LEAST_SCORE) -> None:
        self._min_score = min_score
        self._anchors = face_anchors()
        content = read_network(model, inside=_INSIDE, what="faces", how_to_get_it=HOW_TO_GET_IT)
        self._queue, self._outputs = load_detector(
            content,
            path=model,
            num_anchors=len(self._anchors),
            num_values=4 + 2 * _NUM_KEYPOINTS,
            how_to_get_it=HOW_TO_GET_IT,
        )

    def run(self, frame: np.ndarray) -> tuple[Face, ...]:
        """The faces of a picture, best first.

        Args:
            frame: uint8 (H, W, 3) RGB, in its true shape.

        Raises:
            ValueError: A frame of another type or shape, or many times as wide as high.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(f"a frame must be uint8 (H, W, 3), got {frame.dtype} of shape {frame.shape}")
        height, width = frame.shape[:2]
        if not 1 / _MOST_ASPECT <= width / height <= _MOST_ASPECT:
            raise ValueError(f"a picture of {width} x {height} is of no shape that faces are found in")
        parts = list(picture_parts(height, width))
        answers: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * len(parts)
        places = []

        def keep(request: Any, number: int) -> None:  # must not fail: OpenVINO ends the process then
            boxes, scores = (np.array(request.get_output_tensor(i).data[0]) for i in self._outputs)
            answers[number] = boxes, scores[:, 0]

        self._queue.set_callback(keep)
        for number, (top, left, bottom, right) in enumerate(parts):
            square, place = letterbox(frame[top:bottom, left:right], aspect_ratio=(right - left) / (bottom - top))
            places.append(place)
            self._queue.start_async([2 * square[None] - 1], number)  # from -1 to 1, unlike palms
        self._queue.wait_all()
        found = [
            face
            for part, place, answer in zip(parts, places, answers, strict=True)
            for face in self._faces(*answer, place, part, (height, width))
        ]
        return _unite(found)

    def _faces(
        self,
        outputs: np.ndarray,
        logits: np.ndarray,
        place: tuple[float, ...],
        part: tuple[int, int, int, int],
        size: tuple[int, int],
    ) -> Iterator[Face]:
        coordinates, scores = suppress(*decode(outputs, logits, self._anchors), min_score=self._min_score)
        (left, top, width, height), (first_row, first_column, last_row, last_column) = place, part
        for row, score in zip(coordinates[:, :4].reshape(-1, 2, 2), scores.tolist(), strict=True):
            points = (row - (left, top)) / (width, height) * (last_column - first_column, last_row - first_row)
            shares = (points + (first_column, first_row)) / (size[1], size[0])
            (x0, y0), (x1, y1) = np.clip(shares, 0.0, 1.0).tolist()
            if x1 > x0 and y1 > y0:
                yield Face((x0, y0, x1, y1), score)


def face_anchors() -> np.ndarray:
    """Centres of the anchors, as shares of the input: float32 (2304, 2), one at each of 48 x 48 places.

    >>> face_anchors().shape, face_anchors()[1].round(4).tolist()
    ((2304, 2), [0.03130000084638596, 0.010400000028312206])
    """
    middles = (np.arange(SIZE // _STRIDE) + 0.5) * _STRIDE / SIZE
    y, x = np.meshgrid(middles, middles, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


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
    left = sorted(faces, key=lambda face: -face.score)
    united = []
    while left:
        boxes = np.array([face.box for face in left])
        is_same = overlap(boxes[0], boxes) > _SAME
        is_same[0] = True
        low, high = boxes[is_same, :2].min(axis=0), boxes[is_same, 2:].max(axis=0)
        united.append(Face((float(low[0]), float(low[1]), float(high[0]), float(high[1])), left[0].score))
        left = [face for face, same in zip(left, is_same, strict=True) if not same]
    return tuple(united)
