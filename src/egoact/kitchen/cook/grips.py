"""How each thing is held: pose, place of the grip, and where it is held before the eyes."""

from dataclasses import dataclass

import numpy as np

from egoact.kitchen.cook.motion import Keys, Point, Spot


@dataclass(frozen=True)
class Grip:
    """How a right hand holds a thing.

    Args:
        pose: Of `hands.POSES`.
        offset: From the middle of the thing's base to the grip, camera axes (right, down, forward), metres.
        height: Of the thing, metres: how far its base hangs below the middle of the view.
        both: Whether a second hand holds the other side.
        thumb_over: Whether the fingers are under the thing and the thumb is over it.
        held_angle: Turn of the thing in the hand, radians.
        handle_right: Whether its handle is to be on the right for a right hand; its sprite is mirrored if so.
        reach: Distance from the eyes when held, metres.
    """

    pose: str
    offset: Point
    height: float
    both: bool = False
    thumb_over: bool = False
    held_angle: float = 0.0
    handle_right: bool = False
    reach: float = 0.44


GRIPS = {
    "plate": Grip("rim", (0.135, 0.03, 0), 0.03, both=True, thumb_over=True, reach=0.47),
    "bowl": Grip("rim", (0.1, -0.02, 0), 0.09, both=True, thumb_over=True, reach=0.41),
    "cup": Grip("wrap", (0.05, -0.03, 0), 0.11, reach=0.35),
    "glass": Grip("wrap", (0.045, -0.045, 0), 0.14, reach=0.36),
    "bottle": Grip("wrap", (0.045, -0.07, 0), 0.27, reach=0.43),
    "knife": Grip("fist", (0.1, 0.01, 0), 0.03, held_angle=0.75, handle_right=True, reach=0.37),
    "spoon": Grip("fist", (0.11, 0.01, 0), 0.03, held_angle=0.85, handle_right=True, reach=0.37),
    "pan": Grip("fist", (0.235, -0.03, 0), 0.06, reach=0.52),
    "pot": Grip("wrap", (0.15, -0.07, 0), 0.14, both=True, reach=0.52),
    "board": Grip("rim", (0.18, 0.02, 0), 0.02, both=True, thumb_over=True, reach=0.52),
    "tomato": Grip("wrap", (0.035, -0.02, 0), 0.1, reach=0.32),
    "apple": Grip("wrap", (0.035, -0.02, 0), 0.1, reach=0.32),
    "onion": Grip("wrap", (0.035, -0.02, 0), 0.1, reach=0.32),
    "bread": Grip("wrap", (0.09, -0.03, 0), 0.11, reach=0.4),
    "slice": Grip("pinch", (0.055, -0.03, 0), 0.13, reach=0.36),
    "milk": Grip("wrap", (0.05, -0.07, 0), 0.23, reach=0.41),
    "cereal": Grip("wrap", (0.08, -0.09, 0), 0.27, reach=0.45),
    "sponge": Grip("wrap", (0.05, -0.01, 0), 0.05, reach=0.32),
    "kettle": Grip("fist", (0.135, -0.09, 0), 0.2, reach=0.44),
}
IDLE = {"left": (-0.2, 0.42, 0.42), "right": (0.2, 0.42, 0.42)}
CARRY = {"left": (-0.13, 0.2, 0.46), "right": (0.13, 0.2, 0.46)}


def sided(offset: Point, side: str) -> Point:
    """An offset given for a right hand, for either hand."""
    return offset if side == "right" else (-offset[0], offset[1], offset[2])


def other(side: str) -> str:
    """The other hand."""
    return "left" if side == "right" else "right"


def resting_place(side: str, rng: np.random.Generator) -> Spot:
    """A place out of view, or just inside it, where a hand rests."""
    x, y, z = IDLE[side]
    lift = -0.13 * float(rng.random() < 0.25)
    return Spot((x + rng.normal(0, 0.03), y + lift + rng.normal(0, 0.015), z), on_head=True)


def held_place(name: str, side: str, rng: np.random.Generator) -> Spot:
    """Where a thing is held before the eyes, near the middle of the view."""
    grip = GRIPS[name]
    x = (-0.02 if grip.both else 0.0) + rng.normal(0, 0.02)
    return Spot(
        (
            float(x),
            0.015 + grip.height * 0.42 + float(rng.normal(0, 0.012)),
            grip.reach * float(rng.uniform(0.94, 1.08)),
        ),
        on_head=True,
    )


def is_mirrored(name: str, side: str) -> bool:
    """Whether a thing's sprite is flipped, so that its handle is on the side of the hand that uses it."""
    return (side == "right") == (name in GRIPS and GRIPS[name].handle_right)


def held_angle(grip: Grip, side: str) -> float:
    """How far a thing is turned in a hand, radians."""
    return grip.held_angle if side == "right" else -grip.held_angle


def grip_offset(grip: Grip, side: str, angle: float) -> Point:
    """The grip relative to the base of a thing that is turned by `angle`."""
    x, y, z = sided(grip.offset, side)
    sin, cos = float(np.sin(angle)), float(np.cos(angle))
    return x * cos - y * sin, x * sin + y * cos, z


def wrist_turn(side: str, rng: np.random.Generator) -> Keys:
    """A natural turn of the wrist, the same over an action."""
    return ((0.0, float(rng.normal(0, 0.08)) + (-0.12 if side == "right" else 0.12)),)
