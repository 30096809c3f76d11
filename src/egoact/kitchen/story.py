"""What happens in a recording: a chain of actions that is consistent with the state of the kitchen."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from egoact.kitchen import choreography as move
from egoact.kitchen.cabinets import CUPBOARD_SHELF, FRIDGE_SHELF
from egoact.kitchen.grips import CARRY, GRIPS, other
from egoact.kitchen.motion import HandMove, Move, Point, Spot, ThingMove
from egoact.kitchen.places import Slot, kettle_place, slots, stance, tap_place, toaster_place, toaster_slot
from egoact.kitchen.room import KNOBS_X, KNOBS_Z, WORKTOP
from egoact.kitchen.scene import RUNNING, Scene, State, Thing

SECONDS = {"cut": 2.1, "wash": 2.0, "stir": 2.0, "pour": 1.9, "fold": 1.6, "unfold": 1.6}
HOMES = {
    "fridge": ("milk", "tomato", "bottle", "apple", "onion"),
    "cupboard": ("plate", "cup", "bowl", "glass", "cereal"),
    "drawer": ("knife", "spoon"),
}
POURED = {
    "milk": (244, 244, 240),
    "bottle": (196, 170, 60),
    "kettle": (190, 215, 232),
    "cereal": (196, 128, 56),
    "glass": (190, 215, 232),
    "pot": (224, 133, 31),
}
VESSELS = ("cup", "glass", "bowl", "plate")
FOODS = ("tomato", "onion", "apple", "bread")
SUNK = 0.5
WASHED = ("plate", "cup", "tomato", "pan", "bowl", "knife", "spoon", "sponge", "apple", "glass", "pot")


@dataclass(frozen=True)
class Act:
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
class Story:
    """Writes the actions of one recording.

    Args:
        scene: The kitchen.
        rng: All choices.
    """

    scene: Scene
    rng: np.random.Generator
    acts: list[Act] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.main = "right" if self.scene.look.right_handed else "left"
        self.things: dict[str, Thing] = {}
        self.where: dict[str, Slot | None] = {}
        self.openings = {"fridge": 0.0, "cupboard": 0.0, "drawer": 0.0}
        self.running = {name: 0.0 for name in RUNNING}
        self.running["light"] = float(self.rng.random() < 0.3)
        self.hands: dict[str, str] = {}
        self._slots = slots(self.scene)
        self._side = {name: self.main if self.rng.random() < 0.8 else other(self.main) for name in GRIPS}
        self._furnish()

    def write(self, num_acts: int) -> list[Act]:
        """Act until at least `num_acts` are done and everything is closed, off and put away."""
        recipes: list[tuple[float, Callable[[], None]]] = [
            (7.0, self._relocate),
            (3.2, lambda: self._fetch("fridge")),
            (2.6, lambda: self._fetch("cupboard")),
            (1.8, lambda: self._fetch("drawer")),
            (2.0, self._wash),
            (1.7, lambda: self._toggle("hob")),
            (2.2, self._cut),
            (1.5, self._pour),
            (1.8, self._stir),
            (1.0, lambda: self._toggle("kettle")),
            (0.9, lambda: self._toggle("light")),
            (1.8, self._toast),
            (2.4, self._fold),
        ]
        weights = np.array([w for w, _ in recipes])
        rare = [self._fold if "cloth" in self.things else self._cut, self._toast, self._stir, self._pour]
        rare[int(self.rng.integers(len(rare)))]()
        while len(self.acts) < num_acts:
            recipes[self.rng.choice(len(recipes), p=weights / weights.sum())][1]()
        for device in ("tap", "hob"):
            if self.running[device]:
                self._switch(device)
        for fixture in self.openings:
            if self.openings[fixture]:
                self._swing(fixture)
        return self.acts

    def _furnish(self) -> None:
        scene = self.scene
        self._stand("toaster", toaster_place(scene))
        self._stand("tap", tap_place(scene))
        free = {area: [s for s in self._slots if s.area == area] for area in {s.area for s in self._slots}}
        if self.rng.random() < 0.4:
            x, y, z = free["board"][0].at
            folded = float(self.rng.random() < 0.5)
            self.things["cloth"] = Thing("cloth", (x, WORKTOP + 0.002, z), cut=folded)
        else:
            self._place("board", free["board"][0])
        self._place("kettle", Slot("toast", 9, kettle_place(scene)))
        for area, names in HOMES.items():
            names_here = list(self.rng.permutation(names))
            for name in names_here:
                if free[area] and self.rng.random() < 0.72:
                    self._place(name, free[area].pop(0))
        hob = free["hob"]
        for name in self.rng.permutation(["pan", "pot"]):
            self._place(name, hob.pop(0))
        counter = [s for area in ("prep", "sink", "toast") for s in free[area]]
        waiting = [n for n in GRIPS if n not in self.things and n not in ("slice", "sponge", "bread", "board")]
        waiting = ["slice", *(str(n) for n in self.rng.permutation([*waiting, "sponge", "bread"]))]
        waiting = waiting[int(self.rng.random() < 0.3) :]
        for name in waiting[:7]:
            self._place(name, counter.pop(int(self.rng.integers(len(counter)))))
        self._ornaments()

    def _ornaments(self) -> None:
        centres, rng = self.scene.room.centres, self.rng
        spots = [
            (centres["sink"] - 0.4, 0.82),
            (centres["sink"] + 0.4, 0.82),
            (centres["toast"] + 0.34, 0.55),
            (centres["hob"] - 0.33 + 0.66 * float(rng.random() < 0.5), 0.86),
            (centres["prep"] - 0.5, 0.84),
        ]
        for name, (x, z) in zip(rng.permutation(["plant", "soap", "jar", "roll", "crock"]), spots, strict=True):
            self._stand(str(name), (x, WORKTOP, z))
        fridge = centres["fridge"]
        self.things["tub"] = Thing("tub", (fridge + 0.16, FRIDGE_SHELF - 0.335, 0.34))
        self.things["second jar"] = Thing("jar", (fridge - 0.16, FRIDGE_SHELF + 0.36, 0.4))
        self.things["third jar"] = Thing("jar", (fridge + 0.05, FRIDGE_SHELF - 0.335, 0.4))
        self.things["second tub"] = Thing("tub", (-0.14, CUPBOARD_SHELF, 0.7))

    def _stand(self, name: str, at: Point) -> None:
        self.things[name] = Thing(name, at)

    def _place(self, name: str, slot: Slot) -> None:
        x, y, z = slot.at
        jitter = self.rng.uniform(-0.02, 0.02, 2) if slot.area in ("prep", "sink", "toast") else (0.0, 0.0)
        side = self._side[name]
        at = (x + float(jitter[0]), y, z + float(jitter[1]))
        self.things[name] = Thing(name, at, mirrored=move.is_mirrored(name, side))
        self.where[name] = slot

    def _free(self, *areas: str) -> list[Slot]:
        taken = {(s.area, s.index) for s in self.where.values() if s}
        return [s for s in self._slots if s.area in areas and (s.area, s.index) not in taken]

    def _choose(self, names: list[str] | tuple[str, ...], *, steepness: float = 0.8) -> str:
        """A name; earlier ones are likelier (Zipf's law)."""
        weights = 1 / np.arange(1, len(names) + 1) ** steepness
        return names[int(self.rng.choice(len(names), p=weights / weights.sum()))]

    def _act(self, verb: str, noun: str, action: Move) -> None:
        seconds = SECONDS.get(verb, 1.45) * float(np.exp(self.rng.normal(0, 0.17)))
        gap = float(self.rng.uniform(0.25, 0.6))
        if self.acts:
            gap += 0.25 * float(np.linalg.norm(np.subtract(self.acts[-1].move.stance.eye, action.stance.eye)))
        carried = {s: n for s, n in self.hands.items() if s not in action.hands and n not in action.things}
        hands, things = dict(action.hands), dict(action.things)
        for side, name in carried.items():
            hands[side], things[name] = self._carry(side, name)
        before = State(dict(self.openings), dict(self.running), dict(self.things))
        full = replace(action, hands=hands, things=things)
        self.acts.append(Act(verb, noun, full, min(max(seconds, 0.9), 3.2), gap, before))

    def _carry(self, side: str, name: str) -> tuple[HandMove, ThingMove]:
        grip, spot = GRIPS[name], Spot(CARRY[side], on_head=True).plus((0.0, GRIPS[name].height * 0.4, 0.0))
        angle = grip.held_angle if side == "right" else -grip.held_angle
        offset = move._offset(grip, side, angle)
        hand = HandMove(((0.0, spot.plus(offset)),), grip.pose, ((0.0, 1.0),), thumb_over=grip.thumb_over)
        return hand, ThingMove(((0.0, spot),), angle=((0.0, angle),), mirrored=self.things[name].mirrored)

    def _take(self, name: str) -> None:
        thing, slot = self.things[name], self.where[name]
        assert slot is not None
        side = self._side[name]
        self._act("take", noun(name), move.take(thing, name, side, stance(self.scene, slot.area, thing.at), self.rng))
        self.hands[side], self.where[name] = name, None

    def _put(self, name: str, slot: Slot) -> None:
        side = self._side[name]
        self._place(name, slot)
        target = self.things[name]
        action = move.take(target, name, side, stance(self.scene, slot.area, target.at), self.rng)
        self._act("put", noun(name), move.backwards(action))
        self.hands.pop(side, None)

    def _swing(self, fixture: str) -> None:
        opened = self.openings[fixture]
        handle = self.scene.handle(fixture, 0.0)
        free = [s for s in ("left", "right") if s not in self.hands]
        side = "right" if self.scene.look.hinge < 0 else "left"
        side = side if side in free else free[0]
        action = move.swing(fixture, side, stance(self.scene, fixture, handle), self.rng)
        self._act("close" if opened else "open", fixture, move.backwards(action) if opened else action)
        self.openings[fixture] = 1.0 - opened

    def _switch(self, device: str) -> None:
        centres = self.scene.room.centres
        at, pose, area = {
            "tap": ((centres["sink"] + 0.09, WORKTOP + 0.13, tap_place(self.scene)[2] - 0.02), "pinch", "sink"),
            "hob": ((centres["hob"] + KNOBS_X[1], WORKTOP + 0.02, KNOBS_Z), "pinch", "hob"),
            "light": ((self.scene.lamp[0], self.scene.lamp[1] - 0.14, self.scene.lamp[2] - 0.03), "pinch", "light"),
            "kettle": ((centres["toast"] + 0.26, WORKTOP + 0.03, 0.68), "pinch", "toast"),
        }[device]
        look_at: Point = {"tap": self.scene.spout, "hob": self.scene.burner, "light": self.scene.lamp}.get(device, at)
        if device == "tap":
            look_at = (look_at[0], WORKTOP, 0.78)
        side = self.main if self.main not in self.hands else other(self.main)
        action = move.switch(device, at, pose, side, stance(self.scene, area, look_at), self.rng)
        on = self.running[device]
        self._act("turn-off" if on else "turn-on", device, move.backwards(action) if on else action)
        self.running[device] = 1.0 - on

    def _resting(self, names: tuple[str, ...], *areas: str) -> list[str]:
        return [n for n in names if self.where.get(n) and self.where[n].area in areas]  # type: ignore[union-attr]

    def _relocate(self) -> None:
        order = (
            "plate",
            "cup",
            "tomato",
            "knife",
            "pan",
            "bottle",
            "bowl",
            "milk",
            "onion",
            "sponge",
            "spoon",
            "pot",
            "bread",
            "kettle",
            "glass",
            "apple",
            "cereal",
            "board",
        )
        names = [n for n in self._resting(order, "prep", "sink", "toast", "hob", "board") if self.things[n].cut == 0]
        if any(s and s.area == "on board" for s in self.where.values()):
            names = [n for n in names if n != "board"]
        if names:
            name = self._choose(names)
            self._take(name)
            self._put_away(name)

    def _put_away(self, name: str) -> None:
        areas = ("hob",) if name in ("pan", "pot") else ("prep", "sink", "toast")
        free = self._free(*areas) or self._free("prep", "sink", "toast")
        if name == "kettle":
            free = [Slot("toast", 9, kettle_place(self.scene))]
        if name == "board":
            free = self._free("board")
        self._put(name, free[int(self.rng.integers(len(free)))])

    def _fetch(self, fixture: str) -> None:
        """Open, take something out or put something in, close."""
        inside = self._resting(HOMES[fixture], fixture)
        outside = [n for n in self._resting(HOMES[fixture], "prep", "sink", "toast") if self.things[n].cut == 0]
        if inside and self._free("prep", "sink", "toast") and self.rng.random() < 0.5:
            name = self._choose(inside, steepness=0.5)
            self._swing(fixture)
            self._take(name)
            if self.rng.random() < 0.75:
                self._swing(fixture)
            self._put_away(name)
        elif outside and self._free(fixture) and self.rng.random() < 0.6:
            name = self._choose(outside, steepness=0.5)
            self._take(name)
            self._swing(fixture)
            self._put(name, self._free(fixture)[0])
            self._swing(fixture)
        else:
            self._swing(fixture)
            self._swing(fixture)

    def _take_tool(self, name: str) -> None:
        """Take a knife or spoon, out of the drawer if it is there."""
        stored = bool(self._resting((name,), "drawer"))
        if stored and not self.openings["drawer"]:
            self._swing("drawer")
        self._take(name)
        if stored:
            self._swing("drawer")

    def _wash(self) -> None:
        names = [n for n in self._resting(WASHED, "prep", "sink", "toast", "hob") if self.things[n].cut == 0]
        if not names:
            return
        name = self._choose(names)
        self._take(name)
        if not self.running["tap"]:
            self._switch("tap")
        side = self._side[name]
        at = stance(self.scene, "sink", (self.scene.spout[0], WORKTOP, 0.6))
        self._act("wash", noun(name), move.wash(self.things[name], name, side, self.scene.spout, at, self.rng))
        self._switch("tap")
        self._put_away(name)

    def _toggle(self, device: str) -> None:
        if device == "kettle" and not self.where.get("kettle"):
            return
        self._switch(device)

    def _cut(self) -> None:
        foods = [n for n in self._resting(FOODS, "prep", "toast", "sink") if self.things[n].cut == 0]
        if not foods or not self.where.get("knife"):
            return
        spots = [i for i in (0, 1) if not any(s and (s.area, s.index) == ("on board", i) for s in self.where.values())]
        if not self.where.get("board") or not spots:
            return
        food = self._choose(foods, steepness=0.4)
        self._take(food)
        x, y, z = self.things["board"].at
        self._put(food, Slot("on board", spots[0], (x - 0.08 + 0.16 * spots[0], y + 0.022, z)))
        self._take_tool("knife")
        at = stance(self.scene, "prep", self.things[food].at)
        for done in (0.5, 1.0):
            if done == 1.0 and self.rng.random() < 0.3:
                break
            action = move.slice_up(
                self.things["knife"], "knife", self._side["knife"], self.things[food], food, done, at, self.rng
            )
            self._act("cut", noun(food), action)
            self.things[food] = replace(self.things[food], cut=done)
        self._put_away("knife")

    def _pour(self) -> None:
        sources = self._resting(("milk", "bottle", "kettle", "cereal", "glass", "pot"), "prep", "sink", "toast", "hob")
        vessels = self._resting(VESSELS, "prep", "sink", "toast")
        sources = [s for s in sources if s not in vessels[:1]]
        if not sources or not vessels:
            return
        name, vessel = self._choose(sources, steepness=0.5), vessels[0]
        slot = self.where[vessel]
        assert slot is not None
        self._take(name)
        x, y, z = self.things[vessel].at
        into = (x, y + GRIPS[vessel].height * 0.8, z)
        at = stance(self.scene, slot.area, (x, y, z))
        self._act(
            "pour", noun(name), move.pour(self.things[name], name, self._side[name], into, POURED[name], at, self.rng)
        )
        self._put_away(name)

    def _stir(self) -> None:
        vessels = self._resting(("pot", "pan"), "hob")
        if not vessels or not self.where.get("spoon"):
            return
        vessel = self._choose(vessels, steepness=0.3)
        self._take_tool("spoon")
        x, y, z = self.things[vessel].at
        at = stance(self.scene, "hob", (x, y, z))
        into = (x, y + 0.5 * GRIPS[vessel].height, z)
        self._act("stir", vessel, move.stir(self.things["spoon"], "spoon", self._side["spoon"], into, at, self.rng))
        self._put_away("spoon")

    def _toast(self) -> None:
        if not self.where.get("slice"):
            return
        into, side = toaster_slot(self.scene), self._side["slice"]
        at = stance(self.scene, "toast", toaster_place(self.scene))
        self._take("slice")
        self._act("insert", "bread", move.insert(self.things["slice"], "slice", side, into, SUNK, at, self.rng))
        self.hands.pop(side, None)
        self.things["slice"] = replace(self.things["slice"], at=into, sunk=SUNK, shadow=0.0)
        if self.rng.random() < 0.5:
            self._relocate()
        action = move.insert(self.things["slice"], "slice", side, into, SUNK, at, self.rng)
        self._act("remove", "bread", move.backwards(action))
        self.hands[side] = "slice"
        self._put_away("slice")

    def _fold(self) -> None:
        cloth = self.things.get("cloth")
        if cloth is None:
            return
        folded = cloth.cut > 0.5
        at = stance(self.scene, "prep", cloth.at)
        action = move.fold(replace(cloth, cut=0.0), "cloth", at, self.rng)
        self._act("unfold" if folded else "fold", "cloth", move.backwards(action) if folded else action)
        self.things["cloth"] = replace(cloth, cut=0.0 if folded else 1.0)


def noun(name: str) -> str:
    """What a thing is called."""
    return "bread" if name == "slice" else name
