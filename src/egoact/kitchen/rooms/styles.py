"""How each participant's kitchen looks: layout, materials, colours of things, light, arms."""

from dataclasses import dataclass

from egoact.kitchen.cook.arms import Arm
from egoact.kitchen.drawing.reflectance import Colour, rgb
from egoact.kitchen.things.sprites import Light

MODULES = ("fridge", "hob", "prep", "sink", "toast")


@dataclass(frozen=True)
class KitchenStyle:
    """One participant's kitchen.

    Args:
        participant_id: "P01"...
        seed: Of the textures' grain.
        order: `MODULES` from left to right.
        arm: The cook's arms.
        light: On things.
        tint: Colour cast of the whole picture.
        worktop: Material ("wood", "marble" or "granite") and two colours.
        fronts: Style ("shaker" or "flat"), colour, whether wooden.
        handle: "bar" or "knob".
        tiles: Colour, grout, tile width, tile height (metres), shifted.
        accents: Colours of some of the tiles.
        wall: Colour of the wall.
        floor: Colour and whether of planks.
        fridge: Colour.
        hob: "gas" or "glass".
        hinge: Side of the hinges, -1 left, 1 right.
        palette: Colours of the things.
        right_handed: Which hand works.
    """

    participant_id: str
    seed: int
    order: tuple[str, ...]
    arm: Arm
    light: Light
    tint: Colour
    worktop: tuple[str, Colour, Colour]
    fronts: tuple[str, Colour, bool]
    handle: str
    tiles: tuple[Colour, Colour, float, float, bool]
    accents: tuple[Colour, ...]
    wall: Colour
    floor: tuple[Colour, bool]
    fridge: Colour
    hob: str
    hinge: int
    palette: dict[str, Colour]
    right_handed: bool

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(MODULES):
            raise ValueError(f"order must hold each of {MODULES} once, got {self.order}")


def _palette(codes: str) -> dict[str, Colour]:
    """'plate=2f5fa8 bowl=...' as colours."""
    return {name: rgb(code) for name, code in (pair.split("=") for pair in codes.split())}


WARM = Light((-0.5, 0.75, 0.95), (0.76, 0.70, 0.61), (0.47, 0.46, 0.46))
COOL = Light((0.55, 0.75, 0.95), (0.70, 0.72, 0.75), (0.47, 0.48, 0.52))
DAY = Light((-0.2, 0.8, 1.0), (0.74, 0.73, 0.70), (0.48, 0.49, 0.51))
DIM = Light((0.4, 0.85, 0.85), (0.70, 0.62, 0.52), (0.43, 0.41, 0.40))

