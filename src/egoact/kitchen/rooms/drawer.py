"""The drawer under the middle of the worktop, with its cutlery tray."""

from dataclasses import dataclass

import cv2
import numpy as np

from egoact.kitchen.drawing import textures
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import draw_panel
from egoact.kitchen.drawing.planes import Opening, facing, facing_left, facing_right, top
from egoact.kitchen.drawing.reflectance import rgb
from egoact.kitchen.rooms.cabinets import Point
from egoact.kitchen.rooms.room import DRAWER_X, DRAWER_Y, FRONT, Room

DRAWER_TRAVEL = 0.36


@dataclass(frozen=True)
class Drawer:
    """A box that slides out under the worktop."""

    front: np.ndarray
    side: np.ndarray
    tray: np.ndarray

    def draw(self, picture: np.ndarray, camera: Camera, opened: float) -> None:
        """Draw the drawer slid out by `opened` (0..1)."""
        z = FRONT - 0.004 - opened * DRAWER_TRAVEL
        x, y = (DRAWER_X[0] + 0.012, DRAWER_X[1] - 0.012), (DRAWER_Y[0] + 0.012, DRAWER_Y[1] - 0.03)
        if opened > 0.02:
            draw_panel(picture, facing_left(x[0], y, (z, FRONT), self.side), camera, shade=0.7)
            draw_panel(picture, facing_right(x[1], y, (z, FRONT), self.side), camera, shade=0.7)
            with Opening(picture, camera, top(x, y[1], (z + 0.01, FRONT), self.side)) as inside:
                draw_panel(inside, top(x, y[0], (FRONT - DRAWER_TRAVEL, FRONT + 0.1), self.tray), camera, shade=0.8)
                draw_panel(inside, facing_right(x[0], y, (z, FRONT), self.side), camera, shade=0.6)
                draw_panel(inside, facing_left(x[1], y, (z, FRONT), self.side), camera, shade=0.6)
            rim = top(DRAWER_X, DRAWER_Y[1], (z, z + 0.018), self.side[:8])
            draw_panel(picture, rim, camera)
        draw_panel(picture, facing(DRAWER_X, DRAWER_Y, z, self.front), camera)


def drawer_handle(opened: float) -> Point:
    """Where a hand holds the drawer."""
    return 0.0, DRAWER_Y[1] - 0.06, FRONT - 0.03 - opened * DRAWER_TRAVEL


def make_drawer(room: Room) -> Drawer:
    """The drawer under the middle of the worktop, with its cutlery tray."""
    rng = np.random.default_rng(room.style.seed + 3)
    size = (DRAWER_X[1] - DRAWER_X[0], DRAWER_Y[1] - DRAWER_Y[0])
    tray = textures.wood((size[0], DRAWER_TRAVEL + 0.1), rng, rgb("d8bb8d"))
    height, width = tray.shape[:2]
    for i in range(1, 5):
        cv2.line(tray, (i * width // 5, 0), (i * width // 5, height), (120, 92, 60), 4, cv2.LINE_AA)
        for _ in range(3):
            x = int((i - 0.5) * width / 5 + rng.integers(-9, 10))
            y0 = int(height * rng.uniform(0.3, 0.42))
            cv2.line(tray, (x + 2, y0 + 2), (x + 2, y0 + 70), (105, 85, 60), 5, cv2.LINE_AA)
            cv2.line(tray, (x, y0), (x, y0 + 70), (196, 200, 205), 4, cv2.LINE_AA)
            cv2.ellipse(tray, (x, y0 - 4), (6, 11), 0, 0, 360, (214, 217, 221), -1, cv2.LINE_AA)
    return Drawer(room.front(size, "top"), textures.wood((0.4, 0.15), rng, rgb("c8a878")), tray)
