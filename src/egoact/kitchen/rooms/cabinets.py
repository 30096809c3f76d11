"""What opens: fridge, wall cupboard and drawer, with their insides."""

from dataclasses import dataclass

import cv2
import numpy as np

from egoact.kitchen.drawing import textures
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Panel, draw_panel
from egoact.kitchen.drawing.planes import Opening, facing, facing_left, facing_right, reverse, top, turned, underside
from egoact.kitchen.drawing.reflectance import rgb
from egoact.kitchen.rooms.room import BACK, CUPBOARD_X, FRIDGE_DOOR_Y, FRIDGE_Z, SHELF_TOP, SHELF_Y, SHELF_Z, Room

Point = tuple[float, float, float]
DOOR_ANGLE = {"fridge": 1.75, "cupboard": 1.8}
FRIDGE_SHELF = 1.08
CUPBOARD_SHELF = 1.7
NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class Door:
    """A door on a hinge; its panel has no picture where only its place matters."""

    panel: Panel
    hinge_x: float
    angle: float

    def leaf(self, opened: float) -> Panel:
        """The door when it is `opened` (0..1)."""
        return turned(self.panel, self.hinge_x, opened * self.angle)

    def handle(self, opened: float) -> Point:
        """Where a hand holds the door."""
        leaf = self.leaf(opened)
        corner, across, along = np.array(leaf.corner), np.array(leaf.across), np.array(leaf.along)
        side = 0.92 if self._hinge_is_left() else 0.08
        return tuple(corner + across * side + along * 0.52)

    def _hinge_is_left(self) -> bool:
        return abs(self.panel.corner[0] - self.hinge_x) < 1e-6


@dataclass(frozen=True)
class Cabinet:
    """A box with an opening towards the cook and a door."""

    opening: Panel
    inside: tuple[Panel, ...]
    door: Door
    lining: np.ndarray

    def draw_inside(self, picture: np.ndarray, camera: Camera) -> None:
        """Draw what lies behind the opening."""
        with Opening(picture, camera, self.opening) as inside:
            for panel in self.inside:
                draw_panel(inside, panel, camera)

    def draw_door(self, picture: np.ndarray, camera: Camera, opened: float) -> None:
        """Draw both sides of the door."""
        leaf = self.door.leaf(opened)
        draw_panel(picture, reverse(leaf, self.lining), camera)
        draw_panel(picture, leaf, camera, shade=1 - 0.25 * np.sin(opened * self.door.angle))


def fridge_door(room: Room, texture: np.ndarray = NO_PICTURE) -> Door:
    """The door of the fridge's upper part."""
    x0, x1 = room.span("fridge")
    x = (x0 + 0.02, x1 - 0.02)
    return _hung(room, facing(x, FRIDGE_DOOR_Y, FRIDGE_Z - 0.004, texture), x, DOOR_ANGLE["fridge"])


def cupboard_door(room: Room, texture: np.ndarray = NO_PICTURE) -> Door:
    """The door of the wall cupboard."""
    panel = facing(CUPBOARD_X, (SHELF_Y, SHELF_TOP), SHELF_Z - 0.004, texture)
    return _hung(room, panel, CUPBOARD_X, DOOR_ANGLE["cupboard"])


def _hung(room: Room, panel: Panel, x: tuple[float, float], angle: float) -> Door:
    return Door(panel, x[0] if room.style.hinge < 0 else x[1], angle)


def _cabinet_inside(
    x: tuple[float, float],
    y: tuple[float, float],
    z: tuple[float, float],
    shelves: tuple[float, ...],
    texture: np.ndarray,
) -> tuple[Panel, ...]:
    glow = textures.shaded(texture, top=1.0, bottom=0.88, sides=0.82)
    return (
        facing(x, y, z[1], glow),
        facing_right(x[0], y, z, textures.shaded(texture, top=0.9, bottom=0.78)),
        facing_left(x[1], y, z, textures.shaded(texture, top=0.9, bottom=0.78)),
        top(x, y[0] + 0.002, z, textures.shaded(texture, top=0.72, bottom=0.95)),
        underside(x, y[1], z, textures.shaded(texture, top=0.8, bottom=0.65)),
        *(top(x, s, z, textures.shaded(texture, top=0.75, bottom=1.0)) for s in shelves),
        *(underside(x, s - 0.018, z, textures.shaded(texture, top=0.6, bottom=0.5)) for s in shelves),
        *(facing(x, (s - 0.018, s), z[0], textures.shaded(texture, top=0.8, bottom=0.7)[:8]) for s in shelves),
    )


