"""Axis-aligned panels by the side that is painted; `y0 < y1`, `x0 < x1`, `z0 < z1`, metres."""

import cv2
import numpy as np

from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Panel, blend


def facing(x: tuple[float, float], y: tuple[float, float], z: float, texture: np.ndarray) -> Panel:
    """An upright panel painted towards the cook."""
    return Panel((x[0], y[1], z), (x[1] - x[0], 0, 0), (0, y[0] - y[1], 0), texture)


def top(x: tuple[float, float], y: float, z: tuple[float, float], texture: np.ndarray) -> Panel:
    """A lying panel painted upwards; its texture's first row is the far edge."""
    return Panel((x[0], y, z[1]), (x[1] - x[0], 0, 0), (0, 0, z[0] - z[1]), texture)


def underside(x: tuple[float, float], y: float, z: tuple[float, float], texture: np.ndarray) -> Panel:
    """A lying panel painted downwards."""
    return Panel((x[0], y, z[0]), (x[1] - x[0], 0, 0), (0, 0, z[1] - z[0]), texture)


def facing_right(x: float, y: tuple[float, float], z: tuple[float, float], texture: np.ndarray) -> Panel:
    """An upright panel painted towards larger x."""
    return Panel((x, y[1], z[0]), (0, 0, z[1] - z[0]), (0, y[0] - y[1], 0), texture)


def facing_left(x: float, y: tuple[float, float], z: tuple[float, float], texture: np.ndarray) -> Panel:
    """An upright panel painted towards smaller x."""
    return Panel((x, y[1], z[1]), (0, 0, z[0] - z[1]), (0, y[0] - y[1], 0), texture)


def turned(panel: Panel, hinge_x: float, angle: float) -> Panel:
    """A panel that faces the cook, opened by `angle` radians towards them about an upright hinge."""
    corner, across = np.array(panel.corner), np.array(panel.across)
    side = 1.0 if abs(corner[0] - hinge_x) < 1e-6 else -1.0
    arm = np.array([np.cos(angle) * side, 0, -np.sin(angle)]) * across[0]
    hinge = np.array([hinge_x, corner[1], corner[2]])
    start = hinge if side > 0 else hinge + arm
    return Panel(tuple(start), tuple(arm * side), panel.along, panel.texture)


def reverse(panel: Panel, texture: np.ndarray) -> Panel:
    """The other side of a panel."""
    corner = np.array(panel.corner) + np.array(panel.across)
    return Panel(tuple(corner), tuple(-np.array(panel.across)), panel.along, texture)


class Opening:
    """Draws what lies behind an opening without spilling over its edge.

    Example:
        with Opening(picture, camera, panel) as inside:
            draw_panel(inside, back_wall, camera)
    """

    def __init__(self, picture: np.ndarray, camera: Camera, opening: Panel) -> None:
        self._picture = picture
        outline = camera.to_camera(opening.corners)
        self._outline = camera.pixels(outline) if (outline[:, 2] > 0.05).all() else None

    def __enter__(self) -> np.ndarray:
        self._inside = self._picture.copy()
        return self._inside

    def __exit__(self, *_: object) -> None:
        if self._outline is None:
            return
        mask = np.zeros(self._picture.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round(self._outline * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        low = np.clip(np.floor(self._outline.min(axis=0)).astype(int) - 1, 0, None)
        high = np.ceil(self._outline.max(axis=0)).astype(int) + 2
        where = slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0]))
        if mask[where].size:
            blend(self._picture[where], self._inside[where], mask[where])
