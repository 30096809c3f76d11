"""The parts of a kitchen that never move: walls, floor, window, worktop, cupboards, sink, hob.

             wall cupboards (prep, toast, hob: hood, sink: window)
┌────────┬─────────────────────────────────────────┐  z = BACK
│ fridge │   worktop at y = WORKTOP                │
└────────┴─────────────────────────────────────────┘  z = FRONT
                    cook at z = 0
"""

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from egoact.kitchen.drawing import textures
from egoact.kitchen.drawing.paint import Panel
from egoact.kitchen.drawing.planes import facing, facing_left, facing_right, top, underside
from egoact.kitchen.drawing.reflectance import rgb
from egoact.kitchen.rooms.styles import KitchenStyle

WORKTOP, FRONT, BACK = 0.92, 0.24, 0.9
WIDTHS = {"fridge": 0.74, "hob": 0.74, "prep": 1.04, "sink": 0.94, "toast": 0.8}
SHELF_Y, SHELF_TOP, SHELF_Z = 1.38, 2.05, 0.56
BURNERS = ((-0.16, 0.43), (0.16, 0.43), (-0.16, 0.7), (0.16, 0.7))
KNOBS_X, KNOBS_Z = (-0.12, -0.04, 0.04, 0.12), 0.32
BASIN_X, BASIN_Z, BASIN_DEPTH = (-0.3, 0.2), (0.36, 0.74), 0.16
FRIDGE_DOOR_Y, FRIDGE_Z = (0.72, 1.85), 0.14
DRAWER_X, DRAWER_Y = (-0.3, 0.3), (0.68, 0.86)
CUPBOARD_X = (-0.26, 0.26)


