"""How a kitchen's state is changed: take, insert, open, switch, fold. Every function makes one `Move`.

Verbs that undo each other share one choreography, played backwards.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from egoact.kitchen.cook.grips import GRIPS, Grip, grip_offset, held_angle, held_place, other, resting_place, wrist_turn
from egoact.kitchen.cook.motion import HandMove, Move, Point, Spot, Stance, ThingMove
from egoact.kitchen.rooms.thing_painter import CLOTH_METRES, Thing


def take(thing: Thing, identity: str, side: str, stance: Stance, rng: np.random.Generator) -> Move:
    """Reach for a thing, grasp it and bring it before the eyes; backwards: put it there."""
    grip, slot, near = GRIPS[thing.name], Spot(thing.at), held_place(thing.name, side, rng)
    touch = float(rng.uniform(0.26, 0.36))
    lift, arrive = touch + float(rng.uniform(0.04, 0.1)), float(rng.uniform(0.64, 0.82))
    angle = held_angle(grip, side) + float(rng.normal(0, 0.07))
    return Move(
        stance,
        hands=_grasping(grip, side, slot, near, (touch, lift, arrive), angle, rng),
        things={
            identity: ThingMove(
                ((lift, slot), (arrive, near)),
                angle=((lift, 0.0), (arrive, angle)),
                shadow=((lift, 1.0), (lift + 0.12, 0.0)),
                cut=((0.0, thing.cut),),
                mirrored=thing.mirrored,
            )
        },
    )


def _grasping(
    grip: Grip,
    side: str,
    slot: Spot,
    near: Spot,
    times: tuple[float, float, float],
    angle: float,
    rng: np.random.Generator,
) -> Mapping[str, HandMove]:
    touch, lift, arrive = times
    hands = {}
    for hand in (side, other(side)) if grip.both else (side,):
        at_rest, before_eyes = grip_offset(grip, hand, 0.0), grip_offset(grip, hand, angle if hand == side else -angle)
        late = float(rng.uniform(0, 0.05)) * (hand != side)
        hands[hand] = HandMove(
            (
                (0.0 + late, resting_place(hand, rng)),
                (touch + late / 2, slot.plus(at_rest)),
                (lift, slot.plus(at_rest)),
                (arrive, near.plus(before_eyes)),
            ),
            grip.pose,
            ((touch - 0.22, 0.0), (lift, 1.0)),
            wrist_turn(hand, rng),
            grip.thumb_over,
        )
    return hands


def insert(
    thing: Thing, identity: str, side: str, into: Point, sunk: float, stance: Stance, rng: np.random.Generator
) -> Move:
    """Lower a held thing into a slot and let go; backwards: remove it."""
    grip, near, slot = GRIPS[thing.name], held_place(thing.name, side, rng), Spot(into)
    above = slot.plus((0.0, -0.1, 0.0))
    over, enter, bottom = 0.32 + float(rng.uniform(-0.05, 0.05)), 0.48, 0.64 + float(rng.uniform(-0.04, 0.04))
    offset = grip_offset(grip, side, 0.0)
    lowered = (offset[0], offset[1] + 0.055, offset[2])
    return Move(
        stance,
        hands={
            side: HandMove(
                (
                    (0.0, near.plus(offset)),
                    (over, above.plus(offset)),
                    (enter, slot.plus(offset)),
                    (bottom, slot.plus(lowered)),
                    (bottom + 0.06, slot.plus(lowered)),
                    (1.0, resting_place(side, rng)),
                ),
                grip.pose,
                ((bottom, 1.0), (bottom + 0.12, 0.0)),
                wrist_turn(side, rng),
            )
        },
        things={
            identity: ThingMove(
                ((0.0, near), (over, above), (enter, slot)),
                sunk=((enter, 0.0), (bottom, sunk)),
                mirrored=thing.mirrored,
            )
        },
    )


def swing(fixture: str, side: str, stance: Stance, rng: np.random.Generator) -> Move:
    """Open a door or drawer by its handle; backwards: close it."""
    touch = float(rng.uniform(0.22, 0.32))
    pull, wide = touch + float(rng.uniform(0.04, 0.1)), float(rng.uniform(0.66, 0.8))
    handle = Spot(handle=fixture)
    place = (
        (0.0, resting_place(side, rng)),
        (touch, handle),
        (pull, handle),
        (wide, handle),
        (min(wide + 0.22, 0.99), resting_place(side, rng)),
    )
    closed = ((touch - 0.15, 0.0), (pull, 1.0), (wide, 1.0), (wide + 0.1, 0.0))
    return Move(
        stance,
        hands={side: HandMove(place, "fist", closed, wrist_turn(side, rng))},
        openings={fixture: ((pull, 0.0), (wide, 1.0))},
    )


def switch(device: str, at: Point, pose: str, side: str, stance: Stance, rng: np.random.Generator) -> Move:
    """Reach for a switch and turn it; backwards: turn it off."""
    touch = float(rng.uniform(0.26, 0.36))
    turn, leave = touch + float(rng.uniform(0.08, 0.16)), float(rng.uniform(0.54, 0.62))
    spot, bend = Spot(at), 0.35 if side == "right" else -0.35
    return Move(
        stance,
        hands={
            side: HandMove(
                (
                    (0.0, resting_place(side, rng)),
                    (touch, spot),
                    (leave, spot),
                    (min(leave + 0.3, 0.98), resting_place(side, rng)),
                ),
                pose,
                ((touch - 0.18, 0.0), (touch, 1.0), (leave, 1.0), (leave + 0.15, 0.0)),
                ((touch, -bend / 2), (turn + 0.06, bend)),
            )
        },
        running={device: ((turn, 0.0), (turn + 0.12, 1.0))},
    )


def fold(cloth: Thing, identity: str, stance: Stance, rng: np.random.Generator) -> Move:
    """Fold the far half of a cloth over its near half; backwards: unfold it."""
    wide, deep = CLOTH_METRES
    x, y, z = cloth.at
    start, stop = float(rng.uniform(0.26, 0.34)), float(rng.uniform(0.64, 0.74))
    hands = {}
    for side, sign in (("left", -1), ("right", 1)):
        edge = x + sign * wide * 0.42
        far, middle, near = (
            Spot((edge, y + up, z + ahead)) for up, ahead in ((0.01, deep / 2), (deep / 2, 0), (0.02, -deep / 2))
        )
        hands[side] = HandMove(
            (
                (0.0, resting_place(side, rng)),
                (start, far),
                ((start + stop) / 2, middle),
                (stop, near),
                (1.0, resting_place(side, rng)),
            ),
            "pinch",
            ((start - 0.15, 0.0), (start, 1.0), (stop, 1.0), (stop + 0.12, 0.0)),
            wrist_turn(side, rng),
        )
    return Move(
        stance,
        hands=hands,
        things={
            identity: ThingMove(((0.0, Spot(cloth.at)),), cut=((start, 0.0), ((start + stop) / 2, 0.5), (stop, 1.0)))
        },
    )


def backwards(move: Move) -> Move:
    """The same action in reversed time."""
    return replace(move, backwards=not move.backwards)
