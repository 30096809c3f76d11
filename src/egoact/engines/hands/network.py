"""MediaPipe's detectors on OpenVINO: their files, which are read and never imported, and what they find in squares."""

import importlib.util
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.core.errors import ArtifactError
from egoact.engines.graphs.openvino_graphs import import_openvino, openvino_core
from egoact.engines.hands.detections import SIZE, decode, grid_anchors, suppress

Place = tuple[float, float, float, float]  # of a picture in a square: left, top, width, height, as shares


@dataclass(frozen=True)
class NetworkFile:
    """One of MediaPipe's networks: where it lies in the wheel, what it finds, and the flag that gives it."""

    inside: str
    what: str
    detector: str
    flag: str

    @property
    def how_to_get_it(self) -> str:
        """For messages."""
        brings = f"`pip install --no-deps mediapipe==0.10.21` brings the {self.detector} detector"
        return f"{brings} (it is read and never imported), or give its file with {self.flag}"

    def read(self, path: Path | None = None) -> bytes:
        """The network of a `.tflite` file or a wheel of MediaPipe, as TensorFlow Lite stores it; None: the installed.

        An `ArtifactError` says how to get what is not there, or something else.
        """
        path = self._installed() if path is None else path
        try:
            content = self._from_wheel(path) if path.suffix == ".whl" else path.read_bytes()
        except OSError as error:
            raise ArtifactError(f"cannot be read ({error.strerror}); {self.how_to_get_it}", path=path) from None
        if content[4:8] != b"TFL3":
            raise ArtifactError(f"not a TensorFlow Lite network; {self.how_to_get_it}", path=path)
        return content

    def _installed(self) -> Path:
        spec = _find_spec()
        for folder in () if spec is None else spec.submodule_search_locations or ():
            path = Path(folder) / self.inside
            if path.is_file():
                return path
        missing = "MediaPipe is not installed" if spec is None else "the installed MediaPipe has no such file"
        raise ArtifactError(f"the network that finds {self.what} is not here: {missing}; {self.how_to_get_it}")

    def _from_wheel(self, path: Path) -> bytes:
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(f"mediapipe/{self.inside}")
        except (zipfile.BadZipFile, KeyError):
            reason = f"no wheel of MediaPipe with {self.inside} inside; {self.how_to_get_it}"
            raise ArtifactError(reason, path=path) from None


def _find_spec() -> ModuleSpec | None:
    """Where MediaPipe is, without running any of it."""
    return importlib.util.find_spec("mediapipe")


class SquareDetector:
    """A network that sees 192 x 192 pixels; not for several threads at once.

    It sees one picture at a time: its file fixes the batch. As many go through at the same time as OpenVINO thinks good
    for this processor. `grids` are those of its anchors; an `ArtifactError` for what is not here, damaged, or another
    one.
    """

    def __init__(
        self,
        file: NetworkFile,
        path: Path | None,
        *,
        grids: Sequence[tuple[int, int]],
        num_keypoints: int,
        min_score: float,
    ) -> None:
        self._anchors, self._min_score = grid_anchors(grids), min_score
        openvino = import_openvino()
        core = openvino_core()
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "detector.tflite"
            copy.write_bytes(file.read(path))
            try:
                network = core.read_model(copy, config={"ENABLE_MMAP": False})  # so that the file can go
            except RuntimeError:
                raise ArtifactError(f"a damaged network; {file.how_to_get_it}", path=path) from None
            given, shapes = (
                [tuple(each.get_partial_shape().get_max_shape()) for each in side]
                for side in (network.inputs, network.outputs)
            )
            boxes, scores = (1, len(self._anchors), 4 + 2 * num_keypoints), (1, len(self._anchors), 1)
            if given != [(1, SIZE, SIZE, 3)] or sorted(shapes) != sorted([boxes, scores]):
                raise ArtifactError(f"a network for something else; {file.how_to_get_it}", path=path)
            options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
            compiled = core.compile_model(network, "CPU", options)
        self._queue = openvino.AsyncInferQueue(compiled)
        self._outputs = shapes.index(boxes), shapes.index(scores)

    def find(self, squares: Iterable[tuple[np.ndarray, Place]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """What is in pictures of `letterbox`, best first.

        Of each picture x and y of left and top, right and bottom, and each keypoint, (N, 2 + K, 2), as shares, and
        scores (N,).
        """
        answers: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        places = []

        def keep(request: Any, number: int) -> None:  # must not fail: OpenVINO ends the process then
            boxes, scores = (np.array(request.get_output_tensor(i).data[0]) for i in self._outputs)
            answers[number] = boxes, scores[:, 0]

        self._queue.set_callback(keep)
        try:
            for number, (square, place) in enumerate(squares):
                places.append(place)
                self._queue.start_async([square[None]], number)
        finally:  # its threads call `keep`: the process would abort where Python ended meanwhile, as after Ctrl-C
            self._queue.wait_all()
        found = []
        for number, (left, top, width, height) in enumerate(places):
            coordinates, scores = suppress(*decode(*answers[number], self._anchors), min_score=self._min_score)
            points = coordinates.reshape(len(scores), coordinates.shape[1] // 2, 2)
            found.append(((points - (left, top)) / (width, height), scores))
        return found


def letterbox(frame: np.ndarray, *, aspect_ratio: float) -> tuple[np.ndarray, Place]:
    """A picture, uint8 (H, W, 3), in a true shape `aspect_ratio` times as wide as high, amid a black square.

    Gives float32 (192, 192, 3) from 0 to 1, and where the picture is in it.
    """
    width, height = (max(1, round(SIZE * min(1.0, side))) for side in (aspect_ratio, 1 / aspect_ratio))
    left, top = (SIZE - width) // 2, (SIZE - height) // 2
    square = np.zeros((SIZE, SIZE, 3), dtype=np.float32)
    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    np.multiply(resized, np.float32(1 / 255), out=square[top : top + height, left : left + width])
    return square, (left / SIZE, top / SIZE, width / SIZE, height / SIZE)