@dataclass
class Room:
    """Where the parts of one kitchen are, and their panels, which are made when they are first asked for.

    Args:
        style: What it looks like.
    """

    style: KitchenStyle
    centres: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.style.seed)
        self.centres = _centres(self.style.order)
        self.left = min(self.centres[m] - WIDTHS[m] / 2 for m in self.centres)
        self.right = max(self.centres[m] + WIDTHS[m] / 2 for m in self.centres)

    @cached_property
    def panels(self) -> tuple[list[Panel], list[Panel]]:
        """Those behind the wall cupboard's door, and those before it, in the order in which they are painted."""
        return [*self._shell(), *self._wall(), *self._wall_cupboards()], [*self._base(), *self._hob()]

    def front(self, size: tuple[float, float], handle: str) -> np.ndarray:
        """The texture of a door or drawer in this kitchen's style; `handle` is a side or "none"."""
        style, colour, wooden = self.style.fronts
        if handle not in ("none", "top"):
            handle = f"{self.style.handle}-{handle}"
        elif handle == "top":
            handle = "bar-top" if self.style.handle == "bar" else "knob-top"
        metal = rgb("c4c7ca") if self.style.handle == "bar" else rgb("8d7a58")
        return textures.front(size, self._rng, colour, style=style, handle=handle, metal=metal, wooden=wooden)

    def span(self, module: str) -> tuple[float, float]:
        """Where a module begins and ends along x."""
        centre, width = self.centres[module], WIDTHS[module]
        return centre - width / 2, centre + width / 2

    def _shell(self) -> list[Panel]:
        x, z = (self.left - 0.5, self.right + 0.5), (-2.2, BACK)
        wall = textures.plaster((2.0, 1.3), self._rng, self.style.wall)
        colour, planks = self.style.floor
        if planks:
            floor = textures.wood((2.6, 1.6), self._rng, colour, plank=0.12)
        else:
            floor = textures.tiles(
                (2.6, 1.6),
                self._rng,
                colour,
                (colour[0] * 0.7, colour[1] * 0.7, colour[2] * 0.7),
                tile=(0.33, 0.33),
                shifted=False,
            )
        return [
            top(x, 0.0, (z[0], FRONT + 0.06), textures.shaded(floor, top=0.6, bottom=0.9)),
            underside(x, 2.5, z, textures.plaster((1.0, 1.0), self._rng, rgb("f4f3f0"))),
            facing(x, (SHELF_Y, 2.5), BACK, textures.shaded(wall, sides=0.85)),
            facing((x[0], self.left), (0, SHELF_Y), BACK, wall),
            facing((self.right, x[1]), (0, SHELF_Y), BACK, wall),
            facing_right(x[0], (0, 2.5), z, textures.shaded(wall, top=0.9, bottom=0.75)),
            facing_left(x[1], (0, 2.5), z, textures.shaded(wall, top=0.9, bottom=0.75)),
        ]

    def _wall(self) -> list[Panel]:
        colour, grout, width, height, shifted = self.style.tiles
        x = (self.left, self.right)
        tiling = textures.tiles(
            (x[1] - x[0], SHELF_Y - WORKTOP + 0.1),
            self._rng,
            colour,
            grout,
            tile=(width, height),
            shifted=shifted,
            accents=self.style.accents,
        )
        tiling = textures.shaded(tiling, top=0.72, bottom=0.98, sides=0.9)
        window = textures.garden((0.9, 0.85), self._rng, rgb("d7e6f2"), rgb("f2f1ec"))
        centre = self.centres["sink"]
        return [
            facing(x, (WORKTOP, SHELF_Y + 0.1), BACK - 0.004, tiling),
            facing((centre - 0.42, centre + 0.42), (1.12, 1.95), BACK - 0.008, window),
        ]

    def _wall_cupboards(self) -> list[Panel]:
        panels = []
        for module in ("prep", "toast"):
            x0, x1 = self.span(module)
            doors = [(x0, x1)]
            if module == "prep":
                middle = self.centres[module]
                doors = [(x0, middle + CUPBOARD_X[0]), (middle + CUPBOARD_X[1], x1)]
            panels += self._box((x0, x1), (SHELF_Y, SHELF_TOP), (SHELF_Z, BACK))
            panels += [self._door(d, (SHELF_Y, SHELF_TOP), SHELF_Z - 0.002, "right") for d in doors]
        x0, x1 = self.span("hob")
        metal = textures.steel((x1 - x0, 0.2), self._rng, rgb("aab0b5"))
        hood = (x0 + 0.04, x1 - 0.04)
        panels += [
            facing_left(hood[0], (1.55, 1.72), (0.5, BACK), textures.shaded(metal, top=0.75, bottom=0.6)),
            facing_right(hood[1], (1.55, 1.72), (0.5, BACK), textures.shaded(metal, top=0.75, bottom=0.6)),
            underside(hood, 1.55, (0.5, BACK), textures.shaded(metal, top=0.5, bottom=0.4)),
            facing(hood, (1.55, 1.72), 0.5, metal),
            facing((x0 + 0.2, x1 - 0.2), (1.72, 2.5), 0.66, textures.shaded(metal, top=0.8)),
        ]
        return panels

    def _door(self, x: tuple[float, float], y: tuple[float, float], z: float, handle: str) -> Panel:
        return facing(x, y, z, self.front((x[1] - x[0], y[1] - y[0]), handle))

    def _box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> list[Panel]:
        side = self.front((z[1] - z[0], y[1] - y[0]), "none")
        return [
            facing_left(x[0], y, z, textures.shaded(side, top=0.8, bottom=0.7)),
            facing_right(x[1], y, z, textures.shaded(side, top=0.8, bottom=0.7)),
            underside(x, y[0], z, textures.shaded(side, top=0.55, bottom=0.45)),
        ]

    def _worktop_texture(self, width: float) -> np.ndarray:
        kind, colour, second = self.style.worktop
        size = (width, BACK - FRONT + 0.02)
        if kind == "wood":
            texture = textures.wood(size, self._rng, colour, plank=0.055)
        else:
            texture = textures.stone(size, self._rng, colour, second, kind=kind)
        return textures.shaded(texture, top=0.74, bottom=1.03, sides=0.94)

    def _base(self) -> list[Panel]:
        runs, panels = _runs(self.style.order, self), []
        for x0, x1 in runs:
            texture = self._worktop_texture(x1 - x0)
            panels.append(top((x0, x1), WORKTOP, (FRONT - 0.02, BACK), texture))
            edge = textures.shaded(texture[-14:-2], top=0.85, bottom=0.6)
            panels.append(facing((x0, x1), (WORKTOP - 0.035, WORKTOP), FRONT - 0.02, edge))
        for module in self.style.order:
            if module == "fridge":
                continue
            x0, x1 = self.span(module)
            shade = textures.shaded(self.front((x1 - x0, 0.08), "none"), top=0.35, bottom=0.35)
            panels.append(facing((x0, x1), (0.0, 0.1), FRONT + 0.05, shade))
            if module == "prep":
                middle = self.centres[module]
                parts = [(x0, middle + DRAWER_X[0]), (middle + DRAWER_X[1], x1)]
                panels.append(
                    self._door((middle + DRAWER_X[0], middle + DRAWER_X[1]), (0.1, DRAWER_Y[0]), FRONT, "top")
                )
                panels += [self._door(p, (0.1, 0.88), FRONT, "top") for p in parts]
            elif module == "hob":
                panels.append(facing((x0 + 0.03, x1 - 0.03), (0.12, 0.87), FRONT, _oven(self._rng)))
            else:
                half = (x0 + x1) / 2
                panels += [self._door(p, (0.1, 0.88), FRONT, "top") for p in ((x0, half), (half, x1))]
        return panels

    def _hob(self) -> list[Panel]:
        centre = self.centres["hob"]
        return [
            top((centre - 0.33, centre + 0.33), WORKTOP + 0.004, (0.28, 0.84), _hob_plate(self.style.hob, self._rng))
        ]


