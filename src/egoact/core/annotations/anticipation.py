"""What may be seen of an action that has not begun: segments in, earlier segments out; knows nothing about videos.

    time     |------[observed ~~~~ )<-- gap -->[action ~~~~)----|

The labels stay those of the action; where to look moves to a stretch that ends `gap_seconds` before it.

Sources: Rescaling Egocentric Vision, arXiv:2006.13256, section 4.5, for the gap of one second; What Would You Expect?,
arXiv:1905.09035, for how much is observed: 3.5 s before the action to 1 s before.
"""

from dataclasses import dataclass, replace
from math import inf

from egoact.core.annotations.segments import Segment, SegmentTable

GAP_SECONDS = 1.0
_SHORTEST_SECONDS = 1 / 60  # a picture of the fastest recordings


@dataclass(frozen=True)
class Anticipation:
    """When a model looks, to say what will happen.

    Args:
        gap_seconds: From the end of what is observed to the beginning of the action.
        observed_seconds: How long it looks; less at the beginning of a recording.

    Raises:
        ValueError: A negative gap, or nothing to look at.
    """

    gap_seconds: float = GAP_SECONDS
    observed_seconds: float = 2.5

    def __post_init__(self) -> None:
        if not 0 <= self.gap_seconds < inf:
            raise ValueError(f"--gap must be at least 0, got {self.gap_seconds}")
        if not _SHORTEST_SECONDS <= self.observed_seconds < inf:
            raise ValueError(f"--observe must be at least {_SHORTEST_SECONDS:.3f}, got {self.observed_seconds}")

    def has_observed(self, segment: Segment) -> bool:
        """Whether there is anything to look at: not where an action begins with the recording."""
        return segment.start_seconds - self.gap_seconds >= _SHORTEST_SECONDS

    def observed(self, table: SegmentTable) -> SegmentTable:
        """The same segments where they are observed, without those of which nothing is; a `ValueError` if all are.

        >>> from pathlib import Path
        >>> parts = (Segment("a", "P", "v", 0.5, 2), Segment("b", "P", "v", 2, 3), Segment("c", "P", "v", 9, 9.5))
        >>> table = Anticipation(gap_seconds=1.0).observed(SegmentTable(Path("a.csv"), parts))
        >>> [(segment.narration_id, segment.start_seconds, segment.stop_seconds) for segment in table]
        [('b', 0.0, 1.0), ('c', 5.5, 8.0)]
        """
        seen = table.select(self.has_observed)
        if len(table) and not len(seen):
            reason = f"none of the {len(table)} actions begins more than {self.gap_seconds:g} s after its recording"
            raise ValueError(f"{reason}: there is nothing to see before them")
        return replace(seen, segments=tuple(self._move(segment) for segment in seen))

    def _move(self, segment: Segment) -> Segment:
        stop = segment.start_seconds - self.gap_seconds
        start = max(stop - self.observed_seconds, 0.0)
        return replace(segment, start_seconds=start, stop_seconds=stop, start_frame=None, stop_frame=None)


def choose_anticipation(gap_seconds: float | None, observed_seconds: float | None) -> Anticipation | None:
    """What two flags ask for; without a gap there is nothing to anticipate, without a length it is the usual one."""
    if gap_seconds is not None:
        return Anticipation(gap_seconds) if observed_seconds is None else Anticipation(gap_seconds, observed_seconds)
    if observed_seconds is not None:
        raise ValueError("--observe goes with --gap, which says how long before the actions")
    return None
