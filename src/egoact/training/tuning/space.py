"""What `egoact tune` tries: one line a hyperparameter; knows nothing about trainings.

A trial is asked for every number, by name, and answers with one. Steps are coarse on purpose: finer ones than these a
small set of videos cannot tell apart.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from egoact.training.recipes import Recipe

if TYPE_CHECKING:
    from optuna.trial import Trial


class Space(Protocol):
    """What a search varies."""

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of what is varied."""

    @property
    def fixed(self) -> Mapping[str, Any]:
        """What is held at other values than the usual ones."""

    def suggest(self, trial: "Trial") -> dict[str, Any]:
        """Flags for one trial, which is asked for the values."""

    def default_parameters(self) -> dict[str, Any]:
        """The values at which a trial is the settings as they are, as far as the space reaches."""

    def is_usual(self, flags: Mapping[str, Any]) -> bool:
        """Whether these flags are the settings as they are."""

    def describe(self) -> dict[str, Any]:
        """What a search must keep to be the same search, beside its settings."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: every `step`, or spread evenly over a logarithmic scale."""

    low: float
    high: float
    step: float | None = None

    def ask(self, trial: "Trial", name: str) -> float:
        """A number of this range; three digits, so that a command line stays readable."""
        if self.step is None:
            return _rounded(trial.suggest_float(name, self.low, self.high, log=True))
        if isinstance(self.step, int):
            return trial.suggest_int(name, int(self.low), int(self.high), step=self.step)
        return _rounded(trial.suggest_float(name, self.low, self.high, step=self.step))

    def holds(self, value: float) -> bool:
        """Whether a trial could answer this."""
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return self.low <= value <= self.high and abs(steps - round(steps)) < 1e-6


RECIPE_SPACE: dict[str, Range] = {
    "learning_rate": Range(1e-4, 1e-2),
    "weight_decay": Range(1e-3, 1.0),
    "dropout": Range(0.0, 0.8, step=0.1),
    "label_smoothing": Range(0.0, 0.3, step=0.05),
    "mixup": Range(0.0, 0.4, step=0.1),
    "epochs": Range(20, 100, step=20),
    "batch_size": Range(16, 64, step=16),
}
SPACE = ("head", "width", "loss", *RECIPE_SPACE)
WIDTH_FACTORS = (1.0, 0.25, 0.5, 2.0)


@dataclass(frozen=True)
class ClipSpace:
    """Of `egoact train`: what is not searched stays as in the recipe; the usual one of the heads comes first."""

    searched: tuple[str, ...]
    heads: tuple[str, ...]
    losses: tuple[str, ...]
    recipe: Recipe
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def suggest(self, trial: "Trial") -> dict[str, Any]:  # noqa: D102
        head = trial.suggest_categorical("head", list(self.heads)) if "head" in self.searched else self.heads[0]
        flags: dict[str, Any] = {"head": head}
        if "width" in self.searched:
            # Asked for even where a head has no width, so that all trials speak of the same hyperparameters.
            factor = trial.suggest_categorical("width", list(WIDTH_FACTORS))
            if (default := default_width(head)) is not None and factor != 1.0:
                flags["head_options"] = (f"width={int(default * factor)}",)
        if "loss" in self.searched:
            flags["loss"] = trial.suggest_categorical("loss", list(self.losses))
        return flags | {name: found.ask(trial, name) for name, found in RECIPE_SPACE.items() if name in self.searched}

    def default_parameters(self) -> dict[str, Any]:  # noqa: D102
        recipe = vars(self.recipe)
        usual: dict[str, Any] = {"head": self.heads[0], "width": 1.0}
        usual |= {"loss": recipe["loss"]} if recipe["loss"] in self.losses else {}
        usual |= {name: recipe[name] for name, found in RECIPE_SPACE.items() if found.holds(recipe[name])}
        return {name: value for name, value in usual.items() if name in self.searched}

    def is_usual(self, flags: Mapping[str, Any]) -> bool:  # noqa: D102
        usual = {"head": self.heads[0], **vars(self.recipe), **self.fixed}
        return all(usual.get(name) == value for name, value in flags.items())

    def describe(self) -> dict[str, Any]:  # noqa: D102
        return {"heads": list(self.heads)}


def default_width(head: str) -> int | None:
    """The width of a head when none is given; None where it has no such option."""
    from egoact.models.heads import HEADS  # not before a search begins

    parameter = inspect.signature(HEADS[head]).parameters.get("width")
    return parameter.default if parameter is not None and isinstance(parameter.default, int) else None


def _rounded(value: float) -> float:
    """It is this value that is trained with."""
    return float(f"{value:.3g}")
