"""All data sets in one dict: the name on the command line -> how its annotations are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from egoact.core.annotations.datasets.actionsense import read_actionsense
from egoact.core.annotations.datasets.assembly101 import read_assembly101
from egoact.core.annotations.datasets.dataset import Dataset
from egoact.core.annotations.datasets.ego4d import read_moments, read_narrations
from egoact.core.annotations.datasets.egtea import read_egtea
from egoact.core.annotations.datasets.epic import EPIC_55, EPIC_100, read_epic
from egoact.core.annotations.datasets.hd_epic import read_hd_epic
from egoact.core.annotations.datasets.ms_tcn import read_breakfast, read_ms_tcn


@dataclass(frozen=True, kw_only=True)
class Options:
    """What annotations do not tell: which of several cameras filmed a scene, and the frames a second of a recording."""

    views: tuple[str, ...] = ("e3",)
    rate_of: Callable[[str], float | None] = lambda _: None


@dataclass(frozen=True)
class Recipe:
    """A data set: its title, and what reads the folder of its annotations, or raises an `AnnotationError`."""

    title: str
    read: Callable[[Path, Options], Dataset]


RECIPES: dict[str, Recipe] = {
    "epic-kitchens-55": Recipe("EPIC-KITCHENS-55", lambda folder, _: read_epic(folder, EPIC_55)),
    "epic-kitchens-100": Recipe("EPIC-KITCHENS-100", lambda folder, _: read_epic(folder, EPIC_100)),
    "egtea": Recipe("EGTEA Gaze+", lambda folder, _: read_egtea(folder)),
    "gtea": Recipe("GTEA", lambda folder, _: read_ms_tcn(folder, rate=15)),
    "50salads": Recipe("50Salads", lambda folder, _: read_ms_tcn(folder, rate=30)),
    "breakfast": Recipe("Breakfast", lambda folder, _: read_breakfast(folder)),
    "ego4d-narrations": Recipe("Ego4D narrations", lambda folder, _: read_narrations(folder)),
    "ego4d-moments": Recipe("Ego4D moments", lambda folder, _: read_moments(folder)),
    "assembly101": Recipe("Assembly101", lambda folder, options: read_assembly101(folder, views=options.views)),
    "actionsense": Recipe("ActionSense", lambda folder, options: read_actionsense(folder, rate_of=options.rate_of)),
    "hd-epic": Recipe("HD-EPIC", lambda folder, _: read_hd_epic(folder)),
}
