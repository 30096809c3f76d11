"""How far two annotators agree on a recording: Cohen's kappa of its steps, and where they set boundaries.

Source: Cohen, A coefficient of agreement for nominal scales, 1960.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.metrics import FRAMES_PER_SECOND, frame_labels
from egoact.core.timelines.pairing import pair_segments
from egoact.core.timelines.timeline import Label, Timeline, TimelineTarget

TARGETS: tuple[TimelineTarget, ...] = ("verb", "noun", "action")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Of two annotators.

    Args:
        kappa: Target -> Cohen's kappa of all steps, background being a class; None where both say one thing only.
        start_differences: Second minus first, seconds, of segments that both have.
        stop_differences: The same of their ends.
        only_first: Segments that the second annotator does not have.
        only_second: And the other way round.
    """

    kappa: dict[TimelineTarget, float | None]
    start_differences: tuple[float, ...]
    stop_differences: tuple[float, ...]
    only_first: int
    only_second: int


def measure_agreement(pairs: Sequence[tuple[Timeline, Timeline]], *, rate: float = FRAMES_PER_SECOND) -> Agreement:
    """Two annotators on some recordings, taken together.

    Args:
        pairs: Each recording as the one and as the other labelled it.
        rate: Steps a second.

    Raises:
        ValueError: No recording at all, or a rate that is not positive.
    """
    if not pairs:
        raise ValueError("no recording that both annotators labelled")
    if not rate > 0:
        raise ValueError(f"rate must be positive, got {rate}")
    kappa: dict[TimelineTarget, float | None] = {}
    for target in TARGETS:
        steps = [_steps(first, second, target, rate) for first, second in pairs]
        known = any(s.label(target) is not None for both in pairs for timeline in both for s in timeline)
        if known:
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


def _steps(first: Timeline, second: Timeline, target: TimelineTarget, rate: float) -> tuple[Ints, Ints]:
    both = (first, second)
    end = max(t.last_stop_seconds if t.duration_seconds is None else t.duration_seconds for t in both)
    names: list[Label] = [label for t in both for s in t if (label := s.label(target)) is not None]
    ids = {label: number for number, label in enumerate(sorted(set(names), key=str))}
    num_steps = max(round(end * rate), 1)
    one, other = (frame_labels(t, target, ids, num_frames=num_steps, rate=rate) for t in both)
    return one, other
