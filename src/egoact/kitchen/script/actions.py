"""What happens in a recording, as a chain of actions that is consistent with the state of the kitchen.

A `ActionSequence` knows the state and the elementary actions; `recipes.py` chains them.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from egoact.kitchen.cook.grips import CARRY, GRIPS, grip_offset, held_angle, is_mirrored, other
from egoact.kitchen.cook.motion import HandMove, Move, Point, Spot, ThingMove
from egoact.kitchen.rooms.places import SWITCHES, Slot, slots, stance
from egoact.kitchen.rooms.scene import FIXTURES, RUNNING, Scene, State
from egoact.kitchen.rooms.thing_painter import Thing
from egoact.kitchen.script import choreography
from egoact.kitchen.script.choreography import backwards

USUAL_SECONDS, SHORTEST_SECONDS, LONGEST_SECONDS = 1.45, 0.9, 3.2
SECONDS = {"cut": 2.1, "wash": 2.0, "stir": 2.0, "pour": 1.9, "fold": 1.6, "unfold": 1.6}
GAP_SECONDS = (0.25, 0.6)
WALK_SECONDS_PER_METRE = 0.25
COUNTERS = ("prep", "sink", "toast")


@dataclass(frozen=True)
class ScriptedAction:
    """One labelled action of a recording.

    Args:
        verb: Of `labels.VERBS`.
        noun: Of `labels.NOUNS`.
        move: What moves.
        seconds: How long it takes.
        gap_seconds: Background before it.
        before: The kitchen when it begins.
    """

    verb: str
    noun: str
    move: Move
    seconds: float
    gap_seconds: float
    before: State


@dataclass
class ActionSequence:
    """The state of a kitchen and the actions so far.

    Args:
        scene: The kitchen.
        rng: All choices.
    """

    scene: Scene
    rng: np.random.Generator
    acts: list[ScriptedAction] = field(default_factory=list)
    things: dict[str, Thing] = field(default_factory=dict)
    where: dict[str, Slot] = field(default_factory=dict)
    hands: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.main = "right" if self.scene.style.right_handed else "left"
        self.openings = dict.fromkeys(FIXTURES, 0.0)
        self.running = dict.fromkeys(RUNNING, 0.0)
        self.side = {name: self.main if self.rng.random() < 0.8 else other(self.main) for name in GRIPS}
        self._slots = slots(self.scene)

    def place(self, name: str, slot: Slot) -> None:
        """Set a thing into a slot, on a worktop not quite in the middle."""
        x, y, z = slot.at
        jitter = self.rng.uniform(-0.02, 0.02, 2) if slot.area in COUNTERS else (0.0, 0.0)
        at = (x + float(jitter[0]), y, z + float(jitter[1]))
        self.things[name] = Thing(name, at, mirrored=is_mirrored(name, self.side[name]))
        self.where[name] = slot

    def free(self, *areas: str) -> list[Slot]:
        """Slots of some areas that nothing stands in."""
        taken = {(slot.area, slot.index) for slot in self.where.values()}
        return [s for s in self._slots if s.area in areas and (s.area, s.index) not in taken]

    def resting(self, names: tuple[str, ...], *areas: str) -> list[str]:
        """Those of the things that stand in some areas, whole."""
        return [n for n in names if n in self.where and self.where[n].area in areas and self.things[n].cut == 0]

    def choose(self, names: list[str], *, steepness: float) -> str:
        """A name; earlier ones are likelier (Zipf's law)."""
        weights = 1 / np.arange(1, len(names) + 1) ** steepness
        return names[int(self.rng.choice(len(names), p=weights / weights.sum()))]

    def act(self, verb: str, noun: str, action: Move) -> None:
        """Add an action; things in hands that it does not move are carried along."""
        seconds = SECONDS.get(verb, USUAL_SECONDS) * float(np.exp(self.rng.normal(0, 0.17)))
        gap = float(self.rng.uniform(*GAP_SECONDS))
        if self.acts:
            walk = np.subtract(self.acts[-1].move.stance.eye, action.stance.eye)
            gap += WALK_SECONDS_PER_METRE * float(np.linalg.norm(walk))
        hands, things = dict(action.hands), dict(action.things)
        for side, name in self.hands.items():
            if side not in hands and name not in things:
                hands[side], things[name] = self._carry(side, name)
        before = State(dict(self.openings), dict(self.running), dict(self.things))
        seconds = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        self.acts.append(ScriptedAction(verb, noun, replace(action, hands=hands, things=things), seconds, gap, before))

    def _carry(self, side: str, name: str) -> tuple[HandMove, ThingMove]:
        grip = GRIPS[name]
        spot, angle = Spot(CARRY[side], on_head=True).plus((0.0, grip.height * 0.4, 0.0)), held_angle(grip, side)
        grasp = spot.plus(grip_offset(grip, side, angle))
        hand = HandMove(((0.0, grasp),), grip.pose, ((0.0, 1.0),), thumb_over=grip.thumb_over)
        return hand, ThingMove(((0.0, spot),), angle=((0.0, angle),), mirrored=self.things[name].mirrored)

    def take(self, name: str) -> None:
        """Take a thing from its slot."""
        thing, side = self.things[name], self.side[name]
        at = stance(self.scene, self.where[name].area, thing.at)
        self.act("take", called(name), choreography.take(thing, name, side, at, self.rng))
        self.hands[side] = name
        del self.where[name]

    def put(self, name: str, slot: Slot) -> None:
        """Put a held thing into a slot."""
        side = self.side[name]
        self.place(name, slot)
        thing = self.things[name]
        action = choreography.take(thing, name, side, stance(self.scene, slot.area, thing.at), self.rng)
        self.act("put", called(name), backwards(action))
        del self.hands[side]

    def open(self, fixture: str) -> None:
        """Open a fixture, unless it is open."""
        if not self.openings[fixture]:
            self._swing(fixture)

    def close(self, fixture: str) -> None:
        """Close a fixture, unless it is closed."""
        if self.openings[fixture]:
            self._swing(fixture)

    def _swing(self, fixture: str) -> None:
        was_open = self.openings[fixture]
        side = "right" if self.scene.style.hinge < 0 else "left"
        side = other(side) if side in self.hands else side
        at = stance(self.scene, fixture, self.scene.handle(fixture, 0.0))
        action = choreography.swing(fixture, side, at, self.rng)
        self.act("close" if was_open else "open", fixture, backwards(action) if was_open else action)
        self.openings[fixture] = 1.0 - was_open

    def toggle(self, device: str) -> None:
        """Turn a device on or off."""
        area, at, target = SWITCHES[device](self.scene)
        side = other(self.main) if self.main in self.hands else self.main
        action = choreography.switch(device, at, "pinch", side, stance(self.scene, area, target), self.rng)
        was_on = self.running[device]
        self.act("turn-off" if was_on else "turn-on", device, backwards(action) if was_on else action)
        self.running[device] = 1.0 - was_on

    def change(self, name: str, *, at: Point | None = None, sunk: float = 0.0, cut: float = 0.0) -> None:
        """Change a thing that stands still; something sunk into a slot casts no shadow."""
        thing = self.things[name]
        shadow = 0.0 if sunk else thing.shadow
        self.things[name] = replace(thing, at=thing.at if at is None else at, sunk=sunk, cut=cut, shadow=shadow)


def called(name: str) -> str:
    """The noun for a thing."""
    return "bread" if name == "slice" else name
