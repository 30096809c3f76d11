"""The camera's own motion in a field of flow, and what is left without it.

It is an affine field, u = a + b x + c y and v = d + e x + f y with x and y from -1 to 1 over the picture, which most of
the points follow: iteratively reweighted least squares with Cauchy weights (Holland and Welsch 1977), begun at the
median. Parts that move by themselves, such as hands, hardly count in it, and are what is left.

Shapes: B pairs of pictures, H x W pixels, P points.
"""

import cv2
import numpy as np
import numpy.typing as npt

NUM_CAMERA_NUMBERS = 6
_REDUCED = (32, 48)  # rows and columns of points that the field is fitted to
_ROUNDS = 4
_SMALLEST_SCALE = 1e-3  # pixels
_CAUCHY = 1.5  # of the median residual: beyond it a point has less than half of its weight

Floats = npt.NDArray[np.float32]


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

    Args:
        points: Motion (B, P, 2), x and y, of P = height * width points row by row.
        height: Rows of points.
        width: Columns of points.

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
    return field.swapaxes(1, 2).reshape(-1, NUM_CAMERA_NUMBERS).astype(np.float32), left.astype(np.float32)


def _terms(height: int, width: int) -> npt.NDArray[np.float64]:
    """What a field is a sum of, (P, 3): 1, x and y."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = ((np.ravel(n) + 0.5) / size * 2 - 1 for n, size in ((x, width), (y, height)))
    return np.stack([np.ones(height * width), across, down], axis=1)
