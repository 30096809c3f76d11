"""All data sets in one dict: the name on the command line -> how its annotations are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset
from egoact.core.annotations.datasets.egtea import read_egtea
from egoact.core.annotations.datasets.epic import EPIC_55, EPIC_100, read_epic
from egoact.core.annotations.datasets.ms_tcn import read_breakfast, read_ms_tcn


@dataclass(frozen=True)
class Recipe:
    """A data set.

    Args:
        title: For people.
        read: Takes the folder of its annotations.
    """

    title: str
    read: Callable[[Path], Dataset]


RECIPES: dict[str, Recipe] = {
    "epic-kitchens-55": Recipe("EPIC-KITCHENS-55", lambda folder: read_epic(folder, EPIC_55)),
    "epic-kitchens-100": Recipe("EPIC-KITCHENS-100", lambda folder: read_epic(folder, EPIC_100)),
    "egtea": Recipe("EGTEA Gaze+", read_egtea),
    "gtea": Recipe("GTEA", lambda folder: read_ms_tcn(folder, rate=15)),
    "50salads": Recipe("50Salads", lambda folder: read_ms_tcn(folder, rate=30)),
    "breakfast": Recipe("Breakfast", read_breakfast),
}
