"""The solids of every movable thing and ornament, in metres; knows nothing about colours.

Each shape is a tuple of parts, which `coats.py` colours part by part. Small things are a little larger than
life, so that they can be told apart in a small picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from egoact.kitchen.solids import (
    Distance,
    Surface,
    Vector,
    ball,
    block,
    both,
    cut,
    lathe,
    ring,
    rod,
    trace,
    tube,
)

PIXELS_PER_METRE = 330.0
SUPERSAMPLING = 1.45


@dataclass(frozen=True)
class Shape:
    """Parts of a thing inside a box.

    Args:
        parts: Distance functions, one a material.
        low: Lower corner of the box.
        high: Upper corner.
        footprint: Half width and half depth of what touches the worktop, for its shadow.
        yaw_degrees: How it stands, seen from the cook.
    """

    parts: tuple[Distance, ...]
    low: Vector
    high: Vector
    footprint: tuple[float, float]
    yaw_degrees: float = 0.0


def _vessel(profile_out: list[tuple[float, float]], thickness: float) -> Distance:
    """An open vessel: an outline from the bottom centre outwards and up, hollow inside."""
    inside = [(max(r - thickness, 0.0), y + (thickness if i < 2 else 0.0)) for i, (r, y) in enumerate(profile_out)]
    return lathe([*profile_out, *reversed(inside)], rounding=0.0015)


def _plate() -> Shape:
    body = lathe([(0, 0), (0.085, 0), (0.15, 0.02), (0.15, 0.025), (0.095, 0.009), (0, 0.009)], rounding=0.002)
    return Shape((body,), (-0.155, 0, -0.155), (0.155, 0.03, 0.155), (0.13, 0.13))


def _bowl() -> Shape:
    body = _vessel([(0, 0), (0.045, 0), (0.085, 0.03), (0.105, 0.085)], 0.007)
    return Shape((body,), (-0.11, 0, -0.11), (0.11, 0.09, 0.11), (0.08, 0.08))


def _cup() -> Shape:
    body = _vessel([(0, 0), (0.048, 0), (0.054, 0.03), (0.054, 0.115)], 0.006)
    handle = cut(ring((0.06, 0.06, 0), 0.034, 0.0085, axis=2), tube(0.051, -0.01, 0.2))
    return Shape((body, handle), (-0.06, 0, -0.06), (0.105, 0.12, 0.06), (0.055, 0.055))


def _glass() -> Shape:
    body = _vessel([(0, 0), (0.038, 0), (0.043, 0.05), (0.05, 0.15)], 0.005)
    water = tube(0.040, 0.008, 0.075)
    return Shape((body, water), (-0.055, 0, -0.055), (0.055, 0.155, 0.055), (0.045, 0.045))


def _bottle() -> Shape:
    body = lathe(
        [(0, 0), (0.045, 0), (0.045, 0.17), (0.03, 0.21), (0.016, 0.24), (0.016, 0.285), (0, 0.285)], rounding=0.003
    )
    cap = tube(0.02, 0.285, 0.315)
    return Shape((body, cap), (-0.05, 0, -0.05), (0.05, 0.32, 0.05), (0.05, 0.05))


def _knife() -> Shape:
    handle = block((-0.105, 0.013, 0), (0.065, 0.012, 0.016), rounding=0.008)

    def blade(p: np.ndarray) -> np.ndarray:
        width = 0.03 * np.clip((0.185 - p[:, 0]) / 0.13, 0.02, 1)
        return (
            np.maximum.reduce(
                [np.abs(p[:, 0] - 0.07) - 0.115, np.abs(p[:, 1] - 0.012) - 0.003, p[:, 2] - 0.014, -p[:, 2] - width]
            )
            * 0.7
        )

    return Shape((handle, blade), (-0.175, 0, -0.035), (0.19, 0.03, 0.02), (0.15, 0.02))


def _spoon() -> Shape:
    stem = rod((-0.17, 0.012, 0), (0.08, 0.012, 0), 0.0095)
    head = cut(
        ball((0.125, 0.012, 0), 0.05, stretch=(1.0, 0.32, 0.68)), ball((0.125, 0.03, 0), 0.045, stretch=(1, 0.5, 0.66))
    )
    return Shape((both(stem, head),), (-0.185, 0, -0.04), (0.18, 0.03, 0.04), (0.15, 0.02))


def _pan() -> Shape:
    body = _vessel([(0, 0), (0.115, 0), (0.135, 0.05)], 0.006)
    handle = both(rod((0.13, 0.042, 0), (0.3, 0.062, 0), 0.0145), ball((0.3, 0.062, 0), 0.017))
    return Shape((body, handle), (-0.14, 0, -0.14), (0.322, 0.085, 0.14), (0.125, 0.125))


def _pot() -> Shape:
    body = _vessel([(0, 0), (0.115, 0), (0.12, 0.04), (0.12, 0.13)], 0.006)
    handles = both(*(ring((s * 0.125, 0.105, 0), 0.03, 0.009, axis=1) for s in (-1, 1)))
    soup = tube(0.114, 0.01, 0.085)
    return Shape(
        (body, cut(handles, tube(0.117, 0, 0.2)), soup), (-0.167, 0, -0.125), (0.167, 0.14, 0.125), (0.12, 0.12)
    )


def _board() -> Shape:
    hole = block((0.165, 0.02, 0), (0.012, 0.006, 0.045), rounding=0.004)
    slab = block((0, 0.011, 0), (0.2, 0.011, 0.13), rounding=0.01)
    return Shape(
        (cut(slab, hole), block((0.165, 0.008, 0), (0.013, 0.006, 0.046))),
        (-0.205, 0, -0.135),
        (0.205, 0.025, 0.135),
        (0.19, 0.12),
        6,
    )


def _tomato() -> Shape:
    body = ball((0, 0.048, 0), 0.058, stretch=(1, 0.84, 1))
    star = both(
        *(
            rod((0, 0.096, 0), (0.03 * np.cos(a), 0.089, 0.03 * np.sin(a)), 0.0055)
            for a in np.arange(5) * 2 * np.pi / 5
        ),
        rod((0, 0.094, 0), (0.004, 0.112, 0), 0.004),
    )
    return Shape((body, star), (-0.06, 0, -0.06), (0.06, 0.115, 0.06), (0.05, 0.05))


def _apple() -> Shape:
    body = cut(ball((0, 0.05, 0), 0.055, stretch=(1, 0.95, 1)), ball((0, 0.115, 0), 0.02))
    return Shape(
        (body, rod((0, 0.09, 0), (0.01, 0.125, 0), 0.004)), (-0.06, 0, -0.06), (0.06, 0.13, 0.06), (0.045, 0.045)
    )


def _onion() -> Shape:
    body = both(
        ball((0, 0.045, 0), 0.054, stretch=(1, 0.86, 1)), lathe([(0, 0.08), (0.028, 0.08), (0.006, 0.12), (0, 0.12)])
    )
    return Shape((body,), (-0.056, 0, -0.056), (0.056, 0.122, 0.056), (0.045, 0.045))


def _bread() -> Shape:
    body = block((0, 0.055, 0), (0.125, 0.055, 0.065), rounding=0.042)
    return Shape((body,), (-0.127, 0, -0.067), (0.127, 0.112, 0.067), (0.12, 0.06), 14)


def _slice() -> Shape:
    body = both(
        block((0, 0.055, 0), (0.066, 0.055, 0.013), rounding=0.009),
        block((-0.035, 0.108, 0), (0.04, 0.026, 0.013), rounding=0.012),
        block((0.035, 0.108, 0), (0.04, 0.026, 0.013), rounding=0.012),
    )
    return Shape((body,), (-0.076, 0, -0.014), (0.076, 0.135, 0.014), (0.06, 0.015), 12)


def _milk() -> Shape:
    carton = block((0, 0.095, 0), (0.047, 0.095, 0.047), rounding=0.003)

    def gable(p: np.ndarray) -> np.ndarray:
        roof = (p[:, 1] - 0.19 + np.maximum(np.abs(p[:, 2]) * 1.05 - 0.047, -0.04)) * 0.68
        return np.maximum.reduce([roof, 0.185 - p[:, 1], np.abs(p[:, 0]) - 0.046])

    cap = tube(0.016, 0, 0.02)
    tilt = lambda p: cap(p - np.array([0.0, 0.205, -0.03]))  # noqa: E731
    fin = block((0, 0.237, 0), (0.046, 0.013, 0.003))
    return Shape((both(carton, gable, fin), tilt), (-0.05, 0, -0.05), (0.05, 0.252, 0.05), (0.05, 0.05), 28)


def _cereal() -> Shape:
    return Shape(
        (block((0, 0.14, 0), (0.088, 0.14, 0.033), rounding=0.003),),
        (-0.09, 0, -0.035),
        (0.09, 0.285, 0.035),
        (0.09, 0.035),
        20,
    )


def _sponge() -> Shape:
    soft = block((0, 0.017, 0), (0.068, 0.017, 0.045), rounding=0.006)
    scourer = block((0, 0.038, 0), (0.068, 0.007, 0.045), rounding=0.004)
    return Shape((soft, scourer), (-0.07, 0, -0.047), (0.07, 0.047, 0.047), (0.065, 0.042), 18)


def _kettle() -> Shape:
    body = lathe([(0, 0.02), (0.088, 0.02), (0.085, 0.08), (0.066, 0.19), (0.05, 0.205), (0, 0.21)], rounding=0.003)
    trim = both(
        tube(0.095, 0, 0.02),
        ball((0, 0.22, 0), 0.014),
        cut(ring((0.078, 0.125, 0), 0.062, 0.013, axis=2), tube(0.074, 0, 0.3)),
    )
    spout = rod((-0.06, 0.15, 0), (-0.108, 0.19, 0), 0.017)
    return Shape((both(body, spout), trim), (-0.128, 0, -0.097), (0.155, 0.236, 0.097), (0.095, 0.095))


def _toaster() -> Shape:
    body = block((0, 0.1, 0), (0.16, 0.09, 0.095), rounding=0.028)
    slots = both(*(block((0, 0.19, z), (0.115, 0.02, 0.013)) for z in (-0.034, 0.034)))
    trim = both(
        block((0.165, 0.13, 0), (0.012, 0.012, 0.025), rounding=0.005), block((0, 0.012, 0), (0.14, 0.012, 0.08))
    )
    floor = both(*(block((0, 0.16, z), (0.115, 0.012, 0.013)) for z in (-0.034, 0.034)))
    return Shape((cut(body, slots), trim, floor), (-0.165, 0, -0.1), (0.18, 0.195, 0.1), (0.16, 0.09), 8)


def _tap() -> Shape:
    arc = [(0.0, 0.2 + 0.1 * np.sin(a), -0.1 + 0.1 * np.cos(a)) for a in np.linspace(0, np.pi * 0.8, 6)]
    bend = both(*(rod(a, b, 0.0155) for a, b in zip(arc, arc[1:], strict=False)))
    spout = rod(arc[-1], (0, 0.2, -0.19), 0.0165)
    stem = both(rod((0, 0, 0), (0, 0.2, 0), 0.0155), tube(0.034, 0, 0.02))
    lever = both(rod((0.02, 0.07, 0), (0.06, 0.085, 0), 0.011), rod((0.055, 0.085, 0), (0.085, 0.14, 0), 0.0085))
    return Shape((both(stem, bend, spout), lever), (-0.036, 0, -0.21), (0.096, 0.32, 0.036), (0.04, 0.04), 24)


def _plant() -> Shape:
    pot = lathe([(0, 0), (0.05, 0), (0.068, 0.1), (0.06, 0.1), (0, 0.09)], rounding=0.003)
    turns = np.arange(11) * 2.4
    leaves = both(
        *(rod((0, 0.09, 0), (0.085 * np.cos(a), 0.17 + 0.05 * np.sin(5 * a), 0.085 * np.sin(a)), 0.016) for a in turns),
        *(ball((0.075 * np.cos(a), 0.2 + 0.05 * np.sin(3 * a), 0.075 * np.sin(a)), 0.03) for a in turns[:7]),
    )
    return Shape((pot, leaves), (-0.12, 0, -0.12), (0.12, 0.29, 0.12), (0.06, 0.06))


def _jar() -> Shape:
    return Shape(
        (tube(0.034, 0, 0.075, rounding=0.008), tube(0.032, 0.075, 0.1)),
        (-0.036, 0, -0.036),
        (0.036, 0.102, 0.036),
        (0.035, 0.035),
    )


def _roll() -> Shape:
    return Shape(
        (cut(tube(0.06, 0.012, 0.24), tube(0.018, 0.2, 0.3)), both(tube(0.075, 0, 0.012), tube(0.01, 0, 0.29))),
        (-0.077, 0, -0.077),
        (0.077, 0.292, 0.077),
        (0.075, 0.075),
    )


def _crock() -> Shape:
    jar = _vessel([(0, 0), (0.055, 0), (0.06, 0.13)], 0.006)
    tools = both(
        rod((0.01, 0.02, 0), (0.06, 0.27, 0.02), 0.008),
        ball((0.064, 0.28, 0.02), 0.03, stretch=(1, 1.2, 0.4)),
        rod((-0.01, 0.02, 0), (-0.05, 0.26, 0), 0.007),
        block((-0.054, 0.28, 0), (0.022, 0.04, 0.004)),
        rod((0, 0.02, 0.02), (0.005, 0.3, 0.04), 0.007),
    )
    return Shape((jar, tools), (-0.085, 0, -0.062), (0.1, 0.325, 0.075), (0.06, 0.06))


def _soap() -> Shape:
    body = lathe([(0, 0), (0.034, 0), (0.036, 0.1), (0.014, 0.13), (0, 0.13)], rounding=0.003)
    pump = both(rod((0, 0.12, 0), (0, 0.165, 0), 0.006), rod((0, 0.165, 0), (-0.035, 0.16, 0), 0.007))
    return Shape((body, pump), (-0.045, 0, -0.038), (0.04, 0.175, 0.038), (0.037, 0.037))


def _lamp() -> Shape:
    bulb = ball((0, 0.075, 0), 0.068)
    arm = both(rod((0, 0.13, 0.0), (0, 0.16, 0.02), 0.02), block((0, 0.155, 0.03), (0.045, 0.03, 0.012)))
    cord = both(rod((0, 0.01, 0), (0, -0.06, 0), 0.0035), ball((0, -0.068, 0), 0.011))
    return Shape((bulb, both(arm, cord)), (-0.07, -0.08, -0.07), (0.07, 0.19, 0.07), (0.03, 0.03))


def _tub() -> Shape:
    body = lathe([(0, 0), (0.042, 0), (0.052, 0.075), (0, 0.075)], rounding=0.002)
    return Shape((body, tube(0.056, 0.075, 0.09)), (-0.058, 0, -0.058), (0.058, 0.092, 0.058), (0.05, 0.05))


SHAPES: dict[str, Callable[[], Shape]] = {
    "plate": _plate,
    "bowl": _bowl,
    "cup": _cup,
    "glass": _glass,
    "bottle": _bottle,
    "knife": _knife,
    "spoon": _spoon,
    "pan": _pan,
    "pot": _pot,
    "board": _board,
    "tomato": _tomato,
    "apple": _apple,
    "onion": _onion,
    "bread": _bread,
    "slice": _slice,
    "milk": _milk,
    "cereal": _cereal,
    "sponge": _sponge,
    "kettle": _kettle,
    "toaster": _toaster,
    "tap": _tap,
    "plant": _plant,
    "jar": _jar,
    "roll": _roll,
    "crock": _crock,
    "soap": _soap,
    "lamp": _lamp,
    "tub": _tub,
}


@cache
def shape(name: str) -> Shape:
    """The shape of a thing in `SHAPES`."""
    return SHAPES[name]()


@cache
def surface(name: str, elevation_degrees: int) -> Surface:
    """What is seen of a thing from an angle above the horizon."""
    thing = shape(name)
    return trace(
        thing.parts,
        low=thing.low,
        high=thing.high,
        elevation=float(np.radians(elevation_degrees)),
        yaw=float(np.radians(thing.yaw_degrees)),
        pixels_per_metre=PIXELS_PER_METRE * SUPERSAMPLING,
    )
