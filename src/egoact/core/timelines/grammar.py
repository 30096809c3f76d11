"""What labelled recordings teach a decoder: which action follows which, how often, and how long each lasts.

Knows nothing about features or files. Shapes: `S` states, `G` groups, as in `viterbi`.
"""

from collections.abc import Sequence

import numpy as np

from egoact.core.timelines.viterbi import BACKGROUND, Counts, Grammar, Run

Track = Sequence[Run]

_BELIEF = 2.0  # transitions that the frequencies alone count as, beside those that were seen
_LONG = 1.0001  # steps; a mean duration above it has a logarithm on both sides


def learn_grammar(tracks: Sequence[Track], group_of_state: Counts, *, shortest: float = 0.5) -> Grammar:
    """Count transitions and durations: a grammar in which nothing is impossible.

    Args:
        tracks: For each recording its segments in order of time: first step, step after the last, state. What lies
            between two of them is background.
        group_of_state: int64 (S,); background, state 0, is alone in group 0.
        shortest: Fewest steps of a group, as a share of what nine tenths of its segments last at least.
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
