"""Pictures in, palms out: MediaPipe's palm detector on OpenVINO.

frames uint8 (N, H, W, 3), squeezed or not ─► their true shape, in a black square of 192 x 192 ─► network ─► palms
"""

from pathlib import Path

import numpy as np

from egoact.core.timelines.hands import LEAST_SCORE, Palm
from egoact.engines.hands.detections import SIZE
from egoact.engines.hands.network import NetworkFile, SquareDetector, letterbox

PALMS = NetworkFile("modules/palm_detection/palm_detection_lite.tflite", "hands", "palm", "--hand-model")
GRIDS = ((8, 2), (16, 6))  # of `palm_detection_cpu.pbtxt`: three layers of stride 16 have two anchors each
_NUM_KEYPOINTS = 7
_WRIST, _KNUCKLE = 0, 2  # where the arm begins, and where the middle finger does


class HandDetector:
    """Finds the palms in pictures, where they are at least as sure as `min_score`; not for several threads at once.

    `model` is a `.tflite` file or wheel of MediaPipe; None: the installed one. An `ArtifactError` where it is not here.

    Source: Zhang et al., MediaPipe Hands: On-device Real-time Hand Tracking, arXiv:2006.10214.
    """

    def __init__(self, model: Path | None = None, *, min_score: float = LEAST_SCORE) -> None:
        self._network = SquareDetector(PALMS, model, grids=GRIDS, num_keypoints=_NUM_KEYPOINTS, min_score=min_score)

    def run(self, frames: np.ndarray, *, aspect_ratio: float | None = None) -> list[tuple[Palm, ...]]:
        """The palms of each picture, best first.

        Args:
            frames: uint8 (N, H, W, 3) RGB, of any one size, or a `ValueError`.
            aspect_ratio: Width through height of what was recorded, where frames were squeezed into another shape; the
                detector knows hands in their true shape alone. None: as the frames are.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ValueError(f"frames must be uint8 (N, H, W, 3), got {frames.dtype} of shape {frames.shape}")
        aspect = frames.shape[2] / frames.shape[1] if aspect_ratio is None else aspect_ratio
        if not 1 / SIZE < aspect < SIZE:
            raise ValueError(f"a picture {aspect} times as wide as high")
        found = self._network.find(letterbox(frame, aspect_ratio=aspect) for frame in frames)
        return [tuple(map(_palm, points.tolist(), scores.tolist())) for points, scores in found]


def _palm(points: list[list[float]], score: float) -> Palm:
    (left, top), (right, bottom), *keypoints = points
    wrist, knuckle = (keypoints[number] for number in (_WRIST, _KNUCKLE))
    return Palm((left, top, right, bottom), (wrist[0], wrist[1]), (knuckle[0], knuckle[1]), score)
