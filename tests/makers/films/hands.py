"""The palm detector's network, which is no dependency of ours and may be absent, and palms made by hand."""

import pytest

from egoact.core.errors import ArtifactError
from egoact.core.timelines.hands import Palm
from egoact.engines.hands.detector import PALMS


def needs_hand_model() -> None:
    """Skip the test where the network is not here, saying how to get it."""
    try:
        PALMS.read()
    except ArtifactError as error:
        pytest.skip(str(error))


def palm(x: float, y: float = 0.5, *, arm_x: float | None = None, score: float = 0.9, size: float = 0.1) -> Palm:
    """A palm at a place, whose arm comes in at the bottom at `arm_x`; default: straight from below."""
    height = (1 - y) / 10
    wrist_x = x + ((x if arm_x is None else arm_x) - x) / 10
    box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    return Palm(box, wrist=(wrist_x, y + height), knuckle=(x, y), score=score)
