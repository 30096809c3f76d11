"""Classes that a mirror exchanges: "left" and "right" in their names; knows nothing about pictures."""

import re
from collections.abc import Sequence

import numpy as np

_SIDES = {"left": "right", "right": "left"}


def mirror_classes(names: Sequence[str]) -> np.ndarray:
    """Class -> the class that its mirror image shows, int64; -1 where there is no such class.

    >>> mirror_classes(["cut", "turn left", "turn right", "left hand"]).tolist()
    [0, 2, 1, -1]
    """
    numbers = {name.casefold(): number for number, name in enumerate(names)}
    mirrored = [re.sub(r"\b(left|right)\b", lambda found: _SIDES[found[0]], name.casefold()) for name in names]
    return np.array([numbers.get(name, -1) for name in mirrored], dtype=np.int64)
