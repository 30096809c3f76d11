"""How far two annotators agree on a recording: Cohen's kappa of its steps, and where they set boundaries.

An action of one is an action of the other where they overlap, whatever they are called:

    truth   |----[open fridge)-----[take milk)---------------|
    found   |------[open door)------------------[put milk)---|     open fridge with open door; the others alone

Source: Cohen, A coefficient of agreement for nominal scales, 1960.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.detection import temporal_overlaps
from egoact.core.timelines.metrics import FRAMES_PER_SECOND, frame_pair
from egoact.core.timelines.timeline import TIMELINE_TARGETS, Timeline, TimelineSegment, TimelineTarget

Ints = npt.NDArray[np.int64]
Pair = tuple[TimelineSegment | None, TimelineSegment | None]
_LEAST_OVERLAP = 0.1


@dataclass(frozen=True)
class Agreement:
    """Of two annotators; differences are second minus first, seconds, of segments that both have."""

    kappa: dict[TimelineTarget, float | None]  # of all steps, background being a class; None: both say one thing only
    start_differences: tuple[float, ...]
    stop_differences: tuple[float, ...]
    only_first: int  # segments that the second annotator does not have
    only_second: int


def measure_agreement(pairs: Sequence[tuple[Timeline, Timeline]], *, rate: float = FRAMES_PER_SECOND) -> Agreement:
    """Two annotators on some recordings, each as the one and as the other labelled it, at `rate` steps a second."""
    if not pairs:
        raise ValueError("no recording that both annotators labelled")
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    kappa: dict[TimelineTarget, float | None] = {}
    for target in TIMELINE_TARGETS:
        if any(True for both in pairs for timeline in both for _ in timeline.labelled(target)):
            steps = [frame_pair(first, second, target, rate) for first, second in pairs]
            kappa[target] = cohen_kappa(*(np.concatenate(side) for side in zip(*steps, strict=True)))
    matched = [pair for first, second in pairs for pair in pair_segments(first, second)]
    both = [(a, b) for a, b in matched if a is not None and b is not None]
    return Agreement(
        kappa,
        tuple(b.start_seconds - a.start_seconds for a, b in both),
        tuple(b.stop_seconds - a.stop_seconds for a, b in both),
        sum(b is None for _, b in matched),
        sum(a is None for a, _ in matched),
    )


def cohen_kappa(first: Ints, second: Ints) -> float | None:
    """Agreement beyond chance of two rows of class ids; None where chance alone would agree everywhere.

    >>> round(cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0])), 6)
    0.5
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"labels of shape {first.shape} against {second.shape}; (steps,), at least one, the same")
    observed = float(np.mean(first == second))
    classes = np.union1d(first, second)
    chance = sum(float(np.mean(first == each)) * float(np.mean(second == each)) for each in classes)
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def pair_segments(first: Timeline, second: Timeline) -> list[Pair]:
    """Each segment with the one of the other timeline that it overlaps most, one to one, by a tenth of both at least.

    Segments without a partner stand beside None; all are in the order in which they begin.

    >>> one = Timeline("v", (TimelineSegment(0, 2, "open"), TimelineSegment(5, 6, "take")))
    >>> other = Timeline("v", (TimelineSegment(1, 2, "close"),))
    >>> [tuple(s and s.verb for s in pair) for pair in pair_segments(one, other)]
    [('open', 'close'), ('take', None)]
    """
    spans = [segment.span for segment in second]
    overlaps = np.array([temporal_overlaps(*segment.span, spans) for segment in first])
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-overlaps, axis=None, kind="stable"):
        a, b = divmod(int(flat), len(second))
        if overlaps[a, b] < _LEAST_OVERLAP:
            break
        if a not in partner and b not in taken:
            partner[a] = b
            taken.add(b)
    pairs: list[Pair] = [(segment, second[partner[a]] if a in partner else None) for a, segment in enumerate(first)]
    pairs += [(None, segment) for b, segment in enumerate(second) if b not in taken]
    return sorted(pairs, key=lambda pair: min(segment.start_seconds for segment in pair if segment is not None))
