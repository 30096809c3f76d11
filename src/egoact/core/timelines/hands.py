"""The two hands of whoever wears the camera: from the palms that a detector finds to tracks, and to measures of use.

    step       0    1    2    3    4    5
    left       o    o    ·    o                  seen at 0, 1 and 3, taken to be there at 2 (bridged)
    right                o    o    o    o

    hand present   ├──────────┤   ├───────────────────┤
    actions             ├──────────────────┤   ├─┤
    interactions        ├─────┤   ├────────┤   ├─┤        the hand is there while something is done

Coordinates are shares of the picture, 0 to 1 from its left and from its top. Knows nothing about pictures.

Source: Likitlersuang et al., Egocentric video: a new tool for capturing hand use of individuals with spinal cord
injury at home, J NeuroEng Rehabil 16:83 (2019), for the three measures of each hand; Tsai et al., Validity of novel
outcome measures for hand function performance after stroke using egocentric video, Neurorehabil Neural Repair 37:142
(2023), for the ratio. They find an interaction by looking at hand and object; what is taken for one here is cruder, see
`docs/timeline.md`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.statistics import SIDES, Stretch, merge_stretches
from egoact.core.timelines.timeline import Timeline

BRIDGE_SECONDS = 1.0  # a hand that is missed for no longer is taken to be there
LEAST_SCORE = 0.3  # of a palm where that hand was a moment ago
_NEW_SCORE = 0.5  # of a palm anywhere else
_REACH = 0.25  # of the picture's width or height: how far a hand gets while it is not seen
SHORTEST_SECONDS = 0.5  # an interaction that is shorter does not count
_DIGITS = 4

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
    """Where each hand was found, and where it was taken to be; a `ValueError` for other shapes."""

    rate: float  # steps a second
    seen: Bools  # (N, 2), at which of N steps the left and the right hand were found
    present: Bools  # (N, 2), likewise, and at steps between in which they were missed for a moment
    bridge_seconds: float = BRIDGE_SECONDS  # how long such a moment is at most

    def __post_init__(self) -> None:
        if not self.seen.shape == self.present.shape == (len(self.seen), len(SIDES)):
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

    def worth(pair: tuple[int | None, int | None]) -> float:
        return sum(values[number][side] for side, number in enumerate(pair) if number is not None)

    numbers = [None, *range(len(palms))]
    pairs = [(left, right) for left, right in product(numbers, numbers) if left is None or left != right]
    left, right = max(pairs, key=worth)  # of nobody, which is the first, it is 0
    return (None if left is None else palms[left], None if right is None else palms[right])


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


def measure_hand_use(
    tracks: HandTracks, timeline: Timeline, *, shortest_seconds: float = SHORTEST_SECONDS
) -> dict[str, Any]:
    """The measures of both hands, in the form that `statistics.check_hands` documents, and what they were made of.

    A hand is in interaction at a step if it is present (seen, or missed for a moment) and the timeline says that an
    action goes on. Steps in a row are one interaction, however many actions it has; those that are shorter than
    `shortest_seconds` do not count, in any of the numbers.

    Returns:
        For "left" and "right": "share_of_time" of the recording in interaction, "mean_duration_seconds" of one (None
        without any), "interactions_per_hour", "num_interactions", "interactions" ([start, stop] in seconds), and
        "bridged_share", how much of the time that the hand is present it was not seen; "hand_use_ratio", share of time
        of the left hand through that of the right one (None where that is 0); "steps_without_hands_share", of steps at
        which no hand was seen; "bridge_seconds" and "shortest_seconds", as they were chosen.
    """
    num_steps = len(tracks.seen)
    busy = _steps_in(merge_stretches(timeline), num_steps, rate=tracks.rate)
    seconds = num_steps / tracks.rate
    measures: dict[str, Any] = {}
    shares = []
    for side, name in enumerate(SIDES):
        present, seen = tracks.present[:, side], tracks.seen[:, side]
        found = [s for s in find_stretches(present & busy, rate=tracks.rate) if s[1] - s[0] >= shortest_seconds - 1e-9]
        durations = [stop - start for start, stop in found]
        shares.append(sum(durations) / seconds if seconds else 0.0)
        measures[name] = {
            "share_of_time": round(shares[-1], _DIGITS),
            "mean_duration_seconds": round(float(np.mean(durations)), _DIGITS) if durations else None,
            "interactions_per_hour": round(3600 * len(found) / seconds, _DIGITS) if seconds else None,
            "num_interactions": len(found),
            "interactions": [[round(start, _DIGITS), round(stop, _DIGITS)] for start, stop in found],
            "bridged_share": round(float(1 - seen.sum() / present.sum()), _DIGITS) if present.any() else 0.0,
        }
    return measures | {
        "hand_use_ratio": round(shares[0] / shares[1], _DIGITS) if shares[1] else None,
        "steps_without_hands_share": round(float((~tracks.seen.any(axis=1)).mean()), _DIGITS) if num_steps else None,
        "bridge_seconds": tracks.bridge_seconds,
        "shortest_seconds": shortest_seconds,
    }


def find_stretches(steps: Bools, *, rate: float) -> list[Stretch]:
    """Where steps in a row are true, in seconds: bool (N,) -> (start, stop), ascending.

    >>> find_stretches(np.array([False, True, True, False, True]), rate=2)
    [(0.5, 1.5), (2.0, 2.5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], steps, [False]]).astype(np.int8)))
    return [(float(start) / rate, float(stop) / rate) for start, stop in edges.reshape(-1, 2)]


def _steps_in(stretches: list[Stretch], num_steps: int, *, rate: float) -> Bools:
    """Which steps have their middle in a stretch; bool (N,)."""
    middles = (np.arange(num_steps) + 0.5) / rate
    inside = np.zeros(num_steps, dtype=np.bool_)
    for start, stop in stretches:
        inside |= (middles >= start) & (middles < stop)
    return inside
