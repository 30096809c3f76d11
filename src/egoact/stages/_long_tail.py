"""Which classes are frequent and which are rare, for the parts of `metrics.json` that speak of them."""

from collections.abc import Mapping

import numpy as np

from egoact.core.imbalance import head_classes, tail_classes
from egoact.core.labels import Target, Vocabulary

Classes = dict[str, frozenset[int]]


def split_by_frequency(
    vocabularies: Mapping[Target, Vocabulary], training_counts: Mapping[Target, tuple[int, ...]]
) -> tuple[Classes, Classes]:
    """The tail and the head, as `evaluate_scores` takes them.

    Args:
        vocabularies: Their official tail lists are taken as they are; without one, the tail is counted.
        training_counts: Target -> training segments of each class; may be unknown for somebody else's scores.
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
