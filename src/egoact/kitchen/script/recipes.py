"""What cooks do: short chains of actions; a recipe that lacks something does nothing."""

from collections.abc import Callable

from egoact.kitchen.cook.grips import GRIPS
from egoact.kitchen.rooms.places import HOMES, Slot, kettle_slot, stance, toaster_place, toaster_slot
from egoact.kitchen.rooms.room import WORKTOP
from egoact.kitchen.script import choreography, handling
from egoact.kitchen.script.actions import COUNTERS, ActionSequence, called
from egoact.kitchen.script.choreography import backwards

Recipe = Callable[[ActionSequence], None]

CARRIED = (
    *("plate", "cup", "tomato", "bowl", "milk", "knife", "bottle", "onion", "sponge", "glass", "apple", "spoon"),
    *("cereal", "pan", "bread", "pot", "kettle", "board"),
)
FOODS = ("tomato", "onion", "apple", "bread")
WASHED = ("plate", "cup", "tomato", "pan", "bowl", "knife", "spoon", "sponge", "apple", "glass", "pot")
VESSELS = ("cup", "glass", "bowl", "plate")
POURED = {
    "milk": (244, 244, 240),
    "bottle": (196, 170, 60),
    "kettle": (190, 215, 232),
    "cereal": (196, 128, 56),
    "glass": (190, 215, 232),
}
SUNK = 0.5


def movable(story: ActionSequence) -> list[str]:
    """What can be carried elsewhere."""
    names = story.resting(CARRIED, *COUNTERS, "hob", "board")
    board_in_use = any(slot.area == "on board" for slot in story.where.values())
    return [name for name in names if name != "board" or not board_in_use]


def carry_over(story: ActionSequence, name: str) -> None:
    """Take a thing and put it elsewhere."""
    story.take(name)
    put_away(story, name)


def relocate(story: ActionSequence) -> None:
    """Move a thing to another place."""
    names = movable(story)
    if names:
        carry_over(story, story.choose(names, steepness=0.25))


def put_away(story: ActionSequence, name: str) -> None:
    """Put a held thing into a free place that suits it."""
    if name == "kettle":
        story.put(name, kettle_slot(story.scene))
        return
    areas = {"pan": ("hob",), "pot": ("hob",), "board": ("board",)}.get(name, COUNTERS)
    free = story.free(*areas) or story.free(*COUNTERS)
    if free:
        story.put(name, free[int(story.rng.integers(len(free)))])
        return
    home = next(fixture for fixture, names in HOMES.items() if name in names)
    story.open(home)
    story.put(name, story.free(home)[0])
    story.close(home)


def fetch(fixture: str) -> Recipe:
    """A recipe: take something out of a fixture, put something in, or just look."""

    def recipe(story: ActionSequence) -> None:
        inside, outside = story.resting(HOMES[fixture], fixture), story.resting(HOMES[fixture], *COUNTERS)
        if inside and story.free(*COUNTERS) and story.rng.random() < 0.5:
            name = story.choose(inside, steepness=0.5)
            story.open(fixture)
            story.take(name)
            if story.rng.random() < 0.75:
                story.close(fixture)
            put_away(story, name)
        elif outside and story.free(fixture) and story.rng.random() < 0.6:
            name = story.choose(outside, steepness=0.5)
            story.take(name)
            story.open(fixture)
            story.put(name, story.free(fixture)[0])
            story.close(fixture)
        else:
            story.open(fixture)
            story.close(fixture)

    return recipe


def _take_tool(story: ActionSequence, name: str) -> None:
    """Take a knife or spoon, out of the drawer if it is there."""
    stored = story.where[name].area == "drawer"
    if stored:
        story.open("drawer")
    story.take(name)
    if stored:
        story.close("drawer")


def wash(story: ActionSequence) -> None:
    """Wash something at the sink."""
    names = story.resting(WASHED, *COUNTERS, "hob")
    if not names:
        return
    name, scene = story.choose(names, steepness=0.3), story.scene
    story.take(name)
    if not story.running["tap"]:
        story.toggle("tap")
    at = stance(scene, "sink", (scene.spout[0], WORKTOP, 0.6))
    action = handling.wash(story.things[name], name, story.side[name], scene.spout, at, story.rng)
    story.act("wash", called(name), action)
    story.toggle("tap")
    put_away(story, name)


