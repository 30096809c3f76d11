"""What stands where when a recording begins."""

from egoact.kitchen.cook.grips import GRIPS
from egoact.kitchen.rooms.cabinets import CUPBOARD_SHELF, FRIDGE_SHELF
from egoact.kitchen.rooms.places import HOMES, kettle_slot, tap_place, toaster_place
from egoact.kitchen.rooms.room import WORKTOP
from egoact.kitchen.rooms.thing_painter import Thing
from egoact.kitchen.script.actions import COUNTERS, ActionSequence

CLOTH_CHANCE, LIGHT_CHANCE, SLICE_CHANCE = 0.25, 0.3, 0.5
STORED_CHANCE = {"fridge": 0.6, "cupboard": 0.6, "drawer": 0.45}
NUM_ON_COUNTERS = 8


def furnish(story: ActionSequence, *, at_hand: list[str]) -> None:
    """Fill an empty kitchen; things named in `at_hand` stand where they can be seen."""
    rng, scene = story.rng, story.scene
    story.running["light"] = float(rng.random() < LIGHT_CHANCE)
    _ornaments(story)
    board = story.free("board")[0]
    if "cloth" in at_hand or (rng.random() < CLOTH_CHANCE and "board" not in at_hand):
        x, _, z = board.at
        story.things["cloth"] = Thing("cloth", (x, WORKTOP + 0.002, z), cut=float(rng.random() < 0.5))
    else:
        story.place("board", board)
    story.place("kettle", kettle_slot(scene))
    for area, names in HOMES.items():
        for name in rng.permutation(names):
            if story.free(area) and rng.random() < STORED_CHANCE[area] and name not in at_hand:
                story.place(str(name), story.free(area)[0])
    for name in rng.permutation(["pan", "pot"]):
        story.place(str(name), story.free("hob")[0])
    wanted = [name for name in at_hand if name in GRIPS and name not in story.things and name != "board"]
    waiting = [name for name in GRIPS if name not in story.things and name not in ("slice", "board", *wanted)]
    chosen = [*wanted, *(str(name) for name in rng.permutation(waiting))][:NUM_ON_COUNTERS]
    if "slice" not in chosen and rng.random() < SLICE_CHANCE:
        chosen[-1] = "slice"
    for name in chosen:
        free = story.free(*COUNTERS)
        story.place(name, free[int(rng.integers(len(free)))])


def _ornaments(story: ActionSequence) -> None:
    rng, scene = story.rng, story.scene
    centres = scene.room.centres
    fridge, hob_side = centres["fridge"], -0.33 if rng.random() < 0.5 else 0.33
    corners = [
        (centres["sink"] - 0.4, 0.82),
        (centres["sink"] + 0.4, 0.82),
        (centres["toast"] + 0.34, 0.55),
        (centres["hob"] + hob_side, 0.86),
        (centres["prep"] - 0.5, 0.84),
    ]
    standing = {
        "toaster": ("toaster", toaster_place(scene)),
        "tap": ("tap", tap_place(scene)),
        "fridge tub": ("tub", (fridge + 0.16, FRIDGE_SHELF - 0.335, 0.34)),
        "fridge jar": ("jar", (fridge - 0.16, FRIDGE_SHELF + 0.36, 0.4)),
        "lower jar": ("jar", (fridge + 0.05, FRIDGE_SHELF - 0.335, 0.4)),
        "cupboard tub": ("tub", (-0.14, CUPBOARD_SHELF, 0.7)),
    }
    for name, (x, z) in zip(rng.permutation(["plant", "soap", "jar", "roll", "crock"]), corners, strict=True):
        standing[str(name)] = (str(name), (x, WORKTOP, z))
    for identity, (name, at) in standing.items():
        story.things[identity] = Thing(name, at)
