"""A hand's bones: tapered capsules, posed by the bends of joints, seen from the back of the hand.

Hand axes: origin at the wrist, x towards the little finger of a right hand, y along the fingers, z towards
the eye; the unit is a hand's length.

       y ▲   | | | |
         |   | | | | /thumb is on the left (small x)
         |    palm
         +----wrist----► x
             forearm
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pose:
    """Bends of the joints in degrees.

    Args:
        fingers: Bend at knuckle, middle and end joint, the same for four fingers.
        fan: How far the fingers spread, 1 is a relaxed hand.
        thumb_turn: Direction of the thumb, degrees from the fingers' direction towards its own side.
        thumb_bend: Bend of the thumb's two outer joints.
    """

    fingers: tuple[float, float, float]
    fan: float
    thumb_turn: float
    thumb_bend: float

    def towards(self, other: "Pose", amount: float) -> "Pose":
        """The pose that lies `amount` (0..1) of the way to another one."""
        mine, theirs = np.array(self._numbers()), np.array(other._numbers())
        first, second, third, fan, turn, bend = (float(x) for x in mine + (theirs - mine) * amount)
        return Pose((first, second, third), fan, turn, bend)

    def _numbers(self) -> tuple[float, ...]:
        return (*self.fingers, self.fan, self.thumb_turn, self.thumb_bend)


OPEN = Pose((12, 14, 8), 1.5, 48, 5)
POSES = {
    "open": OPEN,
    "relaxed": Pose((28, 34, 20), 0.9, 36, 12),
    "wrap": Pose((44, 52, 38), 1.0, 40, 22),
    "fist": Pose((66, 92, 55), 0.5, 12, 40),
    "rim": Pose((30, 46, 30), 0.7, 8, 10),
    "pinch": Pose((40, 62, 40), 0.5, 16, 22),
    "flat": Pose((4, 8, 5), 0.4, 22, 5),
}
KNUCKLES = {"index": (-0.155, 0.5), "middle": (-0.05, 0.53), "ring": (0.055, 0.505), "little": (0.15, 0.45)}
LENGTHS = {"index": 0.42, "middle": 0.46, "ring": 0.43, "little": 0.34}
RADII = {"index": 0.058, "middle": 0.06, "ring": 0.057, "little": 0.05}


@dataclass(frozen=True)
class Bone:
    """A tapered capsule: two balls and what lies between, in hand axes."""

    start: tuple[float, float, float]
    stop: tuple[float, float, float]
    start_radius: float
    stop_radius: float
    is_tip: bool = False


def finger_bones(name: str, pose: Pose) -> list[Bone]:
    """Three bones from the knuckle to the tip."""
    x, y = KNUCKLES[name]
    point = np.array([x, y, 0.02])
    side = x * pose.fan * 1.1
    bones, bend, radius = [], 0.0, RADII[name]
    for i, (share, joint) in enumerate(zip((0.45, 0.3, 0.25), pose.fingers, strict=True)):
        bend += np.radians(joint)
        step = np.array([np.sin(side) * np.cos(bend), np.cos(side) * np.cos(bend), -np.sin(bend)])
        stop = point + step * LENGTHS[name] * share
        bones.append(Bone(tuple(point), tuple(stop), radius, radius * 0.88, i == 2))
        point, radius = stop, radius * 0.88
    return bones


def thumb_bones(pose: Pose) -> list[Bone]:
    """Three bones from the wrist to the tip."""
    point = np.array([-0.13, 0.13, -0.02])
    bones = []
    for i, (length, radius) in enumerate(((0.22, 0.085), (0.17, 0.062), (0.15, 0.055))):
        turn = np.radians(pose.thumb_turn - (pose.thumb_bend * i) + (12 if i == 0 else 0))
        stop = point + np.array([-np.sin(turn), np.cos(turn), -0.08]) * length
        bones.append(Bone(tuple(point), tuple(stop), radius, radius * 0.86, i == 2))
        point = stop
    return bones


PALM = tuple(Bone((x * 0.55, 0.04, -0.01), (x, y, 0.0), 0.1, 0.066) for x, y in KNUCKLES.values())
FOREARM = Bone((0, 0.06, -0.03), (0, -3.6, 0.0), 0.118, 0.31)
