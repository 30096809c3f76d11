"""All solids by name, and what is seen of them; knows nothing about colours.

Small things are a little larger than life, so that they can be told apart in a small picture.
"""

from functools import cache

import numpy as np

from egoact.kitchen.things.groceries import GROCERIES
from egoact.kitchen.things.ornaments import ORNAMENTS
from egoact.kitchen.things.solids import Shape, Surface, trace
from egoact.kitchen.things.tableware import TABLEWARE

PIXELS_PER_METRE = 330.0
SUPERSAMPLING = 1.45
SHAPES = {**TABLEWARE, **GROCERIES, **ORNAMENTS}


@cache
def shape(name: str) -> Shape:
    """The shape of a thing in `SHAPES`."""
    return SHAPES[name]()


@cache
def surface(name: str, elevation_degrees: int) -> Surface:
    """What is seen of a thing from an angle above the horizon."""
    thing = shape(name)
    return trace(
        thing.parts,
        low=thing.low,
        high=thing.high,
        elevation=float(np.radians(elevation_degrees)),
        yaw=float(np.radians(thing.yaw_degrees)),
        pixels_per_metre=PIXELS_PER_METRE * SUPERSAMPLING,
    )
