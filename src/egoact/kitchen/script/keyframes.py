"""What moves, at one moment: an action's keys become places of hands and things in camera axes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from egoact.kitchen.cook.arms import HandAt
from egoact.kitchen.cook.motion import Handles, Move, spot_at, value_at
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.rooms.thing_painter import Thing


@dataclass(frozen=True)
class PoseFrame:
    """Everything that moves, at one moment.

    Args:
        hands: By side.
        things: By identity: place in camera axes, metres, and the thing without its place.
        openings: By fixture, 0..1.
        running: By device, 0..1.
        pouring: Strength of the stream, 0..1.
    """

    hands: Mapping[str, HandAt]
    things: Mapping[str, tuple[np.ndarray, Thing]]
    openings: Mapping[str, float]
    running: Mapping[str, float]
    pouring: float = 0.0


def pose_at(move: Move, u: float, camera: Camera, handle: Handles) -> PoseFrame:
    """The moment at `u` (0..1) of an action.

    Args:
        move: The action.
        u: Part of its time.
        camera: Who looks.
        handle: World place of the handle of a fixture that is opened by a part 0..1.
    """
    t = move.time(u)
    openings = {name: value_at(keys, t) for name, keys in move.openings.items()}
    running = {name: value_at(keys, t) for name, keys in move.running.items()}
    hands, things = {}, {}
    for side, hand in move.hands.items():
        place = spot_at(hand.places, t, camera, lambda name: handle(name, openings[name]))
        place = place if hand.wiggle is None else place + hand.wiggle.at(t)
        hands[side] = HandAt(place, hand.pose, value_at(hand.closed, t), value_at(hand.twist, t), hand.thumb_over)
    for name, thing in move.things.items():
        place = spot_at(thing.places, t, camera, lambda name: handle(name, openings[name]))
        place = place if thing.wiggle is None else place + thing.wiggle.at(t)
        drawn = Thing(
            name,
            (0.0, 0.0, 0.0),
            angle=value_at(thing.angle, t),
            mirrored=thing.mirrored,
            sunk=value_at(thing.sunk, t),
            cut=value_at(thing.cut, t),
            shadow=value_at(thing.shadow, t),
        )
        things[name] = (place, drawn)
    pouring = 0.0 if move.stream is None else value_at(move.stream.level, t)
    return PoseFrame(hands, things, openings, running, pouring)


def between(first: PoseFrame, second: PoseFrame, part: float, rest: Mapping[str, HandAt]) -> PoseFrame:
    """The moment that lies `part` (0..1) of the way between two; hands that are in neither are at `rest`."""
    hands = {}
    for side in ("left", "right"):
        a, b = first.hands.get(side, rest[side]), second.hands.get(side, rest[side])
        near = a if part < 0.5 else b
        hands[side] = HandAt(
            a.place + (b.place - a.place) * part,
            near.pose,
            a.closed + (b.closed - a.closed) * part,
            a.twist + (b.twist - a.twist) * part,
            near.thumb_over,
        )
    things = {}
    for name, (place, thing) in second.things.items():
        if name in first.things:
            old_place, old = first.things[name]
            angle = old.angle + (thing.angle - old.angle) * part
            things[name] = (old_place + (place - old_place) * part, replace(thing, angle=angle))
        else:
            things[name] = (place, thing)
    return PoseFrame(hands, things, {}, {})
