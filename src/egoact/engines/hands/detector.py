"""Pictures in, palms out: MediaPipe's palm detector on OpenVINO.

frames uint8 (N, H, W, 3), squeezed or not ─► their true shape, in a black square of 192 x 192 ─► network ─► palms
"""

import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.timelines.hands import LEAST_SCORE, Palm
from egoact.engines.graphs.openvino_graphs import import_openvino
from egoact.engines.hands.anchors import SIZE, palm_anchors
from egoact.engines.hands.detections import decode, suppress
from egoact.engines.hands.model_file import HOW_TO_GET_IT, read_hand_model

_NUM_VALUES = 4 + 2 * 7  # of a row: the box, and seven keypoints
_WRIST, _KNUCKLE = 0, 2  # of the seven keypoints: where the arm begins, and where the middle finger does


class HandDetector:
    """Finds the palms in pictures; not for several threads at once.

    The network sees one picture at a time: its file fixes the batch. As many go through at the same time as OpenVINO
    thinks good for this processor.

    Args:
        model: `.tflite` file or wheel of MediaPipe; None: the installed one.
        min_score: Palms below are left out, 0 to 1.

    Raises:
        ArtifactError: The network is not here, or is another one.

    Source: Zhang et al., MediaPipe Hands: On-device Real-time Hand Tracking, arXiv:2006.10214.
    """

    def __init__(self, model: Path | None = None, *, min_score: float = LEAST_SCORE) -> None:
        self._min_score = min_score
        self._anchors = palm_anchors()
        self._queue, self._outputs = load_detector(
            read_hand_model(model),
            path=model,
            num_anchors=len(self._anchors),
            num_values=_NUM_VALUES,
            how_to_get_it=HOW_TO_GET_IT,
        )

    def run(self, frames: np.ndarray, *, aspect_ratio: float | None = None) -> list[tuple[Palm, ...]]:
        """The palms of each picture, best first.

        Args:
            frames: uint8 (N, H, W, 3) RGB, of any one size.
            aspect_ratio: Width through height of what was recorded, where frames were squeezed into another shape; the
                detector knows hands in their true shape alone. None: as the frames are.

        Raises:
            ValueError: Frames of another type or shape, or no such aspect ratio.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ValueError(f"frames must be uint8 (N, H, W, 3), got {frames.dtype} of shape {frames.shape}")
        aspect = frames.shape[2] / frames.shape[1] if aspect_ratio is None else aspect_ratio
        if not 1 / SIZE < aspect < SIZE:
            raise ValueError(f"a picture {aspect} times as wide as high")
        answers: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * len(frames)
        places = []

        def keep(request: Any, number: int) -> None:  # must not fail: OpenVINO ends the process then
            boxes, scores = (np.array(request.get_output_tensor(i).data[0]) for i in self._outputs)
            answers[number] = boxes, scores[:, 0]

        self._queue.set_callback(keep)
        for number, frame in enumerate(frames):
            square, place = letterbox(frame, aspect_ratio=aspect)
            places.append(place)
            self._queue.start_async([square[None]], number)
        self._queue.wait_all()
        return [self._palms(*answer, place) for answer, place in zip(answers, places, strict=True)]

    def _palms(self, outputs: np.ndarray, logits: np.ndarray, place: tuple[float, ...]) -> tuple[Palm, ...]:
        coordinates, scores = suppress(*decode(outputs, logits, self._anchors), min_score=self._min_score)
        left, top, width, height = place
        points = (coordinates.reshape(len(scores), coordinates.shape[1] // 2, 2) - (left, top)) / (width, height)
        return tuple(_palm(*each) for each in zip(points.tolist(), scores.tolist(), strict=True))


def _palm(points: list[list[float]], score: float) -> Palm:
    (left, top), (right, bottom), *keypoints = points
    wrist, knuckle = (keypoints[number] for number in (_WRIST, _KNUCKLE))
    return Palm((left, top, right, bottom), (wrist[0], wrist[1]), (knuckle[0], knuckle[1]), score)


def letterbox(frame: np.ndarray, *, aspect_ratio: float) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A picture in its true shape, in the middle of a black square.

    Args:
        frame: uint8 (H, W, 3).
        aspect_ratio: Width through height that it should have.

    Returns:
        float32 (192, 192, 3) from 0 to 1, and where the picture is in it: left, top, width, height, as shares.
    """
    width, height = (max(1, round(SIZE * min(1.0, side))) for side in (aspect_ratio, 1 / aspect_ratio))
    left, top = (SIZE - width) // 2, (SIZE - height) // 2
    square = np.zeros((SIZE, SIZE, 3), dtype=np.float32)
    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    np.multiply(resized, np.float32(1 / 255), out=square[top : top + height, left : left + width])
    return square, (left / SIZE, top / SIZE, width / SIZE, height / SIZE)


def load_detector(
    content: bytes, *, path: Path | None, num_anchors: int, num_values: int, how_to_get_it: str
) -> tuple[Any, tuple[int, int]]:
    """Requests of a compiled detector, and the numbers of its outputs with boxes and with scores.

    Args:
        content: The network, as TensorFlow Lite stores it; its input is a picture of 192 x 192.
        path: Where it was read, for messages.
        num_anchors: Rows of its outputs.
        num_values: Numbers of a row: those of the box and of its keypoints.
        how_to_get_it: For messages.

    Raises:
        ArtifactError: A damaged network, or one for something else.
    """
    openvino = import_openvino()
    core = openvino.Core()
    core.set_property({"ENABLE_MMAP": False})  # so that the file can go
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "detector.tflite"
        file.write_bytes(content)
        try:
            network = core.read_model(file)
        except RuntimeError:
            raise ArtifactError(f"a damaged network; {how_to_get_it}", path=path) from None
        shapes = [tuple(output.get_partial_shape().get_max_shape()) for output in network.outputs]
        boxes, scores = (1, num_anchors, num_values), (1, num_anchors, 1)
        inputs = [tuple(each.get_partial_shape().get_max_shape()) for each in network.inputs]
        if inputs != [(1, SIZE, SIZE, 3)] or sorted(shapes) != sorted([boxes, scores]):
            raise ArtifactError(f"a network for something else; {how_to_get_it}", path=path)
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(network, "CPU", options)
    return openvino.AsyncInferQueue(compiled), (shapes.index(boxes), shapes.index(scores))
