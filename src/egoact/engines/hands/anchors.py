"""Anchors of a single-shot detector: the places in a picture that each row of its output is about.

Source: SSD, arXiv:1512.02325, section 2.2; `mediapipe/modules/palm_detection/palm_detection_cpu.pbtxt` (its numbers).
"""

import numpy as np

SIZE = 192  # pixels a side of the network's input
_GRIDS = ((8, 2), (16, 6))  # stride in pixels, anchors at each place: three layers of stride 16 have two each


def palm_anchors() -> np.ndarray:
    """Centres of the palm detector's anchors, as shares of its input: float32 (2016, 2), x before y.

    Row by row and from left to right, all anchors of a place in a row. All are squares as large as the picture
    ("fixed anchor size"), so that the centre is all there is to them.

        24 x 24 places x 2 + 12 x 12 places x 6 = 2016

    >>> palm_anchors().shape, palm_anchors()[[0, 2, 48, 1152]].tolist()[0]
    ((2016, 2), [0.02083333395421505, 0.02083333395421505])
    """
    parts = []
    for stride, num_each in _GRIDS:
        middles = (np.arange(SIZE // stride) + 0.5) * stride / SIZE
        y, x = np.meshgrid(middles, middles, indexing="ij")
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), num_each, axis=0))
    return np.concatenate(parts).astype(np.float32)
