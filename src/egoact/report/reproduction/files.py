"""What the report says, what `egoact reproduce` left on disk, read and checked, and how it is shown beside it."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from egoact.core.files import read_json
from egoact.report.figures import Figure
from egoact.report.page import written_by

REPORT: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("report.toml").read_text(encoding="utf-8"))
STEP_NAMES = ("features", "mistake_features", *dict.fromkeys(said["step"] for said in REPORT.values()))
HEAD_NAMES = {"lstm": "LSTM", "convlstm": "ConvLSTM", "convnet1d": "ConvNet1D", "difference": "difference"}


class Table(NamedTuple):
    """Cells as they are shown; the first column is text, the others are numbers.

    `css` is "right" or "wrong" for the two sides of the page's switch.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    css: str = ""


@dataclass(frozen=True)
class Found:
    """What was measured of a figure or table of the report, with the difference in a sentence.

    Pictures are drawings with captions; the note says what the reader must know, such as another data set.
    """

    difference: str
    pictures: Sequence[tuple[Callable[[], Figure], str]] = ()
    tables: Sequence[Table] = ()
    note: str = ""


class Step(NamedTuple):
    """What one step found, how long it took, and the commands that do it alone."""

    found: Any
    seconds: float
    commands: list[str]


@dataclass(frozen=True)
class Reproduction:
    """A finished reproduction: `reproduce.json` of a folder, and its steps by their names."""

    out: Path
    settings: dict[str, Any]
    steps: dict[str, Step]

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
    """Read everything."""
    settings = read_json(out / "reproduce.json")
    names = (*STEP_NAMES, *(["kitchen"] if (out / "steps" / "kitchen.json").exists() else []))
    steps = {}
    for name in names:
        path = out / "steps" / f"{name}.json"
        values = read_json(path)
        with written_by("reproduce", path, advice="delete it"):
            steps[name] = Step(values["result"], float(values["seconds"]), list(map(str, values["commands"])))
    return Reproduction(out, settings, steps)
