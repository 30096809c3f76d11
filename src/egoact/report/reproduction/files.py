"""What `egoact reproduce` left on disk, read and checked; knows nothing about pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json

STEP_NAMES = (
    "figure_03",
    "figure_05",
    "figures_06_07",
    "figure_08",
    "figure_09",
    "figure_10",
    "features",
    "mistake_features",
    "figure_11",
    "figure_12",
    "figure_20",
    "figure_21",
    "table_1",
    "figure_13",
    "table_2",
    "figures_14_15",
    "figure_18",
    "figure_19",
)


@dataclass(frozen=True)
class Reproduction:
    """A finished reproduction.

    Args:
        out: The folder.
        settings: `reproduce.json`.
        steps: Name -> what it found.
        seconds: Name -> how long it took.
        commands: Name -> the commands that do it alone.
    """

    out: Path
    settings: dict[str, Any]
    steps: dict[str, Any]
    seconds: dict[str, float]
    commands: dict[str, list[str]]

    @property
    def is_kitchen(self) -> bool:
        """Whether it was trained on the built-in kitchen."""
        return not self.settings.get("media")

    @property
    def data_name(self) -> str:
        """What it was trained on."""
        if self.is_kitchen:
            return "the built-in kitchen"
        return "EPIC-KITCHENS-100" if self.settings["segments"] is None else Path(self.settings["segments"]).name


def read_reproduction(out: Path) -> Reproduction:
    """Read everything.

    Raises:
        ArtifactError: A step is missing or damaged.
    """
    settings = read_json(out / "reproduce.json")
    names = [*STEP_NAMES, *(["kitchen"] if (out / "steps" / "kitchen.json").exists() else [])]
    steps, seconds, commands = {}, {}, {}
    for name in names:
        path = out / "steps" / f"{name}.json"
        values = read_json(path)
        try:
            steps[name], seconds[name] = values["result"], float(values["seconds"])
            commands[name] = [str(command) for command in values["commands"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"not what egoact reproduce writes ({error!r}); delete it", path=path) from None
    return Reproduction(out, settings, steps, seconds, commands)


def read_picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3), RGB.

    Raises:
        ArtifactError: Missing or damaged.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ArtifactError("this picture is missing or damaged", path=path)
    return np.asarray(picture)[..., ::-1]
