"""A pinhole camera in a metric world; knows nothing about pictures or kitchens.

World axes: x to the right, y up, z away from the cook, metres. Camera axes: x right, y down, z forward.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

NEAR_METRES = 0.05


@dataclass(frozen=True)
class Camera:
    """Where an eye is, where it looks, and how it maps metres to pixels.

    Args:
        eye: Position, metres, (x, y, z).
        yaw: Turn to the right, radians.
        pitch: Turn upwards, radians; negative looks down.
        roll: Tilt of the head, radians; positive leans to the right.
        focal: Focal length in pixels.
        width: Picture width in pixels.
        height: Picture height in pixels.
    """

    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    focal: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.focal <= 0 or self.width < 1 or self.height < 1:
            raise ValueError(f"focal, width and height must be positive, got {self.focal}, {self.width}, {self.height}")

    @cached_property
    def rotation(self) -> np.ndarray:
        """World to camera axes, float64, shape (3, 3), rows: right, down, forward."""
        sin_yaw, cos_yaw, sin_pitch, cos_pitch = _sin_cos(self.yaw) + _sin_cos(self.pitch)
        forward = np.array([sin_yaw * cos_pitch, sin_pitch, cos_yaw * cos_pitch])
        right = np.array([cos_yaw, 0.0, -sin_yaw])
        down = np.array([sin_yaw * sin_pitch, -cos_pitch, cos_yaw * sin_pitch])
        sin_roll, cos_roll = _sin_cos(self.roll)
        return np.stack([right * cos_roll + down * sin_roll, down * cos_roll - right * sin_roll, forward])

    @cached_property
    def intrinsics(self) -> np.ndarray:
        """Camera axes to homogeneous pixels, float64, shape (3, 3)."""
        return np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2], [0, 0, 1]])

    @cached_property
    def projection(self) -> np.ndarray:
        """Offsets from the eye to homogeneous pixels, float64, shape (3, 3)."""
        return self.intrinsics @ self.rotation

    @cached_property
    def _eye(self) -> np.ndarray:
        return np.array(self.eye, float)

    @cached_property
    def _middle(self) -> np.ndarray:
        return np.array([self.width / 2, self.height / 2])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in camera axes, same shape."""
        return (np.asarray(points) - self._eye) @ self.rotation.T

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Camera points (..., 3) in world axes, same shape."""
        return np.asarray(points) @ self.rotation + self._eye

    def pixels(self, camera_points: np.ndarray) -> np.ndarray:
        """Camera points (..., 3) in front of the eye, as pixels (..., 2)."""
        points = np.asarray(camera_points)
        scale = self.focal / np.maximum(points[..., 2:], NEAR_METRES)
        return points[..., :2] * scale + self._middle

    def misses(self, camera_points: np.ndarray) -> bool:
        """Whether a convex shape with these corners (N, 3) lies wholly beyond one edge of the view."""
        x, y, z = (camera_points[:, i].tolist() for i in range(3))
        if max(z) <= NEAR_METRES:
            return True
        right, down = self.width / 2 / self.focal, self.height / 2 / self.focal
        return (
            all(a > right * c for a, c in zip(x, z, strict=True))
            or all(a < -right * c for a, c in zip(x, z, strict=True))
            or all(b > down * c for b, c in zip(y, z, strict=True))
            or all(b < -down * c for b, c in zip(y, z, strict=True))
        )

    def homography_to(self, other: "Camera") -> np.ndarray:
        """Pixels of this camera to pixels of another one at the same eye, shape (3, 3)."""
        return other.projection @ np.linalg.inv(self.projection)

    def widened(self, factor: float) -> "Camera":
        """The same view with `factor` times as much around it."""
        return replace(self, width=round(self.width * factor), height=round(self.height * factor))

    def scaled(self, factor: float) -> "Camera":
        """The same view with `factor` times as many pixels each way."""
        wide, tall = round(self.width * factor), round(self.height * factor)
        return replace(self, focal=self.focal * wide / self.width, width=wide, height=tall)


def look_at(eye: tuple[float, float, float], target: tuple[float, float, float]) -> tuple[float, float]:
    """Yaw and pitch, radians, that bring `target` to the middle of the picture."""
    x, y, z = (b - a for a, b in zip(eye, target, strict=True))
    return float(np.arctan2(x, z)), float(np.arctan2(y, np.hypot(x, z)))


def _sin_cos(angle: float) -> tuple[float, float]:
    return float(np.sin(angle)), float(np.cos(angle))
