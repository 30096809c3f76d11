"""Folds for cross-validation that never divide a recording: names in, names out."""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def split_into_folds(video_ids: Sequence[str], *, num_folds: int, seed: int = 0) -> tuple[tuple[str, ...], ...]:
    """Groups of whole videos, of about equally many segments.

    Segments of one recording resemble each other so much that a model which has seen some of them knows the others;
    so a video is in one fold only. The largest videos are dealt out first, each to the fold that has least.

    Args:
        video_ids: The recording of each segment.
        num_folds: From 2 to the number of videos.
        seed: Decides among videos of equal size; the order of the segments decides nothing.

    Returns:
        The videos of each fold, sorted.

    Raises:
        ValueError: `num_folds` out of range.

    >>> split_into_folds(["a", "a", "a", "b", "c", "c"], num_folds=2)
    (('a',), ('b', 'c'))
    """
    sizes = Counter(video_ids)
    if not 2 <= num_folds <= len(sizes):
        raise ValueError(f"{num_folds} folds of {len(sizes)} videos; from 2 to the number of videos is possible")
    names = sorted(sizes)
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    folds: list[list[str]] = [[] for _ in range(num_folds)]
    totals = [0] * num_folds
    for name in sorted(shuffled, key=lambda name: -sizes[name]):
        smallest = totals.index(min(totals))
        folds[smallest].append(name)
        totals[smallest] += sizes[name]
    return tuple(tuple(sorted(fold)) for fold in folds)
