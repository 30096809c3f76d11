"""What `egoact tune-timeline` tries: one line a hyperparameter; knows nothing about trainings.

A trial is asked for everything that any of the segmenters takes, so that all trials speak of the same hyperparameters;
flags are those that its own segmenter takes.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from egoact.training.segmentation.recipe import SegmenterRecipe
from egoact.training.tuning.space import Range

if TYPE_CHECKING:
    from optuna.trial import Trial

OPTION_SPACE: dict[str, Range] = {
    "penalty": Range(0.01, 100.0),
    "width": Range(16, 96, step=16),
    "dropout": Range(0.1, 0.7, step=0.1),
}
RECIPE_SPACE: dict[str, Range] = {
    "components": Range(32, 128, step=32),
    "updates": Range(120, 480, step=120),
    "learning_rate": Range(2e-4, 1e-2),
    "weight_decay": Range(1e-4, 1e-1),
    "smoothing": Range(0.0, 0.45, step=0.15),
    "warp": Range(1.0, 1.5, step=0.25),
    "input_dropout": Range(0.0, 0.4, step=0.1),
}
SPACE = ("segmenter", "streams", "rate", *OPTION_SPACE, *RECIPE_SPACE)
_RATES = (2, 8)  # steps a second, least and most
_COMPONENTS = 64


@dataclass(frozen=True)
class SegmenterSpace:
    """Of `egoact train-timeline`.

    Args:
        names: Hyperparameters to vary; those that there is no choice of are left out of `searched`.
        segmenters: To choose from, the usual one first.
        rate: Steps a second of the store.
        usual_rate: That are looked at where nothing is said.
    """

    names: tuple[str, ...]
    segmenters: tuple[str, ...]
    streams: tuple[str, ...]
    rate: int
    usual_rate: int
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def searched(self) -> tuple[str, ...]:  # noqa: D102
        choices = {"segmenter": self.segmenters, "streams": self._streams, "rate": self._rates}
        return tuple(
            name
            for name in self.names
            if len(choices.get(name, "ab")) > 1
            and (name not in OPTION_SPACE or any(option_default(one, name) is not None for one in self.segmenters))
            and (name not in RECIPE_SPACE or any(_learns_by(one, name) for one in self.segmenters))
        )

    def suggest(self, trial: "Trial") -> dict[str, Any]:  # noqa: D102
        found: dict[str, Any] = {"segmenter": self.segmenters[0]}
        for name in self.searched:
            if name == "segmenter":
                found[name] = trial.suggest_categorical(name, list(self.segmenters))
            elif name == "streams":
                found[name] = tuple(trial.suggest_categorical(name, list(self._streams)).split())
            elif name == "rate":
                found[name] = trial.suggest_categorical(name, list(self._rates))
            else:
                found[name] = (OPTION_SPACE | RECIPE_SPACE)[name].ask(trial, name)
        chosen = found["segmenter"]
        return {
            name: value
            for name, value in found.items()
            if (name not in OPTION_SPACE or option_default(chosen, name) is not None)
            and (name not in RECIPE_SPACE or _learns_by(chosen, name))
        }

    def default_parameters(self) -> dict[str, Any]:  # noqa: D102
        usual = self._usual(self.segmenters[0])
        usual["streams"] = " ".join(self.streams)
        ranges = OPTION_SPACE | RECIPE_SPACE
        return {
            name: usual[name]
            for name in self.searched
            if name in usual and (name not in ranges or ranges[name].holds(usual[name]))
        }

    def is_usual(self, flags: Mapping[str, Any]) -> bool:  # noqa: D102
        if flags["segmenter"] != self.segmenters[0]:
            return False
        usual = self._usual(flags["segmenter"]) | {"streams": self.streams}
        given = {name: tuple(v) if isinstance(v, list) else v for name, v in flags.items()}  # out of JSON
        return all(usual.get(name) == value for name, value in given.items())

    def describe(self) -> dict[str, Any]:  # noqa: D102
        return {"streams_there": list(self.streams), "rate_there": self.rate}

    @property
    def _streams(self) -> tuple[str, ...]:
        """All of them, then fewer and fewer."""
        counts = range(len(self.streams), 0, -1)
        return tuple(" ".join(some) for count in counts for some in combinations(self.streams, count))

    @property
    def _rates(self) -> tuple[int, ...]:
        least, most = _RATES
        return tuple(r for r in range(1, self.rate + 1) if self.rate % r == 0 and (least <= r <= most)) or (
            self.usual_rate,
        )

    def _usual(self, segmenter: str) -> dict[str, Any]:
        recipe = vars(SegmenterRecipe()) | {"components": _COMPONENTS, "rate": self.usual_rate, "segmenter": segmenter}
        return recipe | {name: default for name in OPTION_SPACE if (default := option_default(segmenter, name))}


def _learns_by(segmenter: str, name: str) -> bool:
    """Whether a hyperparameter of the optimiser counts for it: a detector's loss has no jumps from step to step."""
    from egoact.models.names import DETECTOR  # not before a search begins
    from egoact.models.segmenters import NETWORKS

    return segmenter in NETWORKS or (segmenter == DETECTOR and name != "smoothing")


def option_default(segmenter: str, option: str) -> float | None:
    """What an option of a segmenter is where nothing is said; None where it has no such option."""
    from egoact.models.detectors import Detector  # not before a search begins
    from egoact.models.names import DETECTOR
    from egoact.models.segmenters import SEGMENTERS

    make: Any = Detector if segmenter == DETECTOR else SEGMENTERS[segmenter]
    parameter = inspect.signature(make).parameters.get(option)
    return parameter.default if parameter is not None and parameter.default is not inspect.Parameter.empty else None
