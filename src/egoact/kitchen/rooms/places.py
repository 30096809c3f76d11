"""Where things stand, and where the cook stands to reach them."""

from collections.abc import Callable
from dataclasses import dataclass

from egoact.kitchen.cook.motion import Point, Stance
from egoact.kitchen.rooms.cabinets import CUPBOARD_SHELF, FRIDGE_SHELF
from egoact.kitchen.rooms.effects import TAP_Z
from egoact.kitchen.rooms.room import BURNERS, DRAWER_Y, KNOBS_X, KNOBS_Z, SHELF_Y, WORKTOP
from egoact.kitchen.rooms.scene import Scene

EYE_HEIGHT = 1.5
COUNTER_SLOTS = {
    "prep": ((-0.36, 0.5), (0.36, 0.5), (-0.34, 0.76), (-0.09, 0.76), (0.16, 0.76), (0.4, 0.76)),
    "toast": ((0.14, 0.44), (-0.18, 0.46)),
    "sink": ((0.34, 0.5), (-0.38, 0.56)),
    "hob": (BURNERS[2], BURNERS[3]),
}
BOARD_SLOT = (0.0, 0.46)
HOMES = {
    "fridge": ("milk", "tomato", "bottle", "apple", "onion"),
    "cupboard": ("plate", "cup", "bowl", "glass", "cereal"),
    "drawer": ("knife", "spoon"),
}
SHELVES = {
    "fridge": ((-0.16, FRIDGE_SHELF, 0.3), (0.02, FRIDGE_SHELF, 0.36), (0.18, FRIDGE_SHELF, 0.3)),
    "cupboard": ((-0.12, SHELF_Y + 0.02, 0.66), (0.12, SHELF_Y + 0.02, 0.66), (0.0, CUPBOARD_SHELF, 0.66)),
    "drawer": ((0.0, DRAWER_Y[0] + 0.025, 0.02), (0.0, DRAWER_Y[0] + 0.025, -0.05)),
}


@dataclass(frozen=True)
class Slot:
    """A place for one thing: a module's worktop or a fixture's shelf."""

    area: str
    index: int
    at: Point


def slots(scene: Scene) -> list[Slot]:
    """All places for things in a kitchen."""
    centres = scene.room.centres
    found = [
        Slot(area, i, (centres[area] + x, WORKTOP + (0.012 if area == "hob" else 0.0), z))
        for area, places in COUNTER_SLOTS.items()
        for i, (x, z) in enumerate(places)
    ]
    found.append(Slot("board", 0, (centres["prep"] + BOARD_SLOT[0], WORKTOP + 0.024, BOARD_SLOT[1])))
    for area, places in SHELVES.items():
        found += [Slot(area, i, (centres.get(area, 0.0) + x, y, z)) for i, (x, y, z) in enumerate(places)]
    return found


def toaster_slot(scene: Scene) -> Point:
    """Where a slice goes into the toaster."""
    x, y, z = toaster_place(scene)
    return x, y + 0.185, z - 0.03


def toaster_place(scene: Scene) -> Point:
    """Where the toaster stands."""
    return scene.room.centres["toast"] - 0.16, WORKTOP, 0.74


def kettle_place(scene: Scene) -> Point:
    """Where the kettle stands."""
    return scene.room.centres["toast"] + 0.2, WORKTOP, 0.74


def kettle_slot(scene: Scene) -> Slot:
    """The kettle's own place, which nothing else takes."""
    return Slot("toast", 9, kettle_place(scene))


def tap_place(scene: Scene) -> Point:
    """Where the tap stands."""
    return scene.room.centres["sink"], WORKTOP, TAP_Z


def stance(scene: Scene, area: str, at: Point) -> Stance:
    """Where to stand and look to handle something at `at` in an area."""
    x, y, z = at
    centre = scene.room.centres.get(area, 0.0)
    if area == "fridge":
        return Stance((centre, EYE_HEIGHT, -0.58), (centre + 0.4 * (x - centre), 1.2, 0.2), 1.0)
    if area == "cupboard":
        return Stance((centre, EYE_HEIGHT + 0.04, -0.2), (centre, 1.62, 0.56), 1.0)
    if area == "drawer":
        return Stance((centre, EYE_HEIGHT, -0.32), (centre, 0.8, 0.06), 1.0)
    if area == "light":
        return Stance((0.0, EYE_HEIGHT - 0.04, 0.02), (x * 0.9, 1.12, 0.85), 1.15)
    eye = (centre, EYE_HEIGHT - 0.04, 0.02)
    return Stance(eye, (centre + 0.92 * (x - centre), WORKTOP + 0.07, z - 0.06), 1.16 + 0.45 * max(z - 0.5, 0))


def _tap_switch(scene: Scene) -> tuple[str, Point, Point]:
    x, y, z = tap_place(scene)
    return "sink", (x + 0.09, y + 0.13, z - 0.02), (scene.spout[0], WORKTOP, 0.78)


def _hob_switch(scene: Scene) -> tuple[str, Point, Point]:
    return "hob", (scene.room.centres["hob"] + KNOBS_X[1], WORKTOP + 0.02, KNOBS_Z), scene.burner


def _light_switch(scene: Scene) -> tuple[str, Point, Point]:
    x, y, z = scene.lamp
    return "light", (x, y - 0.14, z - 0.03), scene.lamp


def _kettle_switch(scene: Scene) -> tuple[str, Point, Point]:
    x, y, z = kettle_place(scene)
    switch = (x + 0.06, y + 0.03, z - 0.06)
    return "toast", switch, switch


SWITCHES: dict[str, Callable[[Scene], tuple[str, Point, Point]]] = {
    "tap": _tap_switch,
    "hob": _hob_switch,
    "light": _light_switch,
    "kettle": _kettle_switch,
}
"""By device: its area, the switch, and what the cook looks at."""
