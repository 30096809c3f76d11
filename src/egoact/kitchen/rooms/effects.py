"""What runs: water, flame, lamp, steam; and the sink that the water falls into."""

from dataclasses import dataclass, field

import numpy as np

from egoact.kitchen.drawing import textures
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Panel, Sprite, draw_panel, draw_polygon, draw_sprite, make_sprite
from egoact.kitchen.drawing.planes import Opening, facing, facing_left, facing_right, top
from egoact.kitchen.drawing.reflectance import Colour, rgb
from egoact.kitchen.rooms.room import BASIN_DEPTH, BASIN_X, BASIN_Z, WORKTOP, Room

TAP_Z = 0.8
SPOUT = (-0.078, 0.2, -0.174)


@dataclass
class Basin:
    """The sink: a steel rim and a hollow."""

    room: Room
    panels: tuple[Panel, ...] = field(init=False)
    rim: Panel = field(init=False)
    hole: Panel = field(init=False)

    def __post_init__(self) -> None:
        metal = textures.steel((0.5, 0.4), np.random.default_rng(4), rgb("b3b8bd"))
        centre = self.room.centres["sink"]
        x, z, y = (centre + BASIN_X[0], centre + BASIN_X[1]), BASIN_Z, (WORKTOP - BASIN_DEPTH, WORKTOP)
        around = (x[0] - 0.025, x[1] + 0.025), (z[0] - 0.025, z[1] + 0.025)
        self.rim = top(around[0], WORKTOP + 0.003, around[1], textures.shaded(metal, top=0.95, bottom=1.1))
        self.hole = top(x, WORKTOP, z, metal)
        floor = textures.shaded(metal, top=0.55, bottom=0.75, sides=0.8)
        row, column = floor.shape[0] // 2, floor.shape[1] // 2
        y_px, x_px = np.mgrid[0 : floor.shape[0], 0 : floor.shape[1]]
        floor[np.hypot(x_px - column, y_px - row) < 11] = 60
        self.panels = (
            top(x, y[0], z, floor),
            facing(x, y, z[1], textures.shaded(metal, top=0.7, bottom=0.55)),
            facing_right(x[0], y, z, textures.shaded(metal, top=0.75, bottom=0.6)),
            facing_left(x[1], y, z, textures.shaded(metal, top=0.6, bottom=0.45)),
        )

    def draw(self, picture: np.ndarray, camera: Camera) -> None:
        """Draw the sink."""
        draw_panel(picture, self.rim, camera)
        with Opening(picture, camera, self.hole) as inside:
            for panel in self.panels:
                draw_panel(inside, panel, camera)


def draw_water(
    picture: np.ndarray, camera: Camera, spout: tuple[float, float, float], amount: float, rng: np.random.Generator
) -> None:
    """Draw a stream from the tap into the sink; `amount` is 0..1."""
    if amount < 0.03:
        return
    x, y, z = spout
    floor = WORKTOP - BASIN_DEPTH
    heights = np.linspace(y, floor, 7)
    wobble = rng.normal(0, 0.0016, 7) * np.linspace(0.3, 1, 7)
    centre = camera.pixels(camera.to_camera(np.stack([x + wobble, heights, np.full(7, z)], axis=1)))
    scale = camera.focal / max(float(camera.to_camera(np.array(spout))[2]), 0.05)
    half = scale * 0.013 * (0.45 + 0.55 * amount) * np.linspace(0.9, 1.25, 7)
    for factor, colour, opacity in ((1.0, (196, 218, 234), 0.75), (0.35, (250, 253, 255), 0.9)):
        left, right = centre.copy(), centre.copy()
        left[:, 0] -= half * factor
        right[:, 0] += half * factor
        for i in range(6):
            quad = np.stack([left[i], right[i], right[i + 1], left[i + 1]])
            draw_polygon(picture, quad, colour, opacity=opacity * (0.5 + 0.5 * amount))
    splash = centre[-1]
    for turn in np.arange(6) * np.pi / 3 + rng.uniform(0, 1):
        reach = scale * 0.055 * rng.uniform(0.5, 1.2) * amount
        at = splash + np.array([np.cos(turn), 0.45 * np.sin(turn)]) * reach
        draw_sprite(picture, FOAM, at, pixels_per_metre=scale * 0.022, squeeze=(1, 0.6))
    draw_sprite(picture, FOAM, splash, pixels_per_metre=scale * 0.075 * amount, squeeze=(1, 0.5))


