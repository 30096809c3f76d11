"""A kitchen that can be looked at: static room, fixtures and things in one picture."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from egoact.kitchen import shapes, textures
from egoact.kitchen.cabinets import make_cupboard, make_fridge
from egoact.kitchen.camera import Camera
from egoact.kitchen.coats import rgb
from egoact.kitchen.drawer import DRAWER_TRAVEL, make_drawer
from egoact.kitchen.looks import Look
from egoact.kitchen.paint import Panel, Sprite, draw_panel, draw_sprite
from egoact.kitchen.planes import top
from egoact.kitchen.room import BACK, BURNERS, FRONT, WORKTOP, Room
from egoact.kitchen.running import (
    BLUE_GLOW,
    LAMP_GLOW,
    SPOUT,
    TAP_Z,
    Basin,
    draw_flame,
    draw_glow,
    draw_steam,
    draw_water,
)
from egoact.kitchen.things import ThingSprites, soft_shadow

Point = tuple[float, float, float]
FIXTURES = ("fridge", "cupboard", "drawer")
RUNNING = ("tap", "hob", "light", "kettle")
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


@dataclass(frozen=True)
class State:
    """What a kitchen looks like at a moment.

    Args:
        openings: 0..1 for each of `FIXTURES`.
        running: 0..1 for each of `RUNNING`.
        things: By identity.
    """

    openings: Mapping[str, float]
    running: Mapping[str, float]
    things: Mapping[str, Thing]


@dataclass
class Scene:
    """Draws a kitchen.

    Args:
        look: Whose kitchen it is.
    """

    look: Look
    sprites: ThingSprites = field(init=False)
    room: Room = field(init=False)

    def __post_init__(self) -> None:
        self.room = Room(self.look)
        self.sprites = ThingSprites(self.look.palette, self.look.light)
        self.fridge, self._fridge_body = make_fridge(self.room)
        self.cupboard, self.drawer, self.basin = make_cupboard(self.room), make_drawer(self.room), Basin(self.room)
        self._shadow, self._hand_shadow = soft_shadow(0.55), soft_shadow(0.4)
        self._cloth = _cloth_texture(self.look)

    @property
    def spout(self) -> Point:
        """Where the water leaves the tap."""
        return self.room.centres["sink"] + SPOUT[0], WORKTOP + SPOUT[1], TAP_Z + SPOUT[2]

    @property
    def burner(self) -> Point:
        """The burner that is switched on and off."""
        x, z = BURNERS[0 if self.look.right_handed else 1]
        return self.room.centres["hob"] + x, WORKTOP + 0.012, z

    @property
    def lamp(self) -> Point:
        """The wall lamp."""
        return 0.3 if self.look.right_handed else -0.3, 1.16, 0.85

    def handle(self, fixture: str, opened: float) -> Point:
        """Where a hand holds a fixture that is `opened` (0..1)."""
        if fixture == "drawer":
            return self.drawer.handle(opened)
        return (self.fridge if fixture == "fridge" else self.cupboard).handle(opened)

    def draw(self, camera: Camera, state: State, *, skip: Collection[str] = ()) -> np.ndarray:
        """The whole kitchen, uint8 RGB, without the fixtures and things named in `skip`."""
        picture = np.empty((camera.height, camera.width, 3), np.uint8)
        picture[:] = 90
        for panel in self.room.behind:
            draw_panel(picture, panel, camera)
        if "cupboard" not in skip:
            self.draw_fixture(picture, camera, "cupboard", state, skip=skip)
        for panel in self.room.ahead:
            draw_panel(picture, panel, camera)
        self.basin.draw(picture, camera)
        if "drawer" not in skip:
            self.draw_fixture(picture, camera, "drawer", state, skip=skip)
        x0, x1 = self.room.span("fridge")
        fridge_hides_things = x0 < camera.eye[0] < x1
        if not fridge_hides_things:
            self._draw_fridge(picture, camera, state, skip)
        if "light" not in skip:
            self.draw_lamp(picture, camera, state.running["light"])
        free = [t for k, t in state.things.items() if k not in skip and not self.container(t)]
        for thing in sorted(free, key=lambda t: -t.at[2]):
            self.draw_thing(picture, camera, thing)
        if fridge_hides_things:
            self._draw_fridge(picture, camera, state, skip)
        return picture

    def _draw_fridge(self, picture: np.ndarray, camera: Camera, state: State, skip: Collection[str]) -> None:
        for panel in self._fridge_body:
            draw_panel(picture, panel, camera)
        if "fridge" not in skip:
            self.draw_fixture(picture, camera, "fridge", state, skip=skip)

    def container(self, thing: Thing) -> str | None:
        """The fixture that a thing stands in."""
        x, y, z = thing.at
        x0, x1 = self.room.span("fridge")
        if x0 < x < x1 and z > 0.16 and y < 1.9:
            return "fridge"
        return "cupboard" if y > 1.37 and z > 0.56 else "drawer" if y < 0.75 and z < 0.6 and abs(x) < 0.3 else None

    def draw_fixture(
        self, picture: np.ndarray, camera: Camera, name: str, state: State, *, skip: Collection[str] = ()
    ) -> None:
        """Draw one of `FIXTURES` with what stands in it."""
        opened = state.openings[name]
        if name == "drawer":
            self.drawer.draw(picture, camera, opened)
        else:
            cabinet = self.fridge if name == "fridge" else self.cupboard
            if opened > 0.01:
                cabinet.draw_inside(picture, camera)
        if opened > 0.05:
            inside = [t for k, t in state.things.items() if k not in skip and self.container(t) == name]
            for thing in sorted(inside, key=lambda t: -t.at[2]):
                if name == "drawer":
                    x, y, z = thing.at
                    thing = replace(thing, at=(x, y, z + DRAWER_TRAVEL * (1 - opened)))
                self.draw_thing(picture, camera, thing)
        if name != "drawer":
            cabinet.draw_door(picture, camera, opened)

    def draw_thing(self, picture: np.ndarray, camera: Camera, thing: Thing) -> None:
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
        sprite = self.sprites.sprite(thing.name, elevation)
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

    def draw_lamp(self, picture: np.ndarray, camera: Camera, amount: float) -> None:
        """Draw the wall lamp."""
        x, y, z = self.lamp
        self.draw_thing(picture, camera, Thing("lamp", (x, y - 0.07, z - 0.03), shadow=0))
        draw_glow(picture, camera, (x, y, z - 0.03), LAMP_GLOW, 0.3 * amount)
        draw_glow(picture, camera, (x, y, z - 0.03), LAMP_GLOW, 0.12 * amount)

    def draw_running(
        self, picture: np.ndarray, camera: Camera, state: State, *, seconds: float, rng: np.random.Generator
    ) -> None:
        """Draw water, flame, glow and steam of what is on."""
        draw_water(picture, camera, self.spout, state.running["tap"], rng)
        draw_flame(picture, camera, self.burner, self.look.hob, state.running["hob"], rng)
        kettle = state.things.get("kettle")
        if kettle and state.running["kettle"] > 0.02:
            x, y, z = kettle.at
            draw_glow(picture, camera, (x, y + 0.05, z - 0.09), BLUE_GLOW, 0.1 * state.running["kettle"])
            draw_steam(picture, camera, (x - 0.1, y + 0.2, z), state.running["kettle"], seconds)


def _cloth_texture(look: Look) -> np.ndarray:
    height, width = (round(m * textures.PIXELS_PER_METRE) for m in reversed(CLOTH_METRES))
    y, x = np.mgrid[0:height, 0:width]
    check = 0.5 * ((x // 9) % 2) + 0.5 * ((y // 9) % 2)
    base = np.asarray(rgb("f4f1ea"))
    weave = 1 + 0.03 * np.sin(x * 2.1) * np.sin(y * 2.1)
    picture = base + (np.asarray(look.palette["cloth"]) - base) * check[..., None]
    return textures.shaded(textures.finish(picture * weave[..., None] * 0.93), sides=0.95)


def _sunk(sprite: Sprite, part: float) -> Sprite:
    """A sprite without the lower part of its height."""
    rows = max(round(sprite.colours.shape[0] * (1 - part)), 2)
    return replace(
        sprite, colours=sprite.colours[:rows], holes=sprite.holes[:rows], anchor=(sprite.anchor[0], float(rows))
    )
