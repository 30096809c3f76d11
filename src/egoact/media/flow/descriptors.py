"""What moves between two pictures, and where, as a short row of numbers; knows nothing about recordings or networks.

    earlier ──┐ grey, 128 x 128                          ┌──► camera's motion (affine)
              ├──────────► dense flow ──► 32 x 48 ───────┤
    current ──┘                                          └──► what is left ──► 4 x 6 cells ──► five numbers each

The camera's motion is an affine field, u = a + b x + c y and v = d + e x + f y with x and y from -1 to 1 over the
picture, which most of the points follow: iteratively reweighted least squares with Cauchy weights (Holland and Welsch
1977), begun at the median. Parts that move by themselves, such as hands, hardly count in it, and are what is left.

Shapes: B pairs of pictures, H x W pixels, P points of the reduced flow.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

METHOD_NAME = "dis-motion"
CELLS = (4, 6)  # rows and columns
NUM_NUMBERS = CELLS[0] * CELLS[1] * 5 + 6 + 5  # of cells, of the camera, of the whole picture
_SIDE = 128  # pixels, of the pictures that flow is computed of
_REDUCED = (32, 48)  # rows and columns of flow that are described, and that the camera's motion is fitted to
_ROUNDS = 4
_SMALLEST_SCALE = 1e-3  # pixels
_CAUCHY = 1.5  # of the median residual: beyond it a point has less than half of its weight

Floats = npt.NDArray[np.float32]


class MotionDescriptor:
    """Compact descriptors of motion, with the camera's own taken off; each thread needs its own.

    The flow is dense inverse search (DIS, Kroeger et al. 2016, arXiv:1603.03590; fast preset).

    A row of `NUM_NUMBERS`, in picture sizes a second (widths for u and x, heights for v and y), so that neither the
    size of pictures nor the time between them matters:

        0   ... 23    mean u of what is left in each cell, row by row from the top left
        24  ... 47    mean v
        48  ... 71    mean length
        72  ... 95    standard deviation of the length
        96  ... 119   90th percentile of the length
        120 ... 125   camera: a, b, c, d, e, f
        126 ... 130   of the whole picture: mean length with the camera's motion; without it mean, standard deviation,
                      95th and 75th percentile
    """

    def __init__(self) -> None:
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, current: np.ndarray, earlier: np.ndarray, *, lag_seconds: float) -> Floats:
        """Describe pairs of pictures, uint8 (B, H, W, 3) RGB: float32 (B, `NUM_NUMBERS`).

        Raises:
            ValueError: Pictures of different shapes, or no time between them.
        """
        if current.shape != earlier.shape or current.dtype != np.uint8 or earlier.dtype != np.uint8:
            given = f"{current.dtype} {current.shape} and {earlier.dtype} {earlier.shape}"
            raise ValueError(f"motion is between uint8 pictures of one shape, got {given}")
        if not lag_seconds > 0:
            raise ValueError(f"motion takes time, got {lag_seconds} s between two pictures")
        flow = np.empty((len(current), *_REDUCED, 2), np.float32)
        for row, pair in enumerate(zip(earlier, current, strict=True)):
            full = self._flow.calc(*(_to_grey(picture) for picture in pair), None)
            flow[row] = cv2.resize(full, _REDUCED[::-1], interpolation=cv2.INTER_AREA)
        return describe_flow(flow) / np.float32(_SIDE * lag_seconds)


def describe_flow(flow: Floats) -> Floats:
    """The numbers of `MotionDescriptor` for float32 (B, rows, columns, 2) of flow, x and y, in the flow's own unit."""
    num, height, width = flow.shape[:3]
    points = flow.reshape(num, height * width, 2)
    camera, left = split_camera_motion(points, height=height, width=width)
    lengths = np.hypot(left[..., 0], left[..., 1])
    u, v, by_cell = (_by_cell(values, height, width) for values in (left[..., 0], left[..., 1], lengths))
    high = np.percentile(lengths, (95, 75), axis=1)
    whole = [np.hypot(points[..., 0], points[..., 1]).mean(1), lengths.mean(1), lengths.std(1), *high]
    cells = [u.mean(2), v.mean(2), by_cell.mean(2), by_cell.std(2), np.percentile(by_cell, 90, axis=2)]
    return np.concatenate([*cells, camera, np.stack(whole, axis=1)], axis=1).astype(np.float32)


def remove_camera_motion(flow: Floats) -> Floats:
    """Dense flow without the camera's own, float32 (H, W, 2), x and y, in the flow's own unit."""
    height, width = flow.shape[:2]
    rows, columns = min(_REDUCED[0], height), min(_REDUCED[1], width)
    reduced = cv2.resize(flow, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    camera, _ = split_camera_motion(reduced.reshape(1, rows * columns, 2), height=rows, width=columns)
    field = _terms(height, width) @ camera.reshape(2, 3).T
    return (flow - field.reshape(flow.shape)).astype(np.float32)


def split_camera_motion(points: Floats, *, height: int, width: int) -> tuple[Floats, Floats]:
    """What most points do, and what each does besides.

    `points`, (B, P, 2), are the motion, x and y, of P = height * width points row by row.

    Returns:
        The affine field (B, 6), a to f, and what is left, (B, P, 2).
    """
    terms = _terms(height, width)
    left = points - np.median(points, axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        residuals = np.hypot(left[..., 0], left[..., 1])
        scale = _CAUCHY * (np.median(residuals, axis=1, keepdims=True) + _SMALLEST_SCALE)
        weighted = terms / (1 + (residuals / scale) ** 2)[..., None]
        normal = weighted.swapaxes(1, 2) @ terms + 1e-6 * np.eye(3)
        field = np.linalg.solve(normal, weighted.swapaxes(1, 2) @ points)  # (B, 3, 2)
        left = points - terms @ field
    return field.swapaxes(1, 2).reshape(-1, 6).astype(np.float32), left.astype(np.float32)  # pyrefly: ignore[unbound-name]


def _terms(height: int, width: int) -> npt.NDArray[np.float64]:
    """What a field is a sum of, (P, 3): 1, x and y."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = ((np.ravel(n) + 0.5) / size * 2 - 1 for n, size in ((x, width), (y, height)))
    return np.stack([np.ones(height * width), across, down], axis=1)


def _by_cell(values: Floats, height: int, width: int) -> Floats:
    """(B, P) -> (B, cells, points of each)."""
    rows, columns = CELLS
    parts = values.reshape(-1, rows, height // rows, columns, width // columns)
    return parts.transpose(0, 1, 3, 2, 4).reshape(len(values), rows * columns, -1)


def _to_grey(picture: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
