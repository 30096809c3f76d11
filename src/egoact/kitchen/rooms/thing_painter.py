"""Puts things into a picture of a kitchen: sprite, shadow, slices; and the cloth, which folds."""

from dataclasses import dataclass, replace

import numpy as np

from egoact.kitchen.drawing import textures
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Panel, Sprite, draw_panel, draw_sprite, make_sprite
from egoact.kitchen.drawing.planes import top
from egoact.kitchen.drawing.reflectance import Colour, Palette, rgb
from egoact.kitchen.rooms.room import BACK, FRONT, WORKTOP
from egoact.kitchen.things import shapes
from egoact.kitchen.things.sprites import Light, ThingSprites

Point = tuple[float, float, float]
CLOTH_METRES = (0.34, 0.3)


@dataclass(frozen=True)
class Thing:
    """A thing in the world.

    Args:
        name: Its shape, or "cloth".
        at: World point of the middle of its base, metres.
        angle: Turn in the picture, radians, clockwise.
        mirrored: Flipped left and right.
        sunk: Part of its height that is hidden, 0..1.
        cut: How far it is cut into slices, 0..1; for a cloth: folded.
        shadow: Strength of its shadow on the worktop, 0..1.
    """

    name: str
    at: Point
    angle: float = 0.0
    mirrored: bool = False
    sunk: float = 0.0
    cut: float = 0.0
    shadow: float = 1.0


class ThingPainter:
    """Draws one kitchen's things.

    Args:
        palette: The kitchen's colours of things.
        light: The kitchen's light.
    """

    def __init__(self, palette: Palette, light: Light) -> None:
        self._sprites = ThingSprites(palette, light)
        self._shadow, self._hand_shadow = _soft_shadow(0.55), _soft_shadow(0.4)
        self._cloth = _cloth_texture(palette["cloth"])

    def draw(self, picture: np.ndarray, camera: Camera, thing: Thing) -> None:
        """Draw a thing and its shadow."""
        if thing.name == "cloth":
            self._draw_cloth(picture, camera, thing)
            return
        base = np.array(thing.at)
        seen = camera.to_camera(np.stack([base, base + (0, 0.1, 0)]))
        if seen[:, 2].min() < 0.12:
            return
        pixels = camera.pixels(seen)
        x, y = pixels[0].tolist()
        if not (-0.4 < x / camera.width < 1.4 and -0.4 < y / camera.height < 1.9):
            return
        scale = camera.focal / seen[0, 2]
        away = camera.eye - base
        elevation = float(np.arctan2(away[1], np.hypot(away[0], away[2])))
        upright = float(np.arctan2(pixels[1, 0] - pixels[0, 0], pixels[0, 1] - pixels[1, 1]))
        if thing.shadow > 0.02:
            wide, deep = shapes.shape(thing.name).footprint
            slant = max(np.sin(elevation), 0.15)
            size = (wide * 1.12 * thing.shadow**0.2, deep * 1.12 * slant * thing.shadow**0.2)
            draw_sprite(
                picture,
                self._shadow,
                pixels[0] + (0.1 * wide * scale, 0),
                pixels_per_metre=scale,
                angle=thing.angle,
                squeeze=size,
            )
        sprite = self._sprites.sprite(thing.name, elevation)
        if thing.sunk > 0:
            sprite = _sunk(sprite, thing.sunk)
        turn = upright + thing.angle
        if thing.cut > 0:
            self._draw_slices(picture, sprite, pixels[0], scale, turn, thing)
        else:
            draw_sprite(picture, sprite, pixels[0], pixels_per_metre=scale, angle=turn, mirrored=thing.mirrored)

    def draw_hand_shadow(self, picture: np.ndarray, camera: Camera, at: Point) -> None:
        """Draw what a hand at a world point takes from the light on the worktop."""
        x, y, z = at
        rise = y - WORKTOP
        if not (0 <= rise < 0.32 and FRONT < z < BACK):
            return
        point = camera.to_camera(np.array((x + 0.25 * rise, WORKTOP, z - 0.02)))
        size = 0.075 * (1 - rise / 0.5)
        draw_sprite(
            picture,
            self._hand_shadow,
            camera.pixels(point),
            pixels_per_metre=camera.focal / max(float(point[2]), 0.1),
            squeeze=(size, size * 0.75),
        )

    def _draw_slices(
        self, picture: np.ndarray, sprite: Sprite, at: np.ndarray, scale: float, turn: float, thing: Thing
    ) -> None:
        wide = shapes.shape(thing.name).footprint[0]
        whole = 1 - 0.62 * thing.cut
        draw_sprite(
            picture,
            sprite,
            at + (-wide * 0.45 * thing.cut * scale, 0),
            pixels_per_metre=scale,
            angle=turn,
            squeeze=(whole, 1),
        )
        for i in range(round(thing.cut * 5)):
            step = np.array([wide * (0.45 + 0.34 * i) * scale, 0.012 * scale * (i % 2)])
            draw_sprite(picture, sprite, at + step, pixels_per_metre=scale, angle=turn + 0.35, squeeze=(0.24, 0.92))

    def _draw_cloth(self, picture: np.ndarray, camera: Camera, thing: Thing) -> None:
        """A cloth whose far half is folded over its near half by `cut` (0..1)."""
        wide, deep = CLOTH_METRES
        x, y, z = thing.at
        half = self._cloth.shape[0] // 2
        angle = thing.cut * np.pi * 0.98
        along = (0.0, -np.sin(angle) * deep / 2, -np.cos(angle) * deep / 2)
        rise = 0.003 + 0.004 * thing.cut
        near = top((x - wide / 2, x + wide / 2), y + rise, (z - deep / 2, z), self._cloth[half:])
        corner = (x - wide / 2, y + rise - along[1] + 0.001, z - along[2])
        far = Panel(corner, (wide, 0.0, 0.0), along, self._cloth[:half], two_sided=True)
        draw_panel(picture, near, camera)
        draw_panel(picture, far, camera, shade=1 - 0.25 * float(np.sin(angle)) - 0.1 * thing.cut)


def _cloth_texture(colour: Colour) -> np.ndarray:
    height, width = (round(m * textures.PIXELS_PER_METRE) for m in reversed(CLOTH_METRES))
    y, x = np.mgrid[0:height, 0:width]
    check = 0.5 * ((x // 9) % 2) + 0.5 * ((y // 9) % 2)
    base = np.asarray(rgb("f4f1ea"))
    weave = 1 + 0.03 * np.sin(x * 2.1) * np.sin(y * 2.1)
    picture = base + (np.asarray(colour) - base) * check[..., None]
    return textures.shaded(textures.finish(picture * weave[..., None] * 0.93), sides=0.95)


def _sunk(sprite: Sprite, part: float) -> Sprite:
    """A sprite without the lower part of its height."""
    rows = max(round(sprite.colours.shape[0] * (1 - part)), 2)
    return replace(
        sprite, colours=sprite.colours[:rows], holes=sprite.holes[:rows], anchor=(sprite.anchor[0], float(rows))
    )


def _soft_shadow(darkness: float) -> Sprite:
    """A round shadow of radius 1 m at 40 pixels per metre, darkest in the middle."""
    y, x = np.mgrid[-60:61, -60:61] / 40.0
    coverage = np.clip(1.35 - np.hypot(x, y), 0, 0.8) ** 1.5 / 0.8**1.5 * darkness
    return make_sprite(np.zeros((*x.shape, 3)), coverage, anchor=(60, 60), pixels_per_metre=40)
