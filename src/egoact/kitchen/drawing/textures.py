"""Materials of a kitchen as tileless pictures: wood, stone, tiles, steel, paint, glass fronts.

Every function returns uint8 RGB, (H, W, 3), for a surface of `size` = (width, height) metres, and draws its
randomness from the generator that it is given.
"""

import cv2
import numpy as np

from egoact.kitchen.drawing.reflectance import Colour

PIXELS_PER_METRE = 300
Size = tuple[float, float]


def _pixels(size: Size) -> tuple[int, int]:
    return max(round(size[1] * PIXELS_PER_METRE), 2), max(round(size[0] * PIXELS_PER_METRE), 2)


def _noise(shape: tuple[int, int], rng: np.random.Generator, *, cell: tuple[float, float]) -> np.ndarray:
    """Smooth noise, about -1..1, with blobs of `cell` = (height, width) pixels."""
    grid = (max(int(shape[0] / cell[0]) + 2, 2), max(int(shape[1] / cell[1]) + 2, 2))
    values = rng.uniform(-1, 1, grid).astype(np.float32)
    return cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def _clouds(shape: tuple[int, int], rng: np.random.Generator, *, cell: float, octaves: int = 4) -> np.ndarray:
    parts = [_noise(shape, rng, cell=(cell / 2**i, cell / 2**i)) / 2**i for i in range(octaves)]
    return np.sum(parts, axis=0) / 1.6


def finish(picture: np.ndarray) -> np.ndarray:
    """Float RGB in 0..1 as uint8."""
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def wood(size: Size, rng: np.random.Generator, colour: Colour, *, plank: float = 0.0) -> np.ndarray:
    """Planks of `plank` metres along the width; 0 is one board."""
    shape = _pixels(size)
    step = round(plank * PIXELS_PER_METRE) if plank else shape[0]
    picture = np.empty((*shape, 3), np.float32)
    for top in range(0, shape[0], step):
        rows = min(step, shape[0] - top)
        warp = _noise((rows, shape[1]), rng, cell=(40, 260))
        line = np.arange(rows)[:, None] / 5.5 + warp * 3.5
        grain = 0.075 * np.sin(line) + 0.05 * _noise((rows, shape[1]), rng, cell=(1.6, 90))
        tone = 1 + rng.uniform(-0.1, 0.1) * bool(plank) + grain
        if plank:
            tone[:1] *= 0.55
            joint = int(rng.integers(0, shape[1]))
            tone[:, joint : joint + 2] *= 0.6
        picture[top : top + rows] = np.asarray(colour) * tone[..., None]
    return finish(picture)


def stone(size: Size, rng: np.random.Generator, colour: Colour, vein: Colour, *, kind: str) -> np.ndarray:
    """Stone of a `kind`: "marble" has veins, "granite" has grains."""
    shape = _pixels(size)
    base = np.ones((*shape, 3), np.float32) * np.asarray(colour)
    if kind == "marble":
        field = _clouds(shape, rng, cell=170)
        lines = np.exp(-np.abs(field) * 22) * 0.75 + 0.25 * np.exp(-np.abs(_clouds(shape, rng, cell=70)) * 30)
        mix = np.clip(lines + 0.12 * _clouds(shape, rng, cell=90), 0, 1)
    elif kind == "granite":
        fine = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), 0.9) * 3
        mix = np.clip(0.25 + 0.35 * np.maximum(fine - 0.3, 0) + 0.15 * _clouds(shape, rng, cell=30), 0, 1)
    else:
        raise ValueError(f"kind must be marble or granite, got {kind!r}")
    return finish(base + (np.asarray(vein) - base) * mix[..., None])