def cut(story: ActionSequence) -> None:
    """Put food on the board and cut it; it stays there."""
    foods = story.resting(FOODS, *COUNTERS)
    used = {slot.index for slot in story.where.values() if slot.area == "on board"}
    spots = [i for i in (0, 1) if i not in used]
    if not foods or not spots or "knife" not in story.where or "board" not in story.where:
        return
    food = story.choose(foods, steepness=0.3)
    x, y, z = story.things["board"].at
    story.take(food)
    story.put(food, Slot("on board", spots[0], (x - 0.08 + 0.16 * spots[0], y + 0.022, z)))
    _take_tool(story, "knife")
    at = stance(story.scene, "prep", story.things[food].at)
    for done in (0.5, 1.0)[: 1 + int(story.rng.random() < 0.7)]:
        knife, side = story.things["knife"], story.side["knife"]
        action = handling.slice_up(knife, "knife", side, story.things[food], food, done, at, story.rng)
        story.act("cut", called(food), action)
        story.change(food, cut=done)
    put_away(story, "knife")


def pour(story: ActionSequence) -> None:
    """Pour something into a vessel on the worktop."""
    vessels = story.resting(VESSELS, *COUNTERS)
    sources = [name for name in story.resting(tuple(POURED), *COUNTERS, "hob") if name not in vessels[:1]]
    if not sources or not vessels:
        return
    name, vessel = story.choose(sources, steepness=0.3), vessels[0]
    x, y, z = story.things[vessel].at
    into, at = (x, y + GRIPS[vessel].height * 0.8, z), stance(story.scene, story.where[vessel].area, (x, y, z))
    story.take(name)
    action = handling.pour(story.things[name], name, story.side[name], into, POURED[name], at, story.rng)
    story.act("pour", called(name), action)
    put_away(story, name)


def stir(story: ActionSequence) -> None:
    """Stir what is in a pot or pan on the hob."""
    vessels = story.resting(("pot", "pan"), "hob")
    if not vessels or "spoon" not in story.where:
        return
    vessel = story.choose(vessels, steepness=0.3)
    x, y, z = story.things[vessel].at
    _take_tool(story, "spoon")
    into, at = (x, y + 0.5 * GRIPS[vessel].height, z), stance(story.scene, "hob", (x, y, z))
    story.act("stir", vessel, handling.stir(story.things["spoon"], "spoon", story.side["spoon"], into, at, story.rng))
    put_away(story, "spoon")


def toast(story: ActionSequence) -> None:
    """Put a slice into the toaster and take it out again."""
    if "slice" not in story.where:
        return
    into, side = toaster_slot(story.scene), story.side["slice"]
    at = stance(story.scene, "toast", toaster_place(story.scene))
    story.take("slice")
    story.act("insert", "bread", choreography.insert(story.things["slice"], "slice", side, into, SUNK, at, story.rng))
    del story.hands[side]
    story.change("slice", at=into, sunk=SUNK)
    if story.rng.random() < 0.5:
        relocate(story)
    action = choreography.insert(story.things["slice"], "slice", side, into, SUNK, at, story.rng)
    story.act("remove", "bread", backwards(action))
    story.hands[side] = "slice"
    put_away(story, "slice")


def fold(story: ActionSequence) -> None:
    """Fold the cloth, or unfold it, and perhaps the other way round after that."""
    cloth = story.things.get("cloth")
    if cloth is None:
        return
    folded = cloth.cut > 0.5
    for _ in range(1 + int(story.rng.random() < 0.6)):
        action = choreography.fold(cloth, "cloth", stance(story.scene, "prep", cloth.at), story.rng)
        story.act("unfold" if folded else "fold", "cloth", backwards(action) if folded else action)
        folded = not folded
        story.change("cloth", cut=float(folded))


def toggle(device: str) -> Recipe:
    """A recipe: turn a device on or off."""
    return lambda story: story.toggle(device)
