"""Solids of what stands in a kitchen and is not carried about, metres."""

from collections.abc import Callable

import numpy as np

from egoact.kitchen.things.solids import Shape, ball, block, both, cut, lathe, rod, tube, vessel


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
    jar = vessel([(0, 0), (0.055, 0), (0.06, 0.13)], 0.006)
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


ORNAMENTS: dict[str, Callable[[], Shape]] = {
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
