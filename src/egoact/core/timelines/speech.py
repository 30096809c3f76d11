"""When the actions of a timeline are said aloud: in the quiet near their beginning, one at a time.

sound        ▁▁▆▇▇▇▆▁▁▁▁▁▁▁▁▅▇▇▆▁▁▁▁▁▁▁
actions        [open fridge)  [take milk)
said                 ├──────┤        ├────┤        after the noise, and never two at once

Audio description speaks in the gaps of what is heard otherwise: ITC Guidance on Standards for Audio Description (2000).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from egoact.core.timelines.prediction import describe, describe_segment
from egoact.core.timelines.timeline import Timeline, TimelineSegment

PAUSE_SECONDS = 0.2  # between two descriptions, at least
SOON_SECONDS = 1.5  # a description may begin so long after its action, even if that is over
MOST_WAIT_SECONDS = 4.0  # and no longer, even while it goes on
_WAIT_DECIBELS = 3.0  # how much quieter it must become for each second of waiting
_SILENCE_DECIBELS = -60.0  # what is quieter is silent
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Loudness:
    """How loud a recording is; after its last block it is silent. Impossible numbers are a `ValueError`."""

    block_seconds: float
    powers: npt.NDArray[np.float64]  # (N,), mean square of the samples (-1 to 1) in each block

    def __post_init__(self) -> None:
        if self.powers.ndim != 1 or not self.block_seconds > 0 or not (self.powers >= 0).all():
            raise ValueError(f"loudness of shape {self.powers.shape} in blocks of {self.block_seconds} s")

    def decibels(self, starts: npt.NDArray[np.float64], duration_seconds: float) -> npt.NDArray[np.float64]:
        """Mean level of some stretches of the same length that begin at `starts`; silence is -60 dB."""
        energies = np.concatenate([[0.0], np.cumsum(self.powers)]) * self.block_seconds
        edges = np.arange(len(energies)) * self.block_seconds
        until = [np.interp(at, edges, energies) for at in (starts, starts + duration_seconds)]
        powers = np.maximum(until[1] - until[0], 0) / max(duration_seconds, self.block_seconds)
        return np.asarray(10 * np.log10(np.maximum(powers, 10 ** (_SILENCE_DECIBELS / 10))))


@dataclass(frozen=True, slots=True)
class Spoken:
    """A description, and when it is said."""

    number: int  # of its action in the timeline
    text: str
    start_seconds: float
    stop_seconds: float
    is_short: bool = False  # something was left away


@dataclass(frozen=True)
class SpeechPlan:
    """What is said of a timeline, and what is not."""

    spoken: tuple[Spoken, ...]  # in order of time, never two at once
    unspoken: tuple[int, ...]  # numbers of the actions for which there is no room


def plan_speech(
    timeline: Timeline, loudness: Loudness, *, seconds_of: Callable[[str], float], length_seconds: float
) -> SpeechPlan:
    """Find a place for the description of every action.

    It begins after its action does: as long as the action goes on, but within 4 s, or else within 1.5 s. Of these
    moments the one is taken at which it is quietest while it is said, waiting one second being worth 3 dB; moments
    at which the next description would come too late, or this one last longer than the recording, are left out.
    Where no moment is left, just the verb is said; where there is none for that either, the less certain one of the two
    actions is left out. `seconds_of` is how long it takes to say a text, `length_seconds` that of the recording.
    """
    spoken: list[Spoken] = []
    unspoken: list[int] = []
    free = 0.0  # from when on nobody speaks
    for number, segment in enumerate(timeline):
        following = timeline[number + 1] if number + 1 < len(timeline) else None
        limit = length_seconds if following is None else min(length_seconds, _latest(following) - PAUSE_SECONDS)
        first, texts = max(segment.start_seconds, free), texts_of(segment)
        found = None
        for text in texts:
            seconds = seconds_of(text)
            start = _quietest(loudness, first, min(_latest(segment), limit - seconds), seconds)
            if start is not None:
                found = Spoken(number, text, start, start + seconds, text != texts[0])
                break
        if found is None and (following is None or segment.confidence >= following.confidence):
            seconds = seconds_of(texts[-1])  # at once and briefly, though the next one may have to be left out
            if first <= min(_latest(segment), length_seconds - seconds) + _TOLERANCE:
                found = Spoken(number, texts[-1], first, first + seconds, len(texts) > 1)
        if found is None:
            unspoken.append(number)
        else:
            spoken.append(found)
            free = found.stop_seconds + PAUSE_SECONDS
    return SpeechPlan(tuple(spoken), tuple(unspoken))


def texts_of(segment: TimelineSegment) -> tuple[str, ...]:
    """What can be said of an action, most first.

    >>> texts_of(TimelineSegment(0, 1, "open", "fridge")), texts_of(TimelineSegment(0, 1, None, "fridge"))
    (('opens the fridge', 'opens'), ('the fridge',))
    """
    full = describe_segment(segment)
    return (full, describe(segment.verb)) if segment.verb and segment.noun else (full,)


def _latest(segment: TimelineSegment) -> float:
    """When its description must begin."""
    soon = segment.start_seconds + SOON_SECONDS
    return min(max(segment.stop_seconds, soon), segment.start_seconds + MOST_WAIT_SECONDS)


def _quietest(loudness: Loudness, first: float, last: float, seconds: float) -> float | None:
    """The best moment to begin, or None where there is none from `first` to `last`."""
    if first > last + _TOLERANCE:
        return None
    num_moments = max(math.ceil((last - first) / loudness.block_seconds), 0) + 1
    moments = np.minimum(first + np.arange(num_moments) * loudness.block_seconds, max(first, last))
    costs = loudness.decibels(moments, seconds) + _WAIT_DECIBELS * (moments - first)
    return float(moments[np.argmin(costs)])
