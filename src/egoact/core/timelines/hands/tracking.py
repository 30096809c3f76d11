"""The two hands of whoever wears the camera, from the palms that a detector finds. Knows nothing about pictures.

step       0    1    2    3    4    5
left       o    o    ·    o                  seen at 0, 1 and 3, taken to be there at 2 (bridged)
right                o    o    o    o

Coordinates are shares of the picture, 0 to 1 from its left and from its top.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.statistics import SIDES

BRIDGE_SECONDS = 1.0  # a hand that is missed for no longer is taken to be there
LEAST_SCORE = 0.3  # of a palm where that hand was a moment ago
_NEW_SCORE = 0.5  # of a palm anywhere else
_REACH = 0.25  # of the picture's width or height: how far a hand gets while it is not seen

Point = tuple[float, float]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Palm:
    """A palm in a picture; a `ValueError` for a box that is inside out, or a score that is none."""

    box: tuple[float, float, float, float]  # left, top, right and bottom
    wrist: Point  # its middle
    knuckle: Point  # where the middle finger begins
    score: float  # how sure the detector is, 0 to 1

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (left <= right and top <= bottom and 0 <= self.score <= 1):
            raise ValueError(f"a palm with box {self.box} and score {self.score}; the box must not be inside out")

    @property
    def centre(self) -> Point:
        """The middle of its box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def arm_x(self) -> float:
        """Where its arm comes into the picture, from left to right: on the line from knuckle to wrist, at the border.

        >>> Palm((0.25, 0.25, 0.5, 0.5), wrist=(0.375, 0.5), knuckle=(0.5, 0.25), score=1).arm_x
        0.125
        """
        (x, y), (knuckle_x, knuckle_y) = self.wrist, self.knuckle
        steps = [
            ((towards > 0) - here) / towards for here, towards in ((x, x - knuckle_x), (y, y - knuckle_y)) if towards
        ]
        return min(max(x + max(min(steps, default=0.0), 0.0) * (x - knuckle_x), 0.0), 1.0)


@dataclass(frozen=True, eq=False)
class HandTracks:
    """Where each hand was found, and where it was taken to be.

    Raises:
        ValueError: Other shapes, or a hand that was found and is not there.
    """

    rate: float  # steps a second
    seen: Bools  # (N, 2), at which of N steps the left and the right hand were found
    present: Bools  # (N, 2), likewise, and at steps between in which they were missed for a moment
    bridge_seconds: float = BRIDGE_SECONDS  # how long such a moment is at most

    def __post_init__(self) -> None:
        if self.seen.shape != self.present.shape or self.seen.ndim != 2 or self.seen.shape[1] != len(SIDES):
            raise ValueError(f"hands seen {self.seen.shape} and present {self.present.shape}; (N, 2) of both is needed")
        if not self.rate > 0 or (self.seen & ~self.present).any():
            raise ValueError("a hand that was seen is present, at a rate above 0")


def track_hands(palms: Sequence[Sequence[Palm]], *, rate: float, bridge_seconds: float = BRIDGE_SECONDS) -> HandTracks:
    """Which of the palms are the left and the right hand of whoever wears the camera.

    At each step at most one palm is called left and one right, so that the sum of three numbers over both is largest:
    the palm's score; from -1 to 1, how far on that hand's own side its arm comes into the picture; from 0 to 1, how
    near it is to where that hand was last seen, where that was within `bridge_seconds`. A palm for which the sum is
    below 0 is nobody's: its arm comes from the other side. Palms of little score count only near a hand seen before.

    A hand that is missed for no longer than `bridge_seconds`, and then found again, is taken to have been there.

    What it cannot know: hands of somebody else whose arms come from the same side; arms that are crossed from the
    wrist on; and a camera that is not worn upright in the middle of head or chest.

    Source: the second chance of boxes with low scores, ByteTrack, arXiv:2110.06864; the rest is ours, measured by
        `benchmarks/hands.py`.
    """
    seen = np.zeros((len(palms), len(SIDES)), dtype=np.bool_)
    last: list[tuple[Point, int] | None] = [None, None]
    for step, candidates in enumerate(palms):
        places = [p[0] if p is not None and step - p[1] <= bridge_seconds * rate else None for p in last]
        for side, palm in enumerate(_name(candidates, places)):
            if palm is not None:
                seen[step, side] = True
                last[side] = palm.centre, step
    return HandTracks(rate, seen, _bridge(seen, most_steps=bridge_seconds * rate), bridge_seconds)


def _name(palms: Sequence[Palm], places: Sequence[Point | None]) -> tuple[Palm | None, Palm | None]:
    """Which palm is the left hand, and which the right one; `places` are where they were."""
    values = [[_value(palm, side, place) for side, place in enumerate(places)] for palm in palms]
    numbers = [None, *range(len(palms))]
    best: tuple[float, int | None, int | None] = (0.0, None, None)
    for left, right in product(numbers, numbers):
        if left == right:
            continue
        value = sum(values[palm][side] for side, palm in enumerate((left, right)) if palm is not None)
        if value > best[0]:
            best = value, left, right
    return tuple(None if number is None else palms[number] for number in best[1:])  # type: ignore[return-value]


def _value(palm: Palm, side: int, place: Point | None) -> float:
    """How well a palm is the left (0) or right (1) hand, which was at `place`; -inf: not at all."""
    nearness = 0.0 if place is None else max(0.0, 1 - math.dist(palm.centre, place) / _REACH)
    if palm.score < (LEAST_SCORE if nearness else _NEW_SCORE):
        return -math.inf
    from_right = 2 * palm.arm_x - 1
    return palm.score + (from_right if side else -from_right) + nearness


def _bridge(seen: Bools, *, most_steps: float) -> Bools:
    """Also where a hand was missed for at most some steps between two at which it was seen; bool (N, 2)."""
    present = seen.copy()
    for side in range(seen.shape[1]):
        steps = np.flatnonzero(seen[:, side])
        for before, after in zip(steps[:-1], steps[1:], strict=True):
            if after - before - 1 <= most_steps:
                present[before:after, side] = True
    return present
