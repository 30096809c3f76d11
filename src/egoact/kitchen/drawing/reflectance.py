"""Colours of things: maps points on a surface to reflectance, by thing and by the cook's taste.

Every reflectance_of takes points (K, 3), the part index (K,) and a palette, and returns reflectance (K, 3) in 0..1,
gloss (K,) and opacity (K,).
"""

from collections.abc import Callable, Mapping

import numpy as np

Colour = tuple[float, float, float]
Palette = Mapping[str, Colour]
Reflectance = tuple[np.ndarray, np.ndarray, np.ndarray]


def rgb(code: str) -> Colour:
    """'d04020' as reflectances in 0..1."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


WHITE, BLACK, STEEL, WOOD = rgb("f2efe8"), rgb("26262a"), rgb("a9adb3"), rgb("b98a58")


def _mix(choice: np.ndarray, first: np.ndarray | Colour, second: np.ndarray | Colour) -> np.ndarray:
    """`second` where choice is 1, `first` where 0."""
    weight = np.asarray(choice, float)[:, None]
    return np.asarray(first) * (1 - weight) + np.asarray(second) * weight


def _band(values: np.ndarray, low: float, high: float, soft: float = 0.0015) -> np.ndarray:
    return np.clip((values - low) / soft, 0, 1) * np.clip((high - values) / soft, 0, 1)


def _grain(p: np.ndarray, scale: float) -> np.ndarray:
    """Streaks along x, about -1..1."""
    wave = np.sin(p[:, 2] * scale + 1.5 * np.sin(p[:, 0] * 9 + p[:, 2] * 40) + p[:, 1] * 60)
    return 0.7 * wave + 0.3 * np.sin(p[:, 2] * scale * 3.1 + p[:, 0] * 17)


def _speckle(p: np.ndarray, size: float) -> np.ndarray:
    """Hashed noise in 0..1, one value a cell of `size` metres."""
    cell = np.floor(p / size)
    return np.modf(np.abs(np.sin(cell @ np.array([12.9898, 78.233, 37.719])) * 43758.5453))[0]


def _plain(*colours: Colour) -> Callable[[np.ndarray, np.ndarray, Palette], np.ndarray]:
    return lambda p, part, palette: np.asarray(colours)[part]


def _plate(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    radius = np.hypot(p[:, 0], p[:, 2])
    colours = _mix(_band(radius, 0.112, 0.142), WHITE, palette["plate"])
    return _mix(_band(radius, 0.098, 0.102), colours, palette["plate"])


def _bowl(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    edge = 0.045 + np.interp(p[:, 1], [0, 0.03, 0.085], [0, 0.04, 0.06])
    inside = np.hypot(p[:, 0], p[:, 2]) < edge - 0.004
    colours = _mix(_band(p[:, 1], 0.045, 0.052), palette["bowl"], WHITE)
    return _mix(inside, colours, rgb("f4ecd6"))


def _cup(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    inside = (np.hypot(p[:, 0], p[:, 2]) < 0.05) & (p[:, 1] > 0.01) & (part == 0)
    colours = _mix(_band(p[:, 1], 0.05, 0.075) * (part == 0), palette["cup"], WHITE)
    return _mix(inside, colours, rgb("f5efe4"))


def _bottle(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    label = _band(p[:, 1], 0.05, 0.14) * (part == 0)
    colours = np.asarray([palette["bottle"], rgb("c9a13b")])[part]
    colours = _mix(label, colours, rgb("efe4c4"))
    return _mix(_band(p[:, 1], 0.085, 0.108) * (part == 0), colours, rgb("8c2f25"))


def _wooden(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    return np.asarray(palette["spoon"]) * (1 + 0.1 * _grain(p, 300))[:, None]


def _pan(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    inside = (p[:, 1] < 0.049) & (np.hypot(p[:, 0], p[:, 2]) < 0.112 + p[:, 1] * 0.38)
    outside = np.asarray([palette["pan"], BLACK])[part]
    return _mix(inside & (part == 0), outside, rgb("38383c"))


def _pot(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    colours = np.asarray([palette["pot"], BLACK, rgb("e0851f")])[part]
    soup = _mix(_speckle(p * (1, 0, 1), 0.012) > 0.86, colours, rgb("7d9b35"))
    return np.where((part == 2)[:, None], soup, _mix(_band(p[:, 1], 0.122, 0.14), colours, STEEL))


def _board(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    strip = _speckle(np.floor(p / (9, 9, 0.037)) + 0.5, 1.0)
    wood = np.asarray(palette["board"]) * (0.9 + 0.16 * strip + 0.05 * _grain(p, 260))[:, None]
    return np.where((part == 1)[:, None], wood * 0.35, wood)


def _apple(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    turn = np.arctan2(p[:, 2], p[:, 0])
    streak = 0.5 + 0.5 * np.sin(turn * 2 + 0.6) + 0.15 * np.sin(turn * 23)
    flesh = _mix(np.clip(streak - 0.7, 0, 1), rgb("8dbb2f"), rgb("c9cf45"))
    return np.where((part == 1)[:, None], rgb("5a3c20"), flesh)


def _onion(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    stripes = 0.5 + 0.5 * np.sin(np.arctan2(p[:, 2], p[:, 0]) * 15)
    return _mix(stripes * 0.55 + _band(p[:, 1], 0.088, 0.2) * 0.4, palette["onion"], rgb("e8c487"))


def _bread(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    slash = _band(np.mod(p[:, 0] + 0.35 * p[:, 2] + 1, 0.055), 0.0, 0.013, 0.003) * (p[:, 1] > 0.075)
    crust = np.asarray(rgb("b8722e")) * (0.8 + 3.0 * p[:, 1:2]) * (0.93 + 0.14 * _speckle(p, 0.006))[:, None]
    return _mix(slash, crust, rgb("f0d8a4"))


def _slice(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    crumb = (np.abs(p[:, 0]) < 0.062) & (p[:, 1] < 0.124) & (p[:, 1] > 0.008) & (np.abs(p[:, 2]) > 0.009)
    colours = np.asarray(rgb("fbe8b8")) * (0.92 + 0.14 * _speckle(p, 0.005))[:, None]
    return np.where(crumb[:, None], colours, rgb("a8662a"))


def _milk(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    blob = np.hypot(p[:, 0], (p[:, 1] - 0.115) * 0.8) < 0.026
    wave = p[:, 1] < 0.065 + 0.012 * np.sin(p[:, 0] * 55 + p[:, 2] * 55)
    colours = _mix(wave | (p[:, 1] > 0.19), rgb("f7f7f4"), palette["milk"])
    return np.where((part == 1)[:, None], rgb("d83a2e"), _mix(blob & (p[:, 2] < -0.04), colours, palette["milk"]))


def _cereal(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    disc = np.hypot(p[:, 0], p[:, 1] - 0.105)
    colours = _mix(_band(p[:, 1], 0.2, 0.26), palette["cereal"], rgb("b3261e"))
    colours = _mix(_band(p[:, 1], 0.218, 0.242) * (np.abs(p[:, 0]) < 0.062), colours, rgb("fff3cf"))
    colours = _mix(disc < 0.062, colours, rgb("fbf4e2"))
    return _mix((disc < 0.05) & (_speckle(p, 0.013) > 0.35), colours, rgb("a85f1c"))


def _sponge(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    pores = 1 - 0.22 * (_speckle(p, 0.007) > 0.75)
    return np.asarray([rgb("f5c51d"), palette["sponge"]])[part] * pores[:, None]


def _kettle(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    window = _band(p[:, 1], 0.06, 0.16) * (np.abs(p[:, 0] - 0.03) < 0.009) * (p[:, 2] < 0)
    return np.where((part == 1)[:, None], BLACK, _mix(window, palette["kettle"], rgb("4b6f8f")))


def _leaves(p: np.ndarray, part: np.ndarray, palette: Palette) -> np.ndarray:
    green = np.asarray(rgb("3f7d33")) * (0.7 + 0.6 * _speckle(p, 0.02))[:, None]
    return np.where((part == 1)[:, None], green, palette["clutter"])


def _clutter(second: Colour) -> Callable[[np.ndarray, np.ndarray, Palette], np.ndarray]:
    return lambda p, part, palette: np.asarray([palette["clutter"], second])[part]


REFLECTANCES: dict[str, tuple[Callable[[np.ndarray, np.ndarray, Palette], np.ndarray], float]] = {
    "plate": (_plate, 0.35),
    "bowl": (_bowl, 0.35),
    "cup": (_cup, 0.4),
    "glass": (_plain(rgb("d5e6ee"), rgb("a8d3e8")), 0.9),
    "bottle": (_bottle, 0.7),
    "knife": (_plain(BLACK, rgb("c9ced4")), 0.6),
    "spoon": (_wooden, 0.05),
    "pan": (_pan, 0.3),
    "pot": (_pot, 0.5),
    "board": (_board, 0.05),
    "tomato": (_plain(rgb("d92b1c"), rgb("3f7f2c")), 0.5),
    "apple": (_apple, 0.4),
    "onion": (_onion, 0.2),
    "bread": (_bread, 0.05),
    "slice": (_slice, 0.0),
    "milk": (_milk, 0.15),
    "cereal": (_cereal, 0.15),
    "sponge": (_sponge, 0.0),
    "kettle": (_kettle, 0.7),
    "toaster": (lambda p, part, palette: np.asarray([palette["toaster"], BLACK, BLACK])[part], 0.6),
    "tap": (_plain(rgb("b9bec4"), rgb("cfd3d8")), 0.9),
    "plant": (_leaves, 0.1),
    "jar": (_clutter(rgb("8a5a32")), 0.5),
    "roll": (_plain(rgb("f4f2ee"), WOOD), 0.0),
    "crock": (_clutter(rgb("b98d5e")), 0.2),
    "soap": (_clutter(rgb("e9e9e6")), 0.5),
    "tub": (_clutter(rgb("e8e6e0")), 0.2),
    "lamp": (_plain(rgb("f3ead2"), rgb("6b5a3e")), 0.3),
}


def reflectance_of(name: str, points: np.ndarray, part: np.ndarray, palette: Palette) -> Reflectance:
    """Reflectance, gloss and opacity of a thing's surface points."""
    paint, gloss = REFLECTANCES[name]
    colours = np.asarray(paint(points, part, palette), float)
    opacity = np.ones(len(points))
    if name == "glass":
        rim = np.abs(points[:, 1] - 0.15) < 0.006
        opacity = np.where(part == 1, 0.72, np.where(rim, 0.9, 0.45))
    return colours, np.full(len(points), gloss), opacity
