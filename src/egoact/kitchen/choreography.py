"""How each verb moves hands and things; every function makes one `Move` with natural variety.

Verbs that undo each other share one choreography, played backwards.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from egoact.kitchen.grips import GRIPS, IDLE, Grip, other, sided
from egoact.kitchen.motion import HandMove, Move, Point, Spot, Stance, Stream, ThingMove, Wiggle
from egoact.kitchen.scene import CLOTH_METRES, Thing


def idle(side: str, rng: np.random.Generator) -> Spot:
    """A place out of view, or just inside it, where a hand rests."""
    x, y, z = IDLE[side]
    lift = -0.13 * float(rng.random() < 0.25)
    return Spot((x + rng.normal(0, 0.03), y + lift + rng.normal(0, 0.015), z), on_head=True)


def held(name: str, side: str, rng: np.random.Generator) -> Spot:
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


def _angle(grip: Grip, side: str) -> float:
    return grip.held_angle if side == "right" else -grip.held_angle


def _offset(grip: Grip, side: str, angle: float) -> Point:
    """The grip relative to the base of a thing that is turned by `angle`."""
    x, y, z = sided(grip.offset, side)
    sin, cos = float(np.sin(angle)), float(np.cos(angle))
    return x * cos - y * sin, x * sin + y * cos, z


def _twist(side: str, rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    return ((0.0, float(rng.normal(0, 0.08)) + (-0.12 if side == "right" else 0.12)),)


def take(thing: Thing, identity: str, side: str, stance: Stance, rng: np.random.Generator) -> Move:
    """Reach for a thing, grasp it and bring it before the eyes; backwards: put it there."""
    grip, slot, near = GRIPS[thing.name], Spot(thing.at), held(thing.name, side, rng)
    touch = float(rng.uniform(0.3, 0.4))
    lift, arrive = touch + float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.76, 0.9))
    angle = _angle(grip, side) + float(rng.normal(0, 0.07))
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
        at_rest, before_eyes = _offset(grip, hand, 0.0), _offset(grip, hand, angle if hand == side else -angle)
        late = float(rng.uniform(0, 0.05)) * (hand != side)
        hands[hand] = HandMove(
            (
                (0.0 + late, idle(hand, rng)),
                (touch + late / 2, slot.plus(at_rest)),
                (lift, slot.plus(at_rest)),
                (arrive, near.plus(before_eyes)),
            ),
            grip.pose,
            ((touch - 0.22, 0.0), (lift, 1.0)),
            _twist(hand, rng),
            grip.thumb_over,
        )
    return hands


def insert(
    thing: Thing, identity: str, side: str, into: Point, sunk: float, stance: Stance, rng: np.random.Generator
) -> Move:
    """Lower a held thing into a slot and let go; backwards: remove it."""
    grip, near, slot = GRIPS[thing.name], held(thing.name, side, rng), Spot(into)
    above = slot.plus((0.0, -0.1, 0.0))
    over, enter, bottom = 0.32 + float(rng.uniform(-0.05, 0.05)), 0.48, 0.64 + float(rng.uniform(-0.04, 0.04))
    offset = _offset(grip, side, 0.0)
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
                    (1.0, idle(side, rng)),
                ),
                grip.pose,
                ((bottom, 1.0), (bottom + 0.12, 0.0)),
                _twist(side, rng),
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
        (0.0, idle(side, rng)),
        (touch, handle),
        (pull, handle),
        (wide, handle),
        (min(wide + 0.22, 0.99), idle(side, rng)),
    )
    closed = ((touch - 0.15, 0.0), (pull, 1.0), (wide, 1.0), (wide + 0.1, 0.0))
    return Move(
        stance,
        hands={side: HandMove(place, "fist", closed, _twist(side, rng))},
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
                ((0.0, idle(side, rng)), (touch, spot), (leave, spot), (min(leave + 0.3, 0.98), idle(side, rng))),
                pose,
                ((touch - 0.18, 0.0), (touch, 1.0), (leave, 1.0), (leave + 0.15, 0.0)),
                ((touch, -bend / 2), (turn + 0.06, bend)),
            )
        },
        running={device: ((turn, 0.0), (turn + 0.12, 1.0))},
    )


def pour(
    thing: Thing,
    identity: str,
    side: str,
    into: Point,
    colour: tuple[float, float, float],
    stance: Stance,
    rng: np.random.Generator,
) -> Move:
    """Tilt a held thing over a vessel and back."""
    grip, near = GRIPS[thing.name], held(thing.name, side, rng)
    sign = 1.0 if side == "right" else -1.0
    tilt = -sign * float(rng.uniform(1.15, 1.4))
    lip = grip.height * 1.05
    base = (-float(np.sin(tilt)) * lip, float(np.cos(tilt)) * lip - 0.1, 0.0)
    over = Spot(into).plus(base)
    begin, end = float(rng.uniform(0.22, 0.32)), float(rng.uniform(0.68, 0.78))
    upright, tilted = _offset(grip, side, 0.0), _offset(grip, side, tilt)
    twist = sign * -0.5
    return Move(
        stance,
        hands={
            side: HandMove(
                (
                    (0.0, near.plus(upright)),
                    (begin, over.plus(tilted)),
                    (end, over.plus(tilted)),
                    (1.0, near.plus(upright)),
                ),
                grip.pose,
                ((0.0, 1.0),),
                ((0.0, 0.0), (begin, twist), (end, twist), (1.0, 0.0)),
            )
        },
        things={
            identity: ThingMove(
                ((0.0, near), (begin, over), (end, over), (1.0, near)),
                angle=((0.0, 0.0), (begin, tilt), (end, tilt), (1.0, 0.0)),
                mirrored=thing.mirrored,
            )
        },
        stream=Stream(
            identity, into, lip, 0.0, colour, ((begin, 0.0), (begin + 0.08, 1.0), (end - 0.08, 1.0), (end, 0.0))
        ),
    )


def stir(thing: Thing, identity: str, side: str, into: Point, stance: Stance, rng: np.random.Generator) -> Move:
    """Move a held spoon around in a vessel."""
    grip, near = GRIPS[thing.name], held(thing.name, side, rng)
    angle = _angle(grip, side)
    sign = 1.0 if side == "right" else -1.0
    inside = Spot(into).plus((0.12 * np.cos(angle) * sign, 0.12 * abs(np.sin(angle)), -0.04))
    begin, end = float(rng.uniform(0.16, 0.24)), float(rng.uniform(0.78, 0.86))
    level = ((begin, 0.0), (begin + 0.08, 1.0), (end - 0.08, 1.0), (end, 0.0))
    size = float(rng.uniform(0.03, 0.055))
    around = Wiggle((size, size * 0.55, 0.0), float(rng.uniform(3, 5)), (0.0, sign * np.pi / 2, 0.0), level)
    offset = _offset(grip, side, angle)
    places = ((0.0, near), (begin, inside), (end, inside), (1.0, near))
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, spot.plus(offset)) for u, spot in places),
                grip.pose,
                ((0.0, 1.0),),
                _twist(side, rng),
                wiggle=around,
            )
        },
        things={identity: ThingMove(places, angle=((0.0, angle),), mirrored=thing.mirrored, wiggle=around)},
    )


def slice_up(
    knife: Thing,
    knife_identity: str,
    side: str,
    food: Thing,
    food_identity: str,
    done: float,
    stance: Stance,
    rng: np.random.Generator,
) -> Move:
    """Cut a thing on the board while the other hand holds it."""
    grip, near = GRIPS[knife.name], held(knife.name, side, rng)
    angle = _angle(grip, side) * 0.7
    sign = 1.0 if side == "right" else -1.0
    stroke = (sign * 0.05, 0.0, 0.0)
    start = Spot(food.at).plus((sign * 0.1, -0.03, -0.03))
    stop = start.plus((-sign * 0.05, 0.0, 0.0))
    begin, end = float(rng.uniform(0.15, 0.22)), float(rng.uniform(0.8, 0.87))
    level = ((begin, 0.0), (begin + 0.05, 1.0), (end - 0.05, 1.0), (end, 0.0))
    chop = Wiggle(
        (stroke[0] * 0.4, float(rng.uniform(0.03, 0.045)), 0.0), float(rng.uniform(4, 7)), (0.0, 0.0, 0.0), level
    )
    offset = _offset(grip, side, angle)
    places = ((0.0, near), (begin, start), (end, stop), (1.0, near))
    holding = Spot(food.at).plus((-sign * 0.055, -0.03, 0.0))
    away = other(side)
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, s.plus(offset)) for u, s in places), grip.pose, ((0.0, 1.0),), _twist(side, rng), wiggle=chop
            ),
            away: HandMove(
                ((0.0, idle(away, rng)), (begin, holding), (end, holding), (1.0, idle(away, rng))),
                "wrap",
                ((begin - 0.1, 0.0), (begin, 0.8), (end, 0.8), (end + 0.1, 0.0)),
            ),
        },
        things={
            food_identity: ThingMove(
                ((0.0, Spot(food.at)),),
                cut=((begin, food.cut), (end, done)),
                shadow=((0.0, 1.0),),
                mirrored=food.mirrored,
            ),
            knife_identity: ThingMove(places, angle=((0.0, angle),), mirrored=knife.mirrored, wiggle=chop),
        },
    )


def wash(thing: Thing, identity: str, side: str, spout: Point, stance: Stance, rng: np.random.Generator) -> Move:
    """Rub a held thing under running water."""
    grip, near = GRIPS[thing.name], held(thing.name, side, rng)
    under = Spot((spout[0], spout[1] - 0.13, spout[2] - 0.02)).plus((0.0, grip.height * 0.4, 0.0))
    begin, end = float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.8, 0.88))
    level = ((begin, 0.0), (begin + 0.06, 1.0), (end - 0.06, 1.0), (end, 0.0))
    turns = float(rng.uniform(3, 6))
    sway = Wiggle((0.02, 0.012, 0.0), turns / 2, (0.0, 1.0, 0.0), level)
    rub = Wiggle((0.05, 0.03, 0.0), turns, (0.0, float(rng.uniform(0, 3)), 0.0), level)
    angle = _angle(grip, side) * 0.5
    offset, away = _offset(grip, side, angle), other(side)
    places = ((0.0, near), (begin, under), (end, under), (1.0, near))
    rubbing = under.plus((-0.03 if side == "right" else 0.03, -grip.height * 0.35, -0.03))
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, s.plus(offset)) for u, s in places),
                grip.pose,
                ((0.0, 1.0),),
                _twist(side, rng),
                grip.thumb_over,
                sway,
            ),
            away: HandMove(
                ((0.0, idle(away, rng)), (begin, rubbing), (end, rubbing), (1.0, idle(away, rng))),
                "flat",
                ((0.0, 0.6),),
                wiggle=rub,
            ),
        },
        things={identity: ThingMove(places, angle=((0.0, angle),), mirrored=thing.mirrored, wiggle=sway)},
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
            ((0.0, idle(side, rng)), (start, far), ((start + stop) / 2, middle), (stop, near), (1.0, idle(side, rng))),
            "pinch",
            ((start - 0.15, 0.0), (start, 1.0), (stop, 1.0), (stop + 0.12, 0.0)),
            _twist(side, rng),
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