def make_fridge(room: Room) -> tuple[Cabinet, list[Panel]]:
    """The fridge's upper part with its door, and the panels of its body."""
    rng = np.random.default_rng(room.style.seed + 1)
    x0, x1 = room.span("fridge")
    x = (x0 + 0.02, x1 - 0.02)
    size = (x[1] - x[0], FRIDGE_DOOR_Y[1] - FRIDGE_DOOR_Y[0])
    side = "right" if room.style.hinge < 0 else "left"
    skin = textures.front(
        size, rng, room.style.fridge, style="flat", handle=f"bar-{side}", metal=rgb("9b9fa4"), wooden=False
    )
    magnets = skin.copy()
    for colour in (rgb("d9443a"), rgb("f1c232"), rgb("fbfaf3"), rgb("3f78b5")):
        at = rng.integers((int(size[0] * 60), 25), (int(size[0] * 210), 130))
        half = rng.integers(6, 16, 2)
        cv2.rectangle(
            magnets, tuple(int(v) for v in at - half), tuple(int(v) for v in at + half), [c * 255 for c in colour], -1
        )
    lower = textures.front(
        (size[0], 0.6), rng, room.style.fridge, style="flat", handle=f"bar-{side}", metal=rgb("9b9fa4"), wooden=False
    )
    white = textures.plaster((0.6, 0.6), rng, rgb("f4f8fb"))
    inner_x, inner_y, inner_z = (
        (x[0] + 0.035, x[1] - 0.035),
        (FRIDGE_DOOR_Y[0] + 0.03, FRIDGE_DOOR_Y[1] - 0.03),
        (FRIDGE_Z + 0.01, BACK - 0.1),
    )
    lining = textures.plaster(size, rng, rgb("eef2f4"))
    for row in (0.35, 0.62, 0.88):
        edge = int(lining.shape[0] * row)
        lining[edge - 26 : edge, 14:-14] = (lining[edge - 26 : edge, 14:-14] * (0.82, 0.9, 0.95)).astype(np.uint8)
        lining[edge - 3 : edge, 14:-14] = 170
    frame = facing(x, FRIDGE_DOOR_Y, FRIDGE_Z, white)
    plain = textures.plaster((0.7, 1.0), rng, room.style.fridge)
    body = [
        facing_left(x[0], (0.03, 1.87), (FRIDGE_Z, BACK), textures.shaded(plain, top=0.78, bottom=0.62)),
        facing_right(x[1], (0.03, 1.87), (FRIDGE_Z, BACK), textures.shaded(plain, top=0.78, bottom=0.62)),
        facing(x, (0.05, FRIDGE_DOOR_Y[0] - 0.01), FRIDGE_Z - 0.004, lower),
        frame,
    ]
    fridge = Cabinet(
        facing(inner_x, inner_y, FRIDGE_Z, white),
        _cabinet_inside(inner_x, inner_y, inner_z, (FRIDGE_SHELF, FRIDGE_SHELF + 0.36), white),
        fridge_door(room, magnets),
        lining,
    )
    return fridge, body


def make_cupboard(room: Room) -> Cabinet:
    """The wall cupboard above the middle of the worktop."""
    rng = np.random.default_rng(room.style.seed + 2)
    x, y = CUPBOARD_X, (SHELF_Y, SHELF_TOP)
    side = "right" if room.style.hinge < 0 else "left"
    wood = textures.wood((0.55, 0.7), rng, rgb("c9a678"))
    inner_x, inner_y = (x[0] + 0.02, x[1] - 0.02), (y[0] + 0.02, y[1] - 0.02)
    return Cabinet(
        facing(inner_x, inner_y, SHELF_Z, wood),
        _cabinet_inside(inner_x, inner_y, (SHELF_Z, BACK - 0.02), (CUPBOARD_SHELF,), wood),
        cupboard_door(room, room.front((x[1] - x[0], y[1] - y[0]), side)),
        textures.shaded(room.front((x[1] - x[0], y[1] - y[0]), "none"), top=0.85, bottom=0.75),
    )
