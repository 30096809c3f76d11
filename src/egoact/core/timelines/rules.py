"""How a run turns scores of every step into actions: learned in training, kept in the run's `config.json`.

Arrays in, actions out; knows nothing about features or files. A way of decoding that does best on a few held-out
recordings does so partly by chance; what many good ways agree on does not depend on which of them came first. Source:
minimum Bayes risk decoding (Kumar and Byrne, 2004), with the ways as the sample.

Shapes: `F` steps, `K` classes of a target, `S` states: background, then the actions that training has seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

import numpy as np

from egoact.core.bounds import MOST_CLASSES, MOST_RATE, check_number, check_whole
from egoact.core.timelines import metrics
from egoact.core.timelines.viterbi import BACKGROUND, Counts, Floats, Grammar, decode_in_ways, runs

MOST_STATES = 256
MOST_DECODINGS = 100
_STEPS_AT_ONCE = 1000
_SAME = 100.0 * (2 + len(metrics.OVERLAPS))  # agreement of what is equal

Action = tuple[int, ...]
Span = tuple[int, int, Action]  # first step, step after the last, class ids

Decoder = Literal["viterbi", "argmax"]


@dataclass(frozen=True)
class Decoding:
    """One way from scores to a path: by `decode`, or the best state of every step by itself ("argmax").

    Models that have smoothed their scores over time may do better with the latter. Background is what training has seen
    most of, so a model that is unsure says background: a penalty is taken off its log-probability of every step, as
    scores of hybrid models are corrected for how frequent a class is (Bourlard and Morgan, Connectionist speech
    recognition, 1994). A bonus is added to the logarithm of every transition from an action, or background, to another:
    the word insertion penalty of speech recognition, with the other sign.
    """

    decoder: Decoder = "viterbi"
    weight: float = 0.8
    background_penalty: float = 0.0
    change_bonus: float = 0.0

    def __post_init__(self) -> None:
        if self.decoder not in get_args(Decoder):
            raise ValueError(f"decoder {self.decoder!r}; there are {' and '.join(get_args(Decoder))}")
        check_number("weight", self.weight, least=0, most=1e6)
        for name in ("background_penalty", "change_bonus"):
            check_number(name, getattr(self, name), least=-1e6, most=1e6)


@dataclass(frozen=True)
class TimelineRules:
    """What a run needs for timelines, beside its weights.

    Of what its decodings find, what agrees most with the others counts. Confidence is the slope and intercept of the
    line from the log-odds of what a model says of a segment to the log-odds that it is right. What does not fit, or is
    impossible, is a `ValueError`.
    """

    rate: int  # steps per second
    targets: tuple[str, ...]  # in the order of every action's class ids
    actions: tuple[Action, ...]  # state 1 and up
    grammar: Grammar  # of the same states
    decodings: tuple[Decoding, ...] = (Decoding(),)  # the best first
    confidence: tuple[float, float] = (1.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.actions) + 1 != len(self.grammar.group_of_state):
            raise ValueError(f"{len(self.actions)} actions, but {len(self.grammar.group_of_state)} states")
        if any(len(action) != len(self.targets) for action in self.actions):
            raise ValueError(f"every action needs {len(self.targets)} class ids: {', '.join(self.targets)}")
        check_whole("rate", self.rate, most=MOST_RATE)
        check_whole("the number of decodings", len(self.decodings), least=1, most=MOST_DECODINGS)
        if len(self.confidence) != 2:
            raise ValueError(f"confidence {self.confidence} is not a slope and an intercept")
        for value in self.confidence:
            check_number("confidence", value, least=-1e6, most=1e6)
        for action in self.actions:
            for class_id in action:
                check_whole("a class id", class_id, least=0, most=MOST_CLASSES)

    def find_actions(self, log_probabilities: Mapping[str, Floats]) -> list[Span]:
        """The actions of a recording, from log-probabilities: target -> (F, K + 1) of every step, background last."""
        return Consensus(self.answers(log_probabilities)).of(range(len(self.decodings)))

    def answers(self, log_probabilities: Mapping[str, Floats]) -> list[list[Span]]:
        """What each of the decodings finds, as `find_actions` has it."""
        kept = self._plausible(log_probabilities)
        scores = self._state_scores(log_probabilities, kept)
        grammar = self.grammar.of_states(kept)
        viterbi = [how for how in self.decodings if how.decoder == "viterbi"]
        ways = [(how.weight, how.background_penalty, how.change_bonus) for how in viterbi]
        decoded = iter(decode_in_ways(scores, grammar, ways))
        paths = [scores.argmax(axis=1) if how.decoder == "argmax" else next(decoded) for how in self.decodings]
        return [[(start, stop, self.actions[kept[state] - 1]) for start, stop, state in runs(path)] for path in paths]

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
        ids = np.array(self.actions, dtype=np.int64).reshape(len(self.actions), len(self.targets))[states[1:] - 1]
        for column, target in enumerate(self.targets):
            values = log_probabilities[target]
            scores[:, BACKGROUND] += values[:, -1]
            scores[:, 1:] += values[:, ids[:, column]]
        return scores

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return asdict(self) | {"grammar": self.grammar.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Back from JSON; missing or impossible values are a `ValueError`, `KeyError` or `TypeError`."""
        # Runs of earlier versions have one decoding, beside the other values.
        one = {field.name: values[field.name] for field in fields(Decoding) if field.name in values}
        return cls(
            values["rate"],
            tuple(values["targets"]),
            tuple(tuple(action) for action in values["actions"]),
            Grammar.from_dict(values["grammar"]),
            tuple(Decoding(**each) for each in values.get("decodings", [one])),
            tuple(values.get("confidence", (1.0, 0.0))),
        )