def tiles(
    size: Size,
    rng: np.random.Generator,
    colour: Colour,
    grout: Colour,
    *,
    tile: Size,
    shifted: bool,
    spread: float = 0.05,
    accents: tuple[Colour, ...] = (),
) -> np.ndarray:
    """Glazed tiles of `tile` metres, `shifted` like bricks, some of them in an accent colour."""
    height, width = _pixels(size)
    tall, wide = (round(t * PIXELS_PER_METRE) for t in reversed(tile))
    y, x = np.mgrid[0:height, 0:width]
    row = y // tall
    offset = np.where(row % 2 == 1, wide // 2, 0) if shifted else 0
    column = (x + offset) // wide
    values = rng.uniform(-1, 1, (row.max() + 1, column.max() + 1))
    accent = rng.uniform(0, 1, values.shape) < (0.16 if accents else 0)
    picture = np.asarray(colour) * (1 + spread * values[row, column])[..., None]
    if accents:
        chosen = np.asarray(accents)[rng.integers(0, len(accents), values.shape)]
        picture = np.where(accent[row, column][..., None], chosen[row, column], picture)
    inner_y, inner_x = y % tall, (x + offset) % wide
    bevel = 0.07 * ((inner_y < 4).astype(float) - (inner_y > tall - 3)) + 0.04 * (inner_x < 4)
    gloss = 0.05 * (1 - inner_y / tall) + 0.03 * _noise((height, width), rng, cell=(60, 60))
    picture = picture * (1 + bevel + gloss)[..., None]
    joint = (inner_y < 2) | (inner_x < 2)
    return finish(np.where(joint[..., None], np.asarray(grout), picture))


def steel(size: Size, rng: np.random.Generator, colour: Colour) -> np.ndarray:
    """Brushed metal."""
    shape = _pixels(size)
    brush = 0.05 * _noise(shape, rng, cell=(1.2, 120)) + 0.08 * _noise(shape, rng, cell=(200, 90))
    return finish(np.asarray(colour) * (1 + brush)[..., None])


def plaster(size: Size, rng: np.random.Generator, colour: Colour) -> np.ndarray:
    """A painted wall."""
    shape = _pixels(size)
    return finish(np.asarray(colour) * (1 + 0.025 * _clouds(shape, rng, cell=40))[..., None])


def front(
    size: Size, rng: np.random.Generator, colour: Colour, *, style: str, handle: str, metal: Colour, wooden: bool
) -> np.ndarray:
    """The front of a cupboard or drawer.

    Args:
        size: Metres.
        rng: Randomness of the grain.
        colour: Of the paint or wood.
        style: "shaker" (framed) or "flat".
        handle: "bar-top", "bar-left", "bar-right", "knob-left", "knob-right" or "none".
        metal: Colour of the handle.
        wooden: Whether the grain shows.
    """
    picture = (wood(size, rng, colour) if wooden else plaster(size, rng, colour)).astype(np.float32) / 255
    height, width = picture.shape[:2]
    if style == "shaker":
        inset = round(min(0.055 * PIXELS_PER_METRE, width / 5, height / 5))
        picture[inset:-inset, inset:-inset] *= 0.93
        picture[inset : inset + 3, inset:-inset] *= 0.75
        picture[inset:-inset, inset : inset + 2] *= 0.8
        picture[-inset - 2 : -inset, inset:-inset] *= 1.12
    picture[:2], picture[:, :2], picture[-2:], picture[:, -2:] = (0.35 * np.asarray(colour),) * 4
    picture *= (1.04 - 0.1 * np.linspace(0, 1, height))[:, None, None]
    _draw_handle(picture, handle, metal)
    return finish(picture)


def _draw_handle(picture: np.ndarray, handle: str, metal: Colour) -> None:
    height, width = picture.shape[:2]
    shape, _, side = handle.partition("-")
    if shape == "none":
        return
    margin = round(0.04 * PIXELS_PER_METRE)
    x = {"left": margin, "right": width - margin, "top": width // 2}[side]
    y = height // 2 if side != "top" else max(min(margin, height // 3), 6)
    light = tuple(float(min(c * 1.2, 1)) for c in metal)
    if shape == "knob":
        cv2.circle(picture, (x + 2, y + 4), 9, (0.2, 0.2, 0.2), -1, cv2.LINE_AA)
        cv2.circle(picture, (x, y), 8, metal, -1, cv2.LINE_AA)
        cv2.circle(picture, (x - 2, y - 2), 3, light, -1, cv2.LINE_AA)
        return
    reach = round(0.085 * PIXELS_PER_METRE)
    step = (reach, 0) if side == "top" else (0, reach)
    ends = (x - step[0], y - step[1]), (x + step[0], y + step[1])
    cv2.line(
        picture, (ends[0][0] + 3, ends[0][1] + 5), (ends[1][0] + 3, ends[1][1] + 5), (0.22, 0.22, 0.22), 5, cv2.LINE_AA
    )
    cv2.line(picture, *ends, metal, 6, cv2.LINE_AA)
    cv2.line(picture, (ends[0][0] - 1, ends[0][1] - 1), (ends[1][0] - 1, ends[1][1] - 1), light, 2, cv2.LINE_AA)


def garden(size: Size, rng: np.random.Generator, sky: Colour, frame: Colour) -> np.ndarray:
    """A window with a blurred view."""
    shape = _pixels(size)
    down = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    picture = np.asarray(sky) * np.ones((*shape, 1)) * (1.05 - 0.1 * down[..., None])
    trees = _clouds(shape, rng, cell=80) * 0.3 + down > rng.uniform(0.45, 0.7)
    green = np.array([0.33, 0.5, 0.25]) * (1 + 0.5 * _clouds(shape, rng, cell=25))[..., None]
    picture = cv2.GaussianBlur(np.where(trees[..., None], green, picture).astype(np.float32), (0, 0), 3.5)
    bar = round(0.035 * PIXELS_PER_METRE)
    middle = shape[1] // 2
    for rows, columns in (
        (slice(0, bar), slice(None)),
        (slice(-bar, None), slice(None)),
        (slice(None), slice(0, bar)),
        (slice(None), slice(-bar, None)),
        (slice(None), slice(middle - bar // 2, middle + bar // 2)),
    ):
        picture[rows, columns] = np.asarray(frame) * 0.92
    return finish(picture)


def shaded(texture: np.ndarray, *, top: float = 1.0, bottom: float = 1.0, sides: float = 1.0) -> np.ndarray:
    """A texture with brightness running from `top` to `bottom` and darker corners at both `sides`."""
    height, width = texture.shape[:2]
    y, x = np.linspace(0, 1, height)[:, None], np.abs(np.linspace(-1, 1, width))[None, :]
    ease = y * y * (3 - 2 * y)
    factor = (top + (bottom - top) * ease) * (1 + (sides - 1) * x**4)
    return finish(texture.astype(np.float32) / 255 * factor[..., None].astype(np.float32))
