"""How a run turns scores of every step into actions: learned in training, kept in the run's `config.json`.

Arrays in, actions out; knows nothing about features or files.

Shapes: `F` steps, `K` classes of a target, `S` states: background, then the actions that training has seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

import numpy as np

from egoact.core.metrics.calibration import log_softmax
from egoact.core.timelines.viterbi import BACKGROUND, Counts, Floats, Grammar, decode, runs

MOST_STATES = 256
_STEPS_AT_ONCE = 1000

Action = tuple[int, ...]
Decoder = Literal["viterbi", "argmax"]
Span = tuple[int, int, Action]


@dataclass(frozen=True)
class TimelineRules:
    """What a run needs for timelines, beside its weights.

    Args:
        rate: Steps per second.
        targets: Names of the targets, in the order of every action's class ids.
        actions: State 1 and up: class ids of each target.
        grammar: What follows what; of the same states.
        window_seconds: Lengths of the windows around every step.
        has_background: Whether a model of the run answers background as one more class, the last of every target.
        threshold: Without such a model: background where no answer is more probable than this.
        temperature: Target -> what logits of a clip are divided by, so that probabilities are true.
        weight: Of scores against the grammar, see `decode`.
        decoder: "viterbi", or "argmax": the best state of every step by itself, which models that have smoothed their
            scores over time may do better with.
        confidence: Slope and intercept of the line from the log-odds of what a model says of a segment to the log-odds
            that it is right.

    Raises:
        ValueError: Actions that do not fit the grammar or the targets, or impossible numbers.
    """

    rate: int
    targets: tuple[str, ...]
    actions: tuple[Action, ...]
    grammar: Grammar
    window_seconds: tuple[float, ...]
    has_background: bool = False
    threshold: float = 0.5
    temperature: Mapping[str, float] = field(default_factory=dict)
    weight: float = 0.8
    decoder: Decoder = "viterbi"
    confidence: tuple[float, float] = (1.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.actions) + 1 != len(self.grammar.group_of_state):
            raise ValueError(f"{len(self.actions)} actions, but {len(self.grammar.group_of_state)} states")
        if any(len(action) != len(self.targets) for action in self.actions):
            raise ValueError(f"every action needs {len(self.targets)} class ids: {', '.join(self.targets)}")
        if self.rate < 1 or min(self.window_seconds, default=1) <= 0 or not 0 < self.threshold < 1:
            raise ValueError(f"rate {self.rate}, windows {self.window_seconds}, threshold {self.threshold}")
        if self.decoder not in get_args(Decoder) or len(self.confidence) != 2:
            raise ValueError(f"decoder {self.decoder!r}, confidence {self.confidence}")

    def probabilities(self, target: str, logits: Floats) -> Floats:
        """Calibrated probabilities of the classes of one target; (N, K) -> (N, K)."""
        return np.exp(log_softmax(logits / self.temperature.get(target, 1.0)))

    def find_actions(self, log_probabilities: Mapping[str, Floats]) -> list[Span]:
        """The actions of a recording: (first step, step after the last, class ids).

        Args:
            log_probabilities: Target -> (F, K) of every step; with `has_background` (F, K + 1), the last for it.
        """
        kept = self._plausible(log_probabilities)
        scores = self._state_scores(log_probabilities, kept)
        if self.decoder == "argmax":
            path = scores.argmax(axis=1)
        else:
            path = decode(scores, self.grammar.of_states(kept), weight=self.weight)
        return [(start, stop, self.actions[kept[state] - 1]) for start, stop, state in runs(path)]

    def true_share(self, said: float) -> float:
        """The probability that a segment is right of which a model says so with probability `said`."""
        slope, intercept = self.confidence
        return float(1 / (1 + np.exp(-(slope * _logit(np.array(said)) + intercept))))

    def _plausible(self, log_probabilities: Mapping[str, Floats]) -> Counts:
        """Background and the states that come nearest to the best of some step; thousands are more than needed."""
        states = np.arange(len(self.actions) + 1)
        if len(states) <= MOST_STATES:
            return states
        nearness = np.full(len(states), -np.inf)
        num_steps = len(next(iter(log_probabilities.values())))
        for first in range(0, num_steps, _STEPS_AT_ONCE):
            part = {t: values[first : first + _STEPS_AT_ONCE] for t, values in log_probabilities.items()}
            scores = self._state_scores(part, states)
            nearness = np.maximum(nearness, (scores - scores.max(axis=1, keepdims=True)).max(axis=0))
        nearness[BACKGROUND] = np.inf
        return np.sort(np.argsort(-nearness, kind="stable")[:MOST_STATES])

    def _state_scores(self, log_probabilities: Mapping[str, Floats], states: Counts) -> Floats:
        """(F, S) of some states, background being the first."""
        num_steps = len(next(iter(log_probabilities.values())))
        scores = np.zeros((num_steps, len(states)))
        surest = np.zeros(num_steps)
        ids = np.array(self.actions, dtype=np.int64).reshape(len(self.actions), len(self.targets))[states[1:] - 1]
        for column, target in enumerate(self.targets):
            values = log_probabilities[target]
            if self.has_background:
                scores[:, BACKGROUND] += values[:, -1]
            else:
                values = np.log(self.probabilities(target, values))
                surest = np.minimum(surest, values.max(axis=1))
            scores[:, 1:] += values[:, ids[:, column]]
        if not self.has_background:
            # An answer as sure as the threshold is an action as likely as not; surer ones by the ratio of their odds.
            log_odds = _logit(np.exp(surest)) - _logit(np.array(self.threshold))
            scores[:, 1:] -= np.log1p(np.exp(-log_odds))[:, None]
            scores[:, BACKGROUND] = -np.log1p(np.exp(log_odds))
        return scores

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "rate": self.rate,
            "targets": list(self.targets),
            "actions": [list(action) for action in self.actions],
            "grammar": self.grammar.to_dict(),
            "has_background": self.has_background,
            "threshold": self.threshold,
            "temperature": dict(self.temperature),
            "window_seconds": list(self.window_seconds),
            "weight": self.weight,
            "decoder": self.decoder,
            "confidence": list(self.confidence),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Back from JSON; missing or impossible values are a `ValueError`, `KeyError` or `TypeError`."""
        parsed = {
            "targets": tuple(values["targets"]),
            "actions": tuple(tuple(action) for action in values["actions"]),
            "grammar": Grammar.from_dict(values["grammar"]),
            "window_seconds": tuple(values["window_seconds"]),
            # Runs that were made before there were decoders to choose from do not say so.
            "confidence": tuple(values.get("confidence", (1.0, 0.0))),
        }
        return cls(**{**values, **parsed})


def _logit(shares: Floats) -> Floats:
    clipped = np.clip(shares, 1e-3, 1 - 1e-3)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits
