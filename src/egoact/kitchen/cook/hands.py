"""Posed hands as height maps with materials; knows nothing about skin or light. Axes as in `skeleton.py`."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from egoact.kitchen.cook.skeleton import FOREARM, KNUCKLES, PALM, Bone, Pose, finger_bones, thumb_bones

PIXELS_PER_HAND = 118
WIDTH_HANDS, ABOVE_HANDS, BELOW_HANDS = 1.35, 1.12, 3.3
SKIN, NAIL, SLEEVE = 0, 1, 2


def pixel_grid() -> tuple[np.ndarray, np.ndarray]:
    """Hand axes x and y of every pixel, float32, (H, W) each."""
    width = round(WIDTH_HANDS * PIXELS_PER_HAND)
    height = round((ABOVE_HANDS + BELOW_HANDS) * PIXELS_PER_HAND)
    x = (np.arange(width) + 0.5) / PIXELS_PER_HAND - WIDTH_HANDS / 2
    y = ABOVE_HANDS - (np.arange(height) + 0.5) / PIXELS_PER_HAND
    return tuple(np.meshgrid(x.astype(np.float32), y.astype(np.float32)))


def _window(bone: Bone, x: np.ndarray, y: np.ndarray, *, swell: float) -> tuple[slice, slice]:
    """The part of the grid that a bone can cover."""
    reach = max(bone.start_radius, bone.stop_radius) + swell + 2 / PIXELS_PER_HAND
    columns = np.searchsorted(
        x[0], [min(bone.start[0], bone.stop[0]) - reach, max(bone.start[0], bone.stop[0]) + reach]
    )
    rows = np.searchsorted(
        -y[:, 0], [-max(bone.start[1], bone.stop[1]) - reach, -min(bone.start[1], bone.stop[1]) + reach]
    )
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def _rise(bone: Bone, x: np.ndarray, y: np.ndarray, *, swell: float = 0.0) -> tuple[np.ndarray, ...]:
    """Height of a bone's front, its coverage, position along it (0..1) and across it (-1..1)."""
    (x0, y0, z0), (x1, y1, z1) = bone.start, bone.stop
    dx, dy = x1 - x0, y1 - y0
    squared = max(dx * dx + dy * dy, 1e-6)
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / squared, 0, 1)
    radius = bone.start_radius + (bone.stop_radius - bone.start_radius) * along + swell
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    coverage = np.clip((radius - distance) * PIXELS_PER_HAND + 0.5, 0, 1)
    height = z0 + (z1 - z0) * along + np.sqrt(np.maximum(radius**2 - distance**2, 0))
    across = ((x - x0) * dy - (y - y0) * dx) / np.sqrt(squared) / radius
    return np.where(coverage > 0, height, -9.0), coverage, along, across


@dataclass(frozen=True)
class HandShape:
    """A posed hand's height map.

    Args:
        coverage: Float, (H, W), 0..1.
        normals: Float, (H, W, 3).
        material: int, (H, W): SKIN, NAIL or SLEEVE.
        redness: Float, (H, W): joints and finger tips are redder.
        crease: Float, (H, W): 1 in the open, less between fingers.
    """

    coverage: np.ndarray
    normals: np.ndarray
    material: np.ndarray
    redness: np.ndarray
    crease: np.ndarray


@cache
def hand_shape(pose: Pose, *, cuff: float, only_thumb: bool = False) -> HandShape:
    """The height map of a right hand with its forearm; `cuff` is where the sleeve ends, in hand lengths."""
    x, y = pixel_grid()
    height, coverage = np.full_like(x, -9.0), np.zeros_like(x)
    material, redness = np.zeros(x.shape, np.int8), np.zeros_like(x)
    bones = [b for name in KNUCKLES for b in finger_bones(name, pose)]
    layers = [*([] if only_thumb else [FOREARM, *PALM, *bones]), *thumb_bones(pose)]
    for bone in layers:
        where = _window(bone, x, y, swell=0.0)
        rise, cover, along, across = _rise(bone, x[where], y[where])
        height[where] = _smooth_max(height[where], rise, 0.05 if bone in PALM else 0.012)
        coverage[where] = np.maximum(coverage[where], cover)
        near = (rise >= height[where] - 0.03) & (cover > 0)
        if bone is not FOREARM and bone not in PALM:
            red = 0.55 * np.exp(-((along / 0.22) ** 2)) + 0.4 * bone.is_tip * along
            redness[where] = np.where(near, red, redness[where])
        if bone.is_tip:
            nail = near & (along > 0.5) & (((along - 0.82) / 0.34) ** 2 + (across / 0.62) ** 2 < 1)
            material[where] = np.where(nail, NAIL, np.where(near, SKIN, material[where]))
    if not only_thumb:
        height, coverage, material = _dress(height, coverage, material, x, y, cuff)
    gradient_y, gradient_x = np.gradient(np.maximum(cv2.GaussianBlur(height, (0, 0), 0.8), -0.3), 1 / PIXELS_PER_HAND)
    normals = np.stack([-gradient_x, gradient_y, np.ones_like(x)], axis=-1).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    open_height = cv2.GaussianBlur(np.maximum(height, -0.25), (0, 0), 5)
    crease = np.clip(1 - np.maximum(open_height - height, 0) * 5, 0.45, 1)
    return HandShape(coverage, normals, material, redness, crease)


def _dress(
    height: np.ndarray, coverage: np.ndarray, material: np.ndarray, x: np.ndarray, y: np.ndarray, cuff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    folds = 0.018 * np.sin(y * 9 + 2.5 * np.sin(x * 4)) + 0.012 * np.sin(y * 23 + x * 11)
    rise, cover, _, _ = _rise(FOREARM, x, y, swell=0.055)
    edge = np.clip((-cuff - y + 0.03 * x**2) * PIXELS_PER_HAND, 0, 1)
    hem = 0.02 * (y > -cuff - 0.09)
    worn = edge > 0.5
    height = np.where(worn & (cover > 0), rise + folds * (y < -cuff - 0.12) + hem, height)
    coverage = np.maximum(coverage * (1 - edge), cover * edge)
    return height, coverage, np.where(worn & (cover > 0), SLEEVE, material)


def _smooth_max(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    overlap = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return first + (second - first) * overlap + width * overlap * (1 - overlap)