def _centres(order: tuple[str, ...]) -> dict[str, float]:
    """Module centres along x; the middle of `prep` is at 0."""
    starts = np.cumsum([0.0, *(WIDTHS[m] for m in order)])
    centres = {m: float(starts[i] + WIDTHS[m] / 2) for i, m in enumerate(order)}
    return {m: x - centres["prep"] for m, x in centres.items()}


def _runs(order: tuple[str, ...], room: Room) -> list[tuple[float, float]]:
    """Unbroken lengths of worktop: what the fridge leaves."""
    edges = [room.span(m) for m in order if m != "fridge"]
    runs = [edges[0]]
    for x0, x1 in edges[1:]:
        if abs(x0 - runs[-1][1]) < 1e-6:
            runs[-1] = (runs[-1][0], x1)
        else:
            runs.append((x0, x1))
    return runs


def _oven(rng: np.random.Generator) -> np.ndarray:
    picture = textures.steel((0.68, 0.75), rng, rgb("9a9ea3")).astype(np.float32) / 255
    height, width = picture.shape[:2]
    picture[round(height * 0.28) : round(height * 0.88), round(width * 0.1) : round(width * 0.9)] = 0.09
    picture[round(height * 0.2) : round(height * 0.225), round(width * 0.1) : round(width * 0.9)] = 0.85
    return textures.finish(picture)


def _hob_plate(kind: str, rng: np.random.Generator) -> np.ndarray:
    base = rgb("17181b") if kind == "glass" else rgb("8f9499")
    picture = textures.steel((0.66, 0.56), rng, base).astype(np.float32) / 255
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    for burner_x, burner_z in BURNERS:
        column = (burner_x + 0.33) / 0.66 * width
        row = (0.84 - burner_z) / 0.56 * height
        radius = np.hypot(x - column, y - row) / textures.PIXELS_PER_METRE
        if kind == "glass":
            picture[np.abs(radius - 0.095) < 0.0035] = 0.55
            picture[np.abs(radius - 0.06) < 0.002] = 0.4
        else:
            picture[radius < 0.1] *= 0.72
            picture[radius < 0.048] = 0.16
            picture[np.abs(radius - 0.033) < 0.006] = 0.27
            grate = (np.abs(x - column) < 2.6) | (np.abs(y - row) < 2.6)
            picture[grate & (radius < 0.125)] = 0.07
            picture[np.abs(radius - 0.118) < 0.007] = 0.07
    for knob_x in KNOBS_X:
        at = (round((knob_x + 0.33) / 0.66 * width), height - 12)
        cv2.circle(picture, (at[0] + 1, at[1] + 2), 8, (0.05, 0.05, 0.05), -1, cv2.LINE_AA)
        cv2.circle(picture, at, 7, (0.75, 0.76, 0.78), -1, cv2.LINE_AA)
        cv2.line(picture, at, (at[0], at[1] - 6), (0.15, 0.15, 0.15), 2, cv2.LINE_AA)
    picture[:3], picture[-3:] = 0.45, 0.6
    return textures.finish(picture)
