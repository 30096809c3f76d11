"""Sprites of things: surfaces, coated and lit by a kitchen's light."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from egoact.kitchen.drawing.paint import Sprite, make_sprite
from egoact.kitchen.drawing.reflectance import Colour, Palette, reflectance_of
from egoact.kitchen.things import shapes

ELEVATIONS_DEGREES = (8, 27, 46)


@dataclass(frozen=True)
class Light:
    """A kitchen's light in the eye's axes: right, up, towards the eye.

    Args:
        direction: Where the strongest light comes from.
        key: Colour of the strongest light.
        fill: Colour of the light from everywhere.
    """

    direction: tuple[float, float, float]
    key: Colour
    fill: Colour

    def shade(self, colours: np.ndarray, normals: np.ndarray, gloss: np.ndarray) -> np.ndarray:
        """Reflectance (K, 3) under this light, (K, 3) in 0..1, for unit normals (K, 3)."""
        towards = np.asarray(self.direction) / np.linalg.norm(self.direction)
        diffuse = np.clip(normals @ towards * 0.7 + 0.3, 0, 1)[:, None]
        sky = (0.84 + 0.16 * normals[:, 1])[:, None]
        middle = towards + (0, 0, 1)
        shine = np.clip(normals @ (middle / np.linalg.norm(middle)), 0, 1) ** 28
        edge = (1 - np.clip(normals[:, 2], 0, 1)) ** 3 * 0.25
        lit = colours * (diffuse * self.key + sky * self.fill)
        return lit + ((shine * 0.75 + edge) * gloss)[:, None] * np.asarray(self.key)


@dataclass
class ThingSprites:
    """All sprites of one kitchen's things, made when first asked for.

    Args:
        palette: The kitchen's colours of things.
        light: The kitchen's light.
    """

    palette: Palette
    light: Light
    _made: dict[tuple[str, int], Sprite] = field(default_factory=dict)

    def sprite(self, name: str, elevation: float) -> Sprite:
        """The sprite of a thing seen from `elevation` radians above the horizon."""
        degrees = min(ELEVATIONS_DEGREES, key=lambda e: abs(e - np.degrees(elevation)))
        if (name, degrees) not in self._made:
            self._made[name, degrees] = self._make(name, degrees)
        return self._made[name, degrees]

    def _make(self, name: str, degrees: int) -> Sprite:
        seen = shapes.surface(name, degrees)
        colours, gloss, opacity = reflectance_of(name, seen.points, seen.part, self.palette)
        contact = 0.72 + 0.28 * np.clip(seen.points[:, 1:2] / 0.035, 0, 1)
        picture = np.zeros((*seen.mask.shape, 3), np.float32)
        coverage = np.zeros(seen.mask.shape, np.float32)
        coverage[seen.mask] = opacity
        picture[seen.mask] = np.clip(self.light.shade(colours * contact, seen.normals, gloss), 0, 1)
        picture *= coverage[..., None]
        ratio = 1 / shapes.SUPERSAMPLING
        small = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(coverage, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        x, y = seen.anchor
        scale_x, scale_y = small.shape[1] / picture.shape[1], small.shape[0] / picture.shape[0]
        return make_sprite(
            small / np.maximum(cover, 1e-3)[..., None],
            cover,
            anchor=(x * scale_x, y * scale_y),
            pixels_per_metre=shapes.PIXELS_PER_METRE,
        )