def _blob(colour: Colour, *, opacity: float, power: float = 1.0) -> Sprite:
    y, x = np.mgrid[-24:25, -24:25] / 24.0
    coverage = np.clip(1 - np.hypot(x, y), 0, 1) ** power * opacity
    return make_sprite(np.ones((*x.shape, 3)) * np.asarray(colour), coverage, anchor=(24, 24), pixels_per_metre=24)


FOAM = _blob((0.95, 0.98, 1.0), opacity=0.8)
STEAM = _blob((0.97, 0.97, 0.98), opacity=0.22)
LAMP_GLOW = _blob((1.0, 0.88, 0.55), opacity=0.75, power=1.7)
BLUE_GLOW = _blob((0.25, 0.6, 1.0), opacity=0.85, power=1.2)


def _flame(kind: str) -> Sprite:
    """A burner's light seen from above, radius 0.12 m."""
    y, x = np.mgrid[-60:61, -60:61] / 60.0
    radius, turn = np.hypot(x, y), np.arctan2(y, x)
    if kind == "gas":
        tongue = 0.62 + 0.16 * np.abs(np.sin(turn * 9))
        ring = np.exp(-(((radius - tongue) / 0.13) ** 2))
        tip = np.clip((radius - tongue) / 0.15, 0, 1)[..., None]
        colours = np.array([0.25, 0.5, 1.0]) * (1 - tip) + np.array([1.0, 0.62, 0.25]) * tip
        coverage = np.clip(ring * 1.25 + 0.25 * np.exp(-((radius / 0.75) ** 4)), 0, 1) * (radius < 1)
    else:
        lines = 0.75 + 0.25 * np.cos(radius * 38)
        colours = np.array([1.0, 0.23, 0.08]) * np.ones((*x.shape, 1)) * lines[..., None]
        coverage = np.clip((0.86 - radius) / 0.1, 0, 1) * 0.95
    return make_sprite(colours, coverage, anchor=(60, 60), pixels_per_metre=60 / 0.125)


FLAMES = {kind: _flame(kind) for kind in ("gas", "glass")}


def draw_flame(
    picture: np.ndarray,
    camera: Camera,
    at: tuple[float, float, float],
    kind: str,
    amount: float,
    rng: np.random.Generator,
) -> None:
    """Draw a burner that is on; `amount` is 0..1."""
    if amount < 0.03:
        return
    point = camera.to_camera(np.array(at))
    if point[2] < 0.1:
        return
    flicker = 1 + (0.04 * rng.standard_normal() if kind == "gas" else 0)
    slant = (camera.eye[1] - at[1]) / float(np.linalg.norm(np.subtract(camera.eye, at)))
    scale = camera.focal / point[2] * (0.4 + 0.6 * amount if kind == "gas" else 1.0)
    sprite = FLAMES[kind]
    if kind == "glass" and amount < 0.97:
        faded = round(amount * 8) / 8
        sprite = make_sprite(
            sprite.colours / 255.0 / np.maximum(1 - sprite.holes / 255.0, 1e-3)[..., None],
            (1 - sprite.holes / 255.0) * faded,
            anchor=sprite.anchor,
            pixels_per_metre=sprite.pixels_per_metre,
        )
    draw_sprite(picture, sprite, camera.pixels(point), pixels_per_metre=scale, squeeze=(flicker, slant * flicker))


def draw_glow(
    picture: np.ndarray, camera: Camera, at: tuple[float, float, float], sprite: Sprite, radius: float
) -> None:
    """Draw a soft light of `radius` metres at a world point."""
    point = camera.to_camera(np.array(at))
    if point[2] > 0.1 and radius > 0:
        draw_sprite(picture, sprite, camera.pixels(point), pixels_per_metre=camera.focal / point[2] * radius)


def draw_steam(
    picture: np.ndarray, camera: Camera, at: tuple[float, float, float], amount: float, seconds: float
) -> None:
    """Draw puffs that rise from a world point."""
    for i in range(4):
        age = (seconds * 0.9 + i / 4) % 1.0
        drift = 0.03 * np.sin(7 * age + i)
        draw_glow(picture, camera, (at[0] + drift, at[1] + 0.22 * age, at[2]), STEAM, (0.03 + 0.07 * age) * amount)
