"""From scores of every step to segments: Viterbi over actions with learned transitions and minimum durations.

    steps      . . o o o . O O O O . . c c c .        the best answer of each step by itself
    decoded    [  ] open [    ] close [          ]    few, long enough, in an order that training has seen

A state is an action (a verb, or a verb with a noun) or background, state 0. States with the same verb form a group:
who follows whom is learned for groups, so that the cost of thousands of actions stays that of their verbs.

Knows nothing about features or files. Shapes: `F` steps, `S` states, `G` groups, `W` ways to weigh scores and grammar.

Sources: Viterbi, 1967; explicit durations as in Rabiner, A tutorial on hidden Markov models, 1989, section IV-D.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from egoact.core.bounds import MOST_STEPS

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Run = tuple[int, int, int]  # first step, step after the last, state
Track = Sequence[Run]

BACKGROUND = 0
_IMPOSSIBLE = -1e18
_BELIEF = 2.0  # transitions that the frequencies alone count as, beside those that were seen
_MOST_SCORES = 4_000_000  # that are decoded together, of all ways
_LONG = 1.0001  # steps; a mean duration above it has a logarithm on both sides


@dataclass(frozen=True)
class Grammar:
    """What may follow what, how often, and how long it lasts; everything per step and as logarithms."""

    group_of_state: Counts  # (S,), background's is 0
    enter: Floats  # (S,), share of the state among those of its group
    follow: Floats  # (G, G), probability that a segment of group j comes after one of group i
    leave: Floats  # (G,), probability that a segment of the group ends with a step
    least: Counts  # (G,), fewest steps of a segment of the group; no logarithm

    def __post_init__(self) -> None:
        num_groups = len(self.leave)
        shapes = (self.enter.shape, self.follow.shape, self.least.shape)
        if shapes != (self.group_of_state.shape, (num_groups, num_groups), (num_groups,)):
            raise ValueError(f"a grammar of {num_groups} groups cannot have shapes {shapes}")
        if any(np.isnan(numbers).any() for numbers in (self.enter, self.follow, self.leave)):
            raise ValueError("a grammar has numbers that are none")
        groups = self.group_of_state
        if len(groups) and not 0 <= groups.min() <= groups.max() < num_groups:
            raise ValueError(f"a grammar of {num_groups} groups has states of others")
        if len(self.least) and not 1 <= self.least.min() <= self.least.max() <= MOST_STEPS:
            raise ValueError(f"a segment has from 1 to {MOST_STEPS:,} steps")

    def of_states(self, kept: Counts) -> "Grammar":
        """The same with some of the states only."""
        return replace(self, group_of_state=self.group_of_state[kept], enter=self.enter[kept])

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {f.name: getattr(self, f.name).tolist() for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Back from JSON; missing or impossible values are a `ValueError`, `KeyError` or `TypeError`."""
        whole = ("group_of_state", "least")
        arrays: dict[str, Any] = {
            f.name: np.array(values[f.name], dtype=np.int64 if f.name in whole else np.float64) for f in fields(cls)
        }
        return cls(**arrays)


def learn_grammar(tracks: Sequence[Track], group_of_state: Counts, *, shortest: float = 0.5) -> Grammar:
    """Count transitions and durations: a grammar in which nothing is impossible.

    Tracks are the segments of each recording in order of time; what lies between two of them is background, state 0,
    which is alone in group 0 of `group_of_state`, (S,). `shortest` is the fewest steps of a group, as a share of what
    nine tenths of its segments last at least.
    """
    if not len(group_of_state) or group_of_state[BACKGROUND] != 0 or (group_of_state[1:] == 0).any():
        raise ValueError("background must be state 0 and the only one of group 0")
    num_groups = int(group_of_state.max()) + 1
    pairs = np.zeros((num_groups, num_groups))
    entered = np.zeros(len(group_of_state))
    durations: list[list[int]] = [[] for _ in range(num_groups)]
    for track in tracks:
        before = 0
        for start, stop, state in with_background(track):
            group = int(group_of_state[state])
            pairs[before, group] += before != group or group != 0
            entered[state] += 1
            durations[group].append(stop - start)
            before = group
        pairs[before, 0] += before != 0
    known = [steps for group in durations for steps in group] or [8]
    durations = [steps or known for steps in durations]
    entered += 0.5
    # What was seen, pulled towards the frequencies of groups.
    totals = pairs.sum(axis=0) + 0.5
    smoothed = pairs + _BELIEF * (totals / totals.sum())
    return Grammar(
        group_of_state=group_of_state,
        enter=np.log(entered / np.bincount(group_of_state, weights=entered)[group_of_state]),
        follow=np.log(smoothed / smoothed.sum(axis=1, keepdims=True)),
        leave=-np.log([max(float(np.mean(steps)), _LONG) for steps in durations]),
        least=np.array([max(1, int(shortest * np.quantile(steps, 0.1))) for steps in durations], dtype=np.int64),
    )


def with_background(track: Track) -> list[Run]:
    """A track with the background before, between its segments; where segments overlap, the later one counts.

    >>> with_background([(2, 4, 1), (4, 6, 3), (8, 9, 1)])
    [(0, 2, 0), (2, 4, 1), (4, 6, 3), (6, 8, 0), (8, 9, 1)]
    """
    found: list[Run] = []
    end = 0
    for start, stop, state in sorted(track):
        if start > end:
            found.append((end, start, BACKGROUND))
        if stop > max(start, end):
            found.append((max(start, end), stop, state))
            end = stop
    return found