def _logit(shares: Floats) -> Floats:
    clipped = np.clip(shares, 1e-3, 1 - 1e-3)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


class Consensus:
    """Which way of decoding found in a recording what is most like what others found; each two are compared once."""

    def __init__(self, answers: Sequence[Sequence[Span]]) -> None:
        kinds: dict[tuple[Span, ...], int] = {}
        self._kind_of_answer = [kinds.setdefault(tuple(answer), len(kinds)) for answer in answers]
        self._answers = list(kinds)
        self._paths = _paths(self._answers)
        self._runs = [metrics.runs(path) for path in self._paths]
        self._known: dict[tuple[int, int], float] = {}

    def of(self, numbers: Sequence[int]) -> list[Span]:
        """Of some of the answers, the one with the highest mean agreement with them; among equals the first.

        Agreement of two is the sum of frame accuracy, edit score and F1 at the three overlaps, one taken for the truth.
        """
        kinds = [self._kind_of_answer[number] for number in numbers]
        means = {kind: sum(self._agreement(kind, other) for other in kinds) for kind in dict.fromkeys(kinds)}
        return list(self._answers[max(means, key=means.__getitem__)])

    def _agreement(self, one: int, other: int) -> float:
        pair = (min(one, other), max(one, other))
        if pair not in self._known:
            self._known[pair] = self._compare(*pair) if one != other else _SAME
        return self._known[pair]

    def _compare(self, one: int, other: int) -> float:
        found, wanted = self._runs[one], self._runs[other]
        hits = metrics.count_hits(found, wanted, metrics.SHARES)
        f1 = 200 * hits.sum() / (len(found) + len(wanted))  # two that differ are not both empty
        accuracy = metrics.frame_accuracy(self._paths[one], self._paths[other])
        return float(accuracy + metrics.compare_order(found, wanted) + f1)


def _paths(answers: Sequence[Sequence[Span]]) -> list[Counts]:
    """The action of every step by a number, up to the last step that is in any action."""
    numbers: dict[Action, int] = {}
    num_steps = max((stop for answer in answers for _, stop, _ in answer), default=1)
    paths = [np.full(num_steps, metrics.BACKGROUND, dtype=np.int64) for _ in answers]
    for path, answer in zip(paths, answers, strict=True):
        for start, stop, action in answer:
            path[start:stop] = numbers.setdefault(action, len(numbers))
    return paths
