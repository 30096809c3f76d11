"""Strings recipes together to the actions of one recording, so that verbs and nouns get a long tail."""

import numpy as np

from egoact.kitchen.rooms.scene import Scene
from egoact.kitchen.script.actions import ActionSequence, ScriptedAction
from egoact.kitchen.script.furnishing import furnish
from egoact.kitchen.script.recipes import (
    CARRIED,
    Recipe,
    carry_over,
    cut,
    fetch,
    fold,
    movable,
    pour,
    relocate,
    stir,
    toast,
    toggle,
    wash,
)

RECIPES: tuple[tuple[float, Recipe], ...] = (
    (7.0, relocate),
    (4.2, fetch("fridge")),
    (3.8, fetch("cupboard")),
    (1.8, fetch("drawer")),
    (2.4, wash),
    (2.2, toggle("hob")),
    (2.0, cut),
    (1.8, pour),
    (1.5, stir),
    (1.0, toggle("kettle")),
    (1.3, toggle("light")),
    (0.8, toast),
    (3.2, fold),
)
RARE: tuple[tuple[Recipe, tuple[str, ...]], ...] = (
    (fold, ("cloth",)),
    (cut, ("board", "knife", "tomato")),
    (toast, ("slice",)),
    (wash, ("plate",)),
    (toggle("light"), ()),
    (stir, ("spoon",)),
    (fold, ("cloth",)),
    (pour, ("milk", "cup")),
    (toast, ("slice",)),
    (toggle("hob"), ()),
    (cut, ("board", "knife", "onion")),
)
"""What every so many recordings begin with, and what must be at hand for it."""


def write_script(scene: Scene, rng: np.random.Generator, *, num_acts: int, turn: int) -> list[ScriptedAction]:
    """ScriptedAction until at least `num_acts` are done, and everything is put away, closed and off.

    Args:
        scene: The kitchen.
        rng: All choices.
        num_acts: Actions, at least 1.
        turn: Chooses what surely happens, in turn over the recordings of a data set, so that nothing is left out.
    """
    story = ActionSequence(scene, rng)
    carried = [CARRIED[(2 * turn + i) % len(CARRIED)] for i in (0, 1)]
    rare, needed = RARE[turn % len(RARE)]
    furnish(story, at_hand=[*needed, *(name for name in carried if name not in needed)])
    rare(story)
    for name in carried:
        if name in movable(story):
            carry_over(story, name)
    weights = np.array([weight for weight, _ in RECIPES])
    while len(story.acts) < num_acts:
        RECIPES[int(rng.choice(len(RECIPES), p=weights / weights.sum()))][1](story)
    for device in ("tap", "hob"):
        if story.running[device]:
            story.toggle(device)
    for fixture in story.openings:
        story.close(fixture)
    return story.acts
