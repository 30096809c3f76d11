"""Solids of crockery, cutlery and cookware, metres."""

from collections.abc import Callable

import numpy as np

from egoact.kitchen.things.solids import Shape, ball, block, both, cut, lathe, ring, rod, tube, vessel


def _plate() -> Shape:
    body = lathe([(0, 0), (0.085, 0), (0.15, 0.02), (0.15, 0.025), (0.095, 0.009), (0, 0.009)], rounding=0.002)
    return Shape((body,), (-0.155, 0, -0.155), (0.155, 0.03, 0.155), (0.13, 0.13))


def _bowl() -> Shape:
    body = vessel([(0, 0), (0.045, 0), (0.085, 0.03), (0.105, 0.085)], 0.007)
    return Shape((body,), (-0.11, 0, -0.11), (0.11, 0.09, 0.11), (0.08, 0.08))


def _cup() -> Shape:
    body = vessel([(0, 0), (0.048, 0), (0.054, 0.03), (0.054, 0.115)], 0.006)
    handle = cut(ring((0.06, 0.06, 0), 0.034, 0.0085, axis=2), tube(0.051, -0.01, 0.2))
    return Shape((body, handle), (-0.06, 0, -0.06), (0.105, 0.12, 0.06), (0.055, 0.055))


def _glass() -> Shape:
    body = vessel([(0, 0), (0.038, 0), (0.043, 0.05), (0.05, 0.15)], 0.005)
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
    body = vessel([(0, 0), (0.115, 0), (0.135, 0.05)], 0.006)
    handle = both(rod((0.13, 0.042, 0), (0.3, 0.062, 0), 0.0145), ball((0.3, 0.062, 0), 0.017))
    return Shape((body, handle), (-0.14, 0, -0.14), (0.322, 0.085, 0.14), (0.125, 0.125))


def _pot() -> Shape:
    body = vessel([(0, 0), (0.115, 0), (0.12, 0.04), (0.12, 0.13)], 0.006)
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


def _kettle() -> Shape:
    body = lathe([(0, 0.02), (0.088, 0.02), (0.085, 0.08), (0.066, 0.19), (0.05, 0.205), (0, 0.21)], rounding=0.003)
    trim = both(
        tube(0.095, 0, 0.02),
        ball((0, 0.22, 0), 0.014),
        cut(ring((0.078, 0.125, 0), 0.062, 0.013, axis=2), tube(0.074, 0, 0.3)),
    )
    spout = rod((-0.06, 0.15, 0), (-0.108, 0.19, 0), 0.017)
    return Shape((both(body, spout), trim), (-0.128, 0, -0.097), (0.155, 0.236, 0.097), (0.095, 0.095))


TABLEWARE: dict[str, Callable[[], Shape]] = {
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
    "kettle": _kettle,
}