def decode(scores: Floats, grammar: Grammar, *, weight: float = 1.0) -> Counts:
    """The most probable state of every step, (F,), from the log probability of each state at each step, (F, S).

    `weight` is what scores count against the grammar: below 1, because neighbouring steps look at nearly the same
    pictures, so that their scores say together less than their sum.
    """
    path: Counts = decode_in_ways(scores, grammar, [(weight, 0.0, 0.0)])[0]
    return path


def decode_in_ways(scores: Floats, grammar: Grammar, ways: Sequence[tuple[float, float, float]]) -> Counts:
    """As `decode` in several ways (W), (W, F); a step of all of them costs little more than that of one.

    A way is a weight, what is taken off the log probability of background, and what is added to that of every change.
    """
    if scores.ndim != 2 or scores.shape[1] != len(grammar.group_of_state):
        raise ValueError(f"scores have shape {scores.shape}, the grammar has {len(grammar.group_of_state)} states")
    if np.isnan(scores).any():
        raise ValueError("scores must be numbers, some are nan")
    if not scores.size or not ways:
        return np.zeros((len(ways), len(scores)), dtype=np.int64)
    at_once = max(1, _MOST_SCORES // scores.size)
    parts = [ways[first : first + at_once] for first in range(0, len(ways), at_once)]
    return np.concatenate([_decode(scores, grammar, np.array(part)) for part in parts])


def _decode(scores: Floats, grammar: Grammar, ways: Floats) -> Counts:
    weight, penalty, bonus = ways.T[:, :, None]
    weighted = np.repeat(scores[:, None], len(ways), axis=1)
    weighted[:, :, BACKGROUND] -= penalty[:, 0]
    weighted = np.maximum(weight * weighted, _IMPOSSIBLE / 1e6)
    best, begun, before = _forward(weighted, grammar, grammar.follow + bonus[:, :, None])
    paths = np.empty((len(ways), len(scores)), dtype=np.int64)
    for way, path in enumerate(paths):
        step, state = len(scores), int(best[way].argmax())
        while step:
            start = int(begun[step, way, state])
            path[start:step] = state
            step, state = start, int(before[start, way, grammar.group_of_state[state]])
    return paths


def _forward(
    scores: Floats, grammar: Grammar, follow: Floats
) -> tuple[Floats, npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The best way to every (step, state), and where it came from, for scores (F, W, S) and transitions (W, G, G).

    (W, S) log probability of being in each state at the end; (F + 1, W, S) where the segment began that a state is in
    after so many steps; (F + 1, W, G) the state that precedes a segment of a group which begins there.
    """
    num_steps, num_ways, num_states = scores.shape
    group, num_groups = grammar.group_of_state, len(grammar.leave)
    by_group = np.argsort(group, kind="stable")
    present, firsts, sizes = np.unique(group[by_group], return_index=True, return_counts=True)
    least = np.minimum(grammar.least, num_steps)[group]
    stay = np.log1p(-np.exp(np.minimum(grammar.leave, -1e-9)))[group]
    # A segment of n steps stays n - 1 times; its first step only enters.
    emit = scores + stay
    summed = np.concatenate([np.zeros((1, num_ways, num_states)), np.cumsum(emit, axis=0)])
    entered = np.full(summed.shape, _IMPOSSIBLE)
    entered[0] = grammar.enter + follow[:, BACKGROUND][:, group] - stay
    begun = np.zeros(summed.shape, dtype=np.int32)
    before = np.zeros((num_steps + 1, num_ways, num_groups), dtype=np.int32)
    best = np.full((num_ways, num_states), _IMPOSSIBLE)
    exits = np.full((num_ways, num_groups), _IMPOSSIBLE)
    last = np.zeros((num_ways, num_groups), dtype=np.int32)
    every_way, every_state = np.ogrid[:num_ways, :num_states]
    backwards = np.ascontiguousarray(follow.transpose(0, 2, 1))  # to, from
    for step in range(1, num_steps + 1):
        best = best + emit[step - 1]
        since = np.maximum(step - least, 0)
        start = since, every_way, every_state
        fresh = np.where(step >= least, entered[start] + summed[step] - summed[start], -np.inf)
        begun[step] = np.where(fresh > best, since, begun[step - 1])
        best = np.maximum(best, fresh)
        sorted_best = best[:, by_group]
        top = np.maximum.reduceat(sorted_best, firsts, axis=1)
        exits[:, present] = top + grammar.leave[present]
        first_of_top = np.where(sorted_best == np.repeat(top, sizes, axis=1), by_group, num_states)
        last[:, present] = np.minimum.reduceat(first_of_top, firsts, axis=1)
        changes = exits[:, None] + backwards
        chosen = changes.argmax(axis=2)
        before[step] = np.take_along_axis(last, chosen, axis=1)
        highest = np.take_along_axis(changes, chosen[..., None], axis=2)[..., 0]
        entered[step] = np.maximum(highest[:, group] + grammar.enter - stay, _IMPOSSIBLE)
    return best, begun, before


def runs(path: Counts, *, background: int = BACKGROUND) -> list[Run]:
    """Equal neighbours put together: (first step, step after the last, state) of everything but background.

    >>> runs(np.array([0, 2, 2, 0, 1]))
    [(1, 3, 2), (4, 5, 1)]
    """
    if not len(path):
        return []
    edges = np.flatnonzero(np.diff(path)) + 1
    bounds = [0, *edges.tolist(), len(path)]
    return [(a, b, int(path[a])) for a, b in pairwise(bounds) if path[a] != background]