STYLES = (
    KitchenStyle(
        "P01",
        11,
        ("fridge", "hob", "prep", "sink", "toast"),
        Arm(rgb("e3b18c"), rgb("3b5c8c"), rgb("dfe4ec"), "checks", 0.5, 1.0),
        WARM,
        (1.0, 0.985, 0.95),
        ("wood", rgb("b5844f"), rgb("8a5f35")),
        ("shaker", rgb("eeece4"), False),
        "knob",
        (rgb("f3f3ef"), rgb("b9b6ae"), 0.2, 0.1, True),
        (),
        rgb("e8e2d2"),
        (rgb("8b6b4d"), True),
        rgb("f1f2f2"),
        "gas",
        -1,
        _palette(
            "plate=2f5fa8 bowl=1f9c94 cup=cf3a2c bottle=2f5d2c spoon=b98a58 pan=2b2b2e pot=a9adb3 board=cda368 "
            "onion=a5562f milk=2a62b8 cereal=f0b61e sponge=3f9a3f kettle=b4b8bd toaster=c0c3c6 clutter=c77b4a "
            "cloth=c23b3b"
        ),
        True,
    ),
    KitchenStyle(
        "P02",
        22,
        ("toast", "sink", "prep", "hob", "fridge"),
        Arm(rgb("8c5a3b"), rgb("a83a36"), rgb("eadfce"), "stripes", 0.9, 1.06),
        COOL,
        (0.97, 0.99, 1.02),
        ("granite", rgb("4a4b50"), rgb("a3a5aa")),
        ("flat", rgb("5c7f8c"), False),
        "bar",
        (rgb("cfe0df"), rgb("f2f2f0"), 0.1, 0.1, False),
        (rgb("7fb0b5"), rgb("e8b75f")),
        rgb("d9dde0"),
        (rgb("9a9da0"), False),
        rgb("b8bcc1"),
        "glass",
        1,
        _palette(
            "plate=3a6fb5 bowl=2aa79b cup=d8452f bottle=35652f spoon=c4986a pan=3a3a40 pot=9aa3ad board=d8b483 "
            "onion=9c4a35 milk=2f6fc4 cereal=f4be2b sponge=4aa548 kettle=e4e5e6 toaster=d23c30 clutter=6f8fa8 "
            "cloth=d14b45"
        ),
        False,
    ),
    KitchenStyle(
        "P03",
        33,
        ("fridge", "toast", "prep", "hob", "sink"),
        Arm(rgb("f0c7a6"), rgb("4c4f55"), rgb("4c4f55"), "plain", 1.3, 0.95),
        DAY,
        (1.0, 1.0, 0.985),
        ("marble", rgb("ecebe8"), rgb("8d9097")),
        ("flat", rgb("a9713f"), True),
        "bar",
        (rgb("8fa98b"), rgb("dcdcd2"), 0.075, 0.15, False),
        (),
        rgb("f0ead9"),
        (rgb("b9a88f"), False),
        rgb("3f4246"),
        "gas",
        -1,
        _palette(
            "plate=274f94 bowl=178a86 cup=bf2f2a bottle=2a5427 spoon=a97a48 pan=242427 pot=b5b8bc board=b98d55 "
            "onion=b0623a milk=2457a8 cereal=eaae16 sponge=358c38 kettle=8f959c toaster=55585c clutter=d9c08a "
            "cloth=b5302f"
        ),
        True,
    ),
    KitchenStyle(
        "P04",
        44,
        ("sink", "hob", "prep", "toast", "fridge"),
        Arm(rgb("5f3b28"), rgb("d9b13b"), rgb("5b6a3a"), "plain", 0.35, 1.03),
        DIM,
        (1.03, 0.985, 0.91),
        ("granite", rgb("b9a78d"), rgb("5f5344")),
        ("shaker", rgb("7a4a2c"), True),
        "knob",
        (rgb("e9d9b8"), rgb("a78f6c"), 0.15, 0.15, False),
        (rgb("b5623a"), rgb("c99a55")),
        rgb("ecd9b4"),
        (rgb("a55f3c"), False),
        rgb("e9e4d6"),
        "gas",
        1,
        _palette(
            "plate=3360a0 bowl=2b9a8b cup=c43d2a bottle=3b5f2a spoon=a8743f pan=33302e pot=a39d96 board=bf8f52 "
            "onion=a3522c milk=335fae cereal=e8ac20 sponge=4d933c kettle=a8a49c toaster=b3afa6 clutter=9c4f30 "
            "cloth=b83f35"
        ),
        True,
    ),
    KitchenStyle(
        "P05",
        55,
        ("fridge", "sink", "prep", "toast", "hob"),
        Arm(rgb("c98f66"), rgb("e6e6e4"), rgb("33508a"), "stripes", 0.6, 0.98),
        COOL,
        (0.98, 1.0, 1.01),
        ("marble", rgb("3a3d42"), rgb("b7bcc2")),
        ("flat", rgb("e9e9e7"), False),
        "bar",
        (rgb("39505f"), rgb("c9cdd0"), 0.22, 0.07, True),
        (),
        rgb("cfd6da"),
        (rgb("6f5a45"), True),
        rgb("c9ccd0"),
        "glass",
        -1,
        _palette(
            "plate=2c5aa6 bowl=22a39b cup=d0402f bottle=2d6132 spoon=c89f6c pan=2e2e33 pot=adb3b9 board=d2ad75 "
            "onion=994732 milk=2865ba cereal=f5c233 sponge=44a04a kettle=3c3f44 toaster=e3e4e4 clutter=e0e0dd "
            "cloth=c93f43"
        ),
        True,
    ),
    KitchenStyle(
        "P06",
        66,
        ("toast", "hob", "prep", "sink", "fridge"),
        Arm(rgb("d7a27c"), rgb("3f7a5a"), rgb("e8e4d0"), "checks", 0.75, 1.0),
        DAY,
        (1.01, 1.0, 0.965),
        ("wood", rgb("8a5c3a"), rgb("6b452a")),
        ("shaker", rgb("9db3a0"), False),
        "knob",
        (rgb("efe9db"), rgb("c8bfae"), 0.12, 0.12, False),
        (rgb("5d83a8"),),
        rgb("f3eee2"),
        (rgb("c2a67e"), True),
        rgb("d9dcdd"),
        "gas",
        1,
        _palette(
            "plate=3565ac bowl=1d968f cup=c9382d bottle=325a2e spoon=b18352 pan=2f2c2c pot=b0b2b6 board=c59a60 "
            "onion=a85a35 milk=2d66b6 cereal=edb422 sponge=419642 kettle=c3c6ca toaster=9fa3a8 clutter=7d9c6a "
            "cloth=bd3a3c"
        ),
        True,
    ),
)
