"""Which action of one timeline is which of another, whatever they are called. Timelines in, pairs out.

truth   |----[open fridge)-----[take milk)---------------|
found   |------[open door)------------------[put milk)---|     open fridge with open door; the others alone
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.timeline import Timeline, TimelineSegment

Pair = tuple[TimelineSegment | None, TimelineSegment | None]
Floats = npt.NDArray[np.float64]
LEAST_OVERLAP = 0.1


def pair_segments(first: Timeline, second: Timeline, *, least: float = LEAST_OVERLAP) -> list[Pair]:
    """Each segment with the one of the other timeline that it overlaps most, one to one.

    Args:
        first: A timeline.
        second: Another one of the same recording.
        least: Share of both together that a pair must have in common.

    Returns:
        Pairs, and segments without a partner beside None, in the order in which they begin.

    Raises:
        ValueError: `least` is not above 0 and at most 1.

    >>> one = Timeline("v", (TimelineSegment(0, 2, "open"), TimelineSegment(5, 6, "take")))
    >>> other = Timeline("v", (TimelineSegment(1, 2, "close"),))
    >>> [tuple(s and s.verb for s in pair) for pair in pair_segments(one, other)]
    [('open', 'close'), ('take', None)]
    """
    if not 0 < least <= 1:
        raise ValueError(f"least must be above 0 and at most 1, got {least}")
    overlaps = _overlaps(first.segments, second.segments)
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-overlaps, axis=None, kind="stable"):
        a, b = divmod(int(flat), max(len(second), 1))
        if overlaps[a, b] < least:
            break
        if a not in partner and b not in taken:
            partner[a] = b
            taken.add(b)
    pairs: list[Pair] = [(segment, second[partner[a]] if a in partner else None) for a, segment in enumerate(first)]
    pairs += [(None, segment) for b, segment in enumerate(second) if b not in taken]
    return sorted(pairs, key=_begin)


def _begin(pair: Pair) -> float:
    return min(segment.start_seconds for segment in pair if segment is not None)


def _overlaps(first: Sequence[TimelineSegment], second: Sequence[TimelineSegment]) -> Floats:
    """float64 (A, B): intersection over union in time."""
    a = np.array([(s.start_seconds, s.stop_seconds) for s in first], dtype=np.float64).reshape(-1, 1, 2)
    b = np.array([(s.start_seconds, s.stop_seconds) for s in second], dtype=np.float64).reshape(1, -1, 2)
    common = np.maximum(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0.0)
    together = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - common
    shares: Floats = np.divide(common, together, out=np.zeros_like(common), where=together > 0)
    return shares
