"""How held things are used: pour, stir, cut, wash. Every function makes one `Move` with natural variety."""

import numpy as np

from egoact.kitchen.cook.grips import GRIPS, grip_offset, held_angle, held_place, other, resting_place, wrist_turn
from egoact.kitchen.cook.motion import HandMove, Move, Point, Spot, Stance, Stream, ThingMove, Wiggle
from egoact.kitchen.rooms.thing_painter import Thing


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
    grip, near = GRIPS[thing.name], held_place(thing.name, side, rng)
    sign = 1.0 if side == "right" else -1.0
    tilt = -sign * float(rng.uniform(1.15, 1.4))
    lip = grip.height * 1.05
    base = (-float(np.sin(tilt)) * lip, float(np.cos(tilt)) * lip - 0.1, 0.0)
    over = Spot(into).plus(base)
    begin, end = float(rng.uniform(0.22, 0.32)), float(rng.uniform(0.68, 0.78))
    upright, tilted = grip_offset(grip, side, 0.0), grip_offset(grip, side, tilt)
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
    grip, near = GRIPS[thing.name], held_place(thing.name, side, rng)
    angle = held_angle(grip, side)
    sign = 1.0 if side == "right" else -1.0
    inside = Spot(into).plus((0.12 * np.cos(angle) * sign, 0.12 * abs(np.sin(angle)), -0.04))
    begin, end = float(rng.uniform(0.16, 0.24)), float(rng.uniform(0.78, 0.86))
    level = ((begin, 0.0), (begin + 0.08, 1.0), (end - 0.08, 1.0), (end, 0.0))
    size = float(rng.uniform(0.03, 0.055))
    around = Wiggle((size, size * 0.55, 0.0), float(rng.uniform(3, 5)), (0.0, sign * np.pi / 2, 0.0), level)
    offset = grip_offset(grip, side, angle)
    places = ((0.0, near), (begin, inside), (end, inside), (1.0, near))
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, spot.plus(offset)) for u, spot in places),
                grip.pose,
                ((0.0, 1.0),),
                wrist_turn(side, rng),
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
    grip, near = GRIPS[knife.name], held_place(knife.name, side, rng)
    angle = held_angle(grip, side) * 0.7
    sign = 1.0 if side == "right" else -1.0
    stroke = (sign * 0.05, 0.0, 0.0)
    start = Spot(food.at).plus((sign * 0.1, -0.03, -0.03))
    stop = start.plus((-sign * 0.05, 0.0, 0.0))
    begin, end = float(rng.uniform(0.15, 0.22)), float(rng.uniform(0.8, 0.87))
    level = ((begin, 0.0), (begin + 0.05, 1.0), (end - 0.05, 1.0), (end, 0.0))
    chop = Wiggle(
        (stroke[0] * 0.4, float(rng.uniform(0.03, 0.045)), 0.0), float(rng.uniform(4, 7)), (0.0, 0.0, 0.0), level
    )
    offset = grip_offset(grip, side, angle)
    places = ((0.0, near), (begin, start), (end, stop), (1.0, near))
    holding = Spot(food.at).plus((-sign * 0.055, -0.03, 0.0))
    away = other(side)
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, s.plus(offset)) for u, s in places),
                grip.pose,
                ((0.0, 1.0),),
                wrist_turn(side, rng),
                wiggle=chop,
            ),
            away: HandMove(
                ((0.0, resting_place(away, rng)), (begin, holding), (end, holding), (1.0, resting_place(away, rng))),
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
    grip, near = GRIPS[thing.name], held_place(thing.name, side, rng)
    under = Spot((spout[0], spout[1] - 0.13, spout[2] - 0.02)).plus((0.0, grip.height * 0.4, 0.0))
    begin, end = float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.8, 0.88))
    level = ((begin, 0.0), (begin + 0.06, 1.0), (end - 0.06, 1.0), (end, 0.0))
    turns = float(rng.uniform(3, 6))
    sway = Wiggle((0.02, 0.012, 0.0), turns / 2, (0.0, 1.0, 0.0), level)
    rub = Wiggle((0.05, 0.03, 0.0), turns, (0.0, float(rng.uniform(0, 3)), 0.0), level)
    angle = held_angle(grip, side) * 0.5
    offset, away = grip_offset(grip, side, angle), other(side)
    places = ((0.0, near), (begin, under), (end, under), (1.0, near))
    rubbing = under.plus((-0.03 if side == "right" else 0.03, -grip.height * 0.35, -0.03))
    return Move(
        stance,
        hands={
            side: HandMove(
                tuple((u, s.plus(offset)) for u, s in places),
                grip.pose,
                ((0.0, 1.0),),
                wrist_turn(side, rng),
                grip.thumb_over,
                sway,
            ),
            away: HandMove(
                ((0.0, resting_place(away, rng)), (begin, rubbing), (end, rubbing), (1.0, resting_place(away, rng))),
                "flat",
                ((0.0, 0.6),),
                wiggle=rub,
            ),
        },
        things={identity: ThingMove(places, angle=((0.0, angle),), mirrored=thing.mirrored, wiggle=sway)},
    )
