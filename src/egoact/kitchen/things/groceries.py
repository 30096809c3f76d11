"""Solids of food, its packages and the sponge, metres."""

from collections.abc import Callable

import numpy as np

from egoact.kitchen.things.solids import Shape, ball, block, both, cut, lathe, rod, tube


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


GROCERIES: dict[str, Callable[[], Shape]] = {
    "tomato": _tomato,
    "apple": _apple,
    "onion": _onion,
    "bread": _bread,
    "slice": _slice,
    "milk": _milk,
    "cereal": _cereal,
    "sponge": _sponge,
}
