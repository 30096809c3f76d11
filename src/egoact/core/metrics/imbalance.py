"""How unequal classes are, where their tail begins, and weights that make up for it: labels in, numbers out.

Shapes: `C` classes. Weights average 1 over the classes that occur; a class that never occurs weighs 0.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.metrics.accuracy import Labels

Counts = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]
Classes = dict[str, frozenset[int]]


def count_classes(labels: Labels, *, num_classes: int) -> Counts:
    """How many labels each class has, (C,); unlabelled ones (-1) are not counted."""
    if labels.size and not -1 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()}; allowed are -1 to {num_classes - 1}")
    return np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.int64)


def tail_classes(counts: Counts, *, share: float = 0.2) -> frozenset[int]:
    """The rarest classes, which together make up the last `share` of all training instances.

    Equally frequent classes are in the tail together or not at all, so no order of classes matters. A class that
    never occurs is no part of it: so it is in the lists of EPIC-KITCHENS-100, where 11 nouns are without instances.

    Source: Rescaling Egocentric Vision, arXiv:2006.13256.

    >>> sorted(tail_classes(np.array([80, 11, 6, 3, 0])))
    [1, 2, 3]
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; allowed is [0, 1]")
    up_to = np.array([counts[counts <= count].sum() for count in counts])
    members = (counts > 0) & (up_to <= share * counts.sum() + 1e-9)
    return frozenset(np.flatnonzero(members).tolist())


def head_classes(counts: Counts, tail: frozenset[int]) -> frozenset[int]:
    """The classes that occur and are not in the tail."""
    return frozenset(np.flatnonzero(counts > 0).tolist()) - tail


def inverse_weights(counts: Counts) -> Weights:
    """Weights proportional to 1 / count, (C,): every class weighs the same in sum."""
    return _normalise(counts, lambda seen: 1 / seen)


def square_root_weights(counts: Counts) -> Weights:
    """Weights proportional to 1 / sqrt(count), (C,): half way, on a log scale, to `inverse_weights`."""
    return _normalise(counts, lambda seen: 1 / np.sqrt(seen))


def effective_number_weights(counts: Counts, *, beta: float = 0.999) -> Weights:
    """Weights proportional to (1 - beta) / (1 - beta ** count), (C,): samples of a class overlap more and more.

    `beta` lies in [0, 1): 0 weighs all alike; towards 1 it approaches `inverse_weights`.

    Source: Class-Balanced Loss Based on Effective Number of Samples, arXiv:1901.05555.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta is {beta}; allowed is [0, 1)")
    if beta == 0:
        return _normalise(counts, np.ones_like)
    # expm1 keeps the digits that 1 - beta ** count loses for beta near 1.
    return _normalise(counts, lambda seen: (1 - beta) / -np.expm1(seen * np.log(beta)))


CLASS_WEIGHTS: dict[str, Callable[[Counts], Weights]] = {
    "inverse": inverse_weights,
    "square_root": square_root_weights,
    "effective_number": effective_number_weights,
}


def _normalise(counts: Counts, weigh: Callable[[Weights], Weights]) -> Weights:
    seen = counts > 0
    if counts.ndim != 1 or (counts < 0).any() or not seen.any():
        raise ValueError(f"counts of shape {counts.shape}; (classes,) from 0 on with a class that occurs is needed")
    weights = np.zeros(len(counts))
    weights[seen] = weigh(counts[seen].astype(np.float64))
    return weights / float(weights[seen].mean())


def split_by_frequency(
    vocabularies: Mapping[Target, Vocabulary], training_counts: Mapping[Target, tuple[int, ...]]
) -> tuple[Classes, Classes]:
    """The tail and the head, as `evaluate_scores` takes them: the official tail list, or without one what is counted.

    Training segments of each class may be unknown, for somebody else's scores.
    """
    tail: Classes = {}
    head: Classes = {}
    for target, vocabulary in vocabularies.items():
        known = training_counts.get(target)
        # Without counts every class may have been seen: what is not in the official tail is frequent.
        counts = np.ones(vocabulary.size, np.int64) if known is None else np.array(known, np.int64)
        rare = vocabulary.tail or (frozenset() if known is None else tail_classes(counts))
        if rare:
            tail[target], head[target] = rare, head_classes(counts, rare)
    return tail, head
