"""What a model says of a moment: the most probable verbs, nouns and actions by name. Knows nothing about models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.labels import TARGETS
from egoact.core.timelines.timeline import TimelineTarget

BACKGROUND_NAME = "(background)"  # of a run that was trained to know when nothing happens


@dataclass(frozen=True, eq=False)
class OnlinePrediction:
    """Probabilities of all classes at one moment; a `ValueError` where they are none, or names do not fit."""

    seconds: float  # time of the newest frame that was looked at
    covered_seconds: float  # how far back it looked
    probabilities: Mapping[str, npt.NDArray[np.float64]]  # "verb" and/or "noun" -> (classes,), summing to 1
    names: Mapping[str, tuple[str, ...]]  # the same keys -> names of the classes
    ahead_seconds: float = 0.0  # how long after `seconds` the action will begin, of a model that anticipates

    def __post_init__(self) -> None:
        for target, values in self.probabilities.items():
            if values.shape != (len(self.names[target]),):
                raise ValueError(f"{values.shape} {target} probabilities for {len(self.names[target])} names")
            if not (np.isfinite(values).all() and values.min() >= 0 and abs(values.sum() - 1) < 1e-6):
                raise ValueError(f"the {target} values are no probabilities")

    def top(self, target: TimelineTarget, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable names, best first; an action's is "verb noun", its probability the product of both.

        Background is one action: a verb without a noun is none. A target that the model does not know is a `KeyError`.
        """
        if target != "action":
            values, names = self.probabilities[target], self.names[target]
            return [(names[i], float(values[i])) for i in np.argsort(-values, kind="stable")[:k]]
        # The k best pairs are pairs of the k best verbs and the k best nouns.
        pairs = [
            (verb if verb == BACKGROUND_NAME else f"{verb} {noun}", p * q)
            for verb, p in self.top("verb", k + 1)
            for noun, q in self.top("noun", k + 1)
            if (verb == BACKGROUND_NAME) == (noun == BACKGROUND_NAME)
        ]
        return sorted(pairs, key=lambda pair: -pair[1])[:k]

    @property
    def targets(self) -> list[TimelineTarget]:
        """What can be asked for; "action" where both verb and noun can."""
        found: list[TimelineTarget] = [target for target in TARGETS if target in self.probabilities]
        return [*found, "action"] if len(found) == 2 else found

    @property
    def name(self) -> str:
        """The most probable action; the verb (or noun) where the model knows no other."""
        return self.top(self.targets[-1], 1)[0][0]

    @property
    def when(self) -> str:
        """Words before the name of an action that has not begun; of one that happens now none."""
        return f"in {self.ahead_seconds:g} s: " if self.ahead_seconds else ""

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """As JSON can say it, with the k best of each target."""
        best: dict[str, Any] = {
            target: [{"name": name, "probability": round(share, 4)} for name, share in self.top(target, k)]
            for target in self.targets
        }
        times = {"seconds": round(self.seconds, 3), "covered_seconds": round(self.covered_seconds, 3)}
        if self.ahead_seconds:
            times["ahead_seconds"] = self.ahead_seconds
        return times | best
