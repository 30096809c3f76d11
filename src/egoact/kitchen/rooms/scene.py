"""A kitchen that can be looked at: static room, fixtures and things in one picture."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Panels
from egoact.kitchen.rooms.cabinets import Cabinet, cupboard_door, fridge_door, make_cupboard, make_fridge
from egoact.kitchen.rooms.drawer import DRAWER_TRAVEL, Drawer, drawer_handle, make_drawer
from egoact.kitchen.rooms.effects import (
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
from egoact.kitchen.rooms.room import BURNERS, WORKTOP, Room
from egoact.kitchen.rooms.styles import KitchenStyle
from egoact.kitchen.rooms.thing_painter import Thing, ThingPainter

Point = tuple[float, float, float]
FIXTURES = ("fridge", "cupboard", "drawer")
RUNNING = ("tap", "hob", "light", "kettle")


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


@dataclass(frozen=True)
class Fittings:
    """All that a kitchen is drawn of, but the things in it."""

    behind: Panels
    ahead: Panels
    fridge: Cabinet
    fridge_body: Panels
    cupboard: Cabinet
    drawer: Drawer
    basin: Basin


@dataclass
class Scene:
    """Draws a kitchen; its fittings are made when it is first drawn, since its stories do without them.

    Args:
        style: Whose kitchen it is.
    """

    style: KitchenStyle
    things: ThingPainter = field(init=False)
    room: Room = field(init=False)

    def __post_init__(self) -> None:
        self.room = Room(self.style)
        self.things = ThingPainter(self.style.palette, self.style.light)
        self._doors = {"fridge": fridge_door(self.room), "cupboard": cupboard_door(self.room)}

    @cached_property
    def _fittings(self) -> Fittings:
        behind, ahead = (Panels(panels) for panels in self.room.panels)
        fridge, body = make_fridge(self.room)
        cupboard, drawer = make_cupboard(self.room), make_drawer(self.room)
        return Fittings(behind, ahead, fridge, Panels(body), cupboard, drawer, Basin(self.room))

    @property
    def spout(self) -> Point:
        """Where the water leaves the tap."""
        return self.room.centres["sink"] + SPOUT[0], WORKTOP + SPOUT[1], TAP_Z + SPOUT[2]

    @property
    def burner(self) -> Point:
        """The burner that is switched on and off."""
        x, z = BURNERS[0 if self.style.right_handed else 1]
        return self.room.centres["hob"] + x, WORKTOP + 0.012, z

    @property
    def lamp(self) -> Point:
        """The wall lamp."""
        return 0.3 if self.style.right_handed else -0.3, 1.16, 0.85

    def handle(self, fixture: str, opened: float) -> Point:
        """Where a hand holds a fixture that is `opened` (0..1)."""
        return drawer_handle(opened) if fixture == "drawer" else self._doors[fixture].handle(opened)

    def draw(self, camera: Camera, state: State, *, skip: Collection[str] = ()) -> np.ndarray:
        """The whole kitchen, uint8 RGB, without the fixtures and things named in `skip`."""
        picture = np.empty((camera.height, camera.width, 3), np.uint8)
        picture[:] = 90
        self._fittings.behind.draw(picture, camera)
        if "cupboard" not in skip:
            self.draw_fixture(picture, camera, "cupboard", state, skip=skip)
        self._fittings.ahead.draw(picture, camera)
        self._fittings.basin.draw(picture, camera)
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
            self.things.draw(picture, camera, thing)
        if fridge_hides_things:
            self._draw_fridge(picture, camera, state, skip)
        return picture

    def _draw_fridge(self, picture: np.ndarray, camera: Camera, state: State, skip: Collection[str]) -> None:
        self._fittings.fridge_body.draw(picture, camera)
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
        fittings = self._fittings
        cabinet = None if name == "drawer" else fittings.fridge if name == "fridge" else fittings.cupboard
        if cabinet is None:
            fittings.drawer.draw(picture, camera, opened)
        elif opened > 0.01:
            cabinet.draw_inside(picture, camera)
        if opened > 0.05:
            inside = [t for k, t in state.things.items() if k not in skip and self.container(t) == name]
            for thing in sorted(inside, key=lambda t: -t.at[2]):
                if name == "drawer":
                    x, y, z = thing.at
                    thing = replace(thing, at=(x, y, z + DRAWER_TRAVEL * (1 - opened)))
                self.things.draw(picture, camera, thing)
        if cabinet is not None:
            cabinet.draw_door(picture, camera, opened)

    def draw_lamp(self, picture: np.ndarray, camera: Camera, amount: float) -> None:
        """Draw the wall lamp."""
        x, y, z = self.lamp
        self.things.draw(picture, camera, Thing("lamp", (x, y - 0.07, z - 0.03), shadow=0))
        draw_glow(picture, camera, (x, y, z - 0.03), LAMP_GLOW, 0.3 * amount)
        draw_glow(picture, camera, (x, y, z - 0.03), LAMP_GLOW, 0.12 * amount)

    def draw_hand_shadow(self, picture: np.ndarray, camera: Camera, at: Point) -> None:
        """Draw the shadow of a hand at a world point, where there is a worktop under it."""
        x0, x1 = self.room.span("fridge")
        if not x0 < at[0] < x1:
            self.things.draw_hand_shadow(picture, camera, at)

    def draw_running(
        self, picture: np.ndarray, camera: Camera, state: State, *, seconds: float, rng: np.random.Generator
    ) -> None:
        """Draw water, flame, glow and steam of what is on."""
        draw_water(picture, camera, self.spout, state.running["tap"], rng)
        draw_flame(picture, camera, self.burner, self.style.hob, state.running["hob"], rng)
        kettle = state.things.get("kettle")
        if kettle and state.running["kettle"] > 0.02:
            x, y, z = kettle.at
            draw_glow(picture, camera, (x, y + 0.05, z - 0.09), BLUE_GLOW, 0.1 * state.running["kettle"])
            draw_steam(picture, camera, (x - 0.1, y + 0.2, z), state.running["kettle"], seconds)
