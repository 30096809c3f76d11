"""What happens in a recording, and when: segments with a verb, a noun and a confidence. Knows nothing about models.

video   |--[take cup)----[pour milk~~~~~)--[put cup)-------|      half-open, seconds from the start
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, overload

from egoact.core.bounds import check_name

FORMAT_VERSION = 1

TimelineTarget = Literal["verb", "noun", "action"]
TIMELINE_TARGETS: tuple[TimelineTarget, ...] = ("verb", "noun", "action")
Label = str | tuple[str, str]

_TOLERANCE_SECONDS = 1e-3  # a CSV writes times in milliseconds


@dataclass(frozen=True, slots=True)
class TimelineSegment:
    """One action; of the names of its verb and noun class one at least is known. Impossible ones are a `ValueError`."""

    start_seconds: float
    stop_seconds: float  # exclusive
    verb: str | None = None
    noun: str | None = None
    confidence: float = 1.0  # probability that it is right

    def __post_init__(self) -> None:
        if not 0 <= self.start_seconds < self.stop_seconds < math.inf:
            raise ValueError(f"[{self.start_seconds}, {self.stop_seconds}) s is not a piece of a recording")
        if not self.verb and not self.noun:
            raise ValueError(f"the segment at {self.start_seconds:g} s has neither verb nor noun")
        for word in (self.verb, self.noun):
            if word:
                check_name("a class", word)
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence {self.confidence} is not between 0 and 1")

    @property
    def span(self) -> tuple[float, float]:
        """From when to when it goes on, seconds."""
        return self.start_seconds, self.stop_seconds

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return self.stop_seconds - self.start_seconds

    @property
    def name(self) -> str:
        """Verb and noun, as far as they are known: "open fridge"."""
        return " ".join(part for part in (self.verb, self.noun) if part)

    def label(self, target: TimelineTarget) -> Label | None:
        """The verb, the noun, or both as a pair; None where it is not known."""
        if target == "action":
            return (self.verb, self.noun) if self.verb and self.noun else None
        return self.verb if target == "verb" else self.noun


@dataclass(frozen=True)
class Timeline(Sequence[TimelineSegment]):
    """The actions of one recording, in the order in which they begin; what is in none of them is background.

    Segments out of order or after the end are a `ValueError`.
    """

    video_id: str
    segments: tuple[TimelineSegment, ...]  # ascending by start; they may overlap
    duration_seconds: float | None = None  # of the recording, where it is known

    def __post_init__(self) -> None:
        check_name("a recording", self.video_id)
        starts = [segment.start_seconds for segment in self.segments]
        if starts != sorted(starts):
            raise ValueError(f"the segments of '{self.video_id}' are not in the order in which they begin")
        if self.duration_seconds is not None and self.last_stop_seconds > self.duration_seconds + _TOLERANCE_SECONDS:
            reason = f"a segment stops at {self.last_stop_seconds:g} s, the video at {self.duration_seconds:g} s"
            raise ValueError(f"'{self.video_id}': {reason}")

    @overload
    def __getitem__(self, index: int) -> TimelineSegment: ...

    @overload
    def __getitem__(self, index: slice) -> "Timeline": ...

    def __getitem__(self, index: int | slice) -> "TimelineSegment | Timeline":
        if isinstance(index, slice):
            return Timeline(self.video_id, self.segments[index], self.duration_seconds)
        return self.segments[index]

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[TimelineSegment]:
        return iter(self.segments)

    @property
    def last_stop_seconds(self) -> float:
        """Where the last action ends; 0 without any."""
        return max((segment.stop_seconds for segment in self.segments), default=0.0)

    @property
    def end_seconds(self) -> float:
        """Where the recording ends, as far as it is known: else where the last action does."""
        return self.last_stop_seconds if self.duration_seconds is None else self.duration_seconds

    def labelled(self, target: TimelineTarget) -> Iterator[tuple[TimelineSegment, Label]]:
        """The segments of which the verb, the noun, or both are known, each with that."""
        for segment in self:
            if (label := segment.label(target)) is not None:
                yield segment, label

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "format_version": FORMAT_VERSION,
            "video_id": self.video_id,
            "duration_seconds": self.duration_seconds,
            "segments": [asdict(segment) for segment in self.segments],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Back from JSON; a `ValueError` for another version or impossible values; keys that are not ours are left."""
        if values.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"format_version is {values.get('format_version')}, this egoact reads {FORMAT_VERSION}")
        try:
            duration = values["duration_seconds"]
            segments = [
                TimelineSegment(
                    float(found["start_seconds"]),
                    float(found["stop_seconds"]),
                    _optional_text(found.get("verb")),
                    _optional_text(found.get("noun")),
                    float(found.get("confidence", 1.0)),
                )
                for found in values["segments"]
            ]
            return cls(str(values["video_id"]), tuple(segments), None if duration is None else float(duration))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no timeline: {type(error).__name__} {error}") from None


def _optional_text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{value!r} is not the name of a class")
    return value or None


def shift(timeline: Timeline, seconds: float, *, duration: float) -> Timeline:
    """The same as seen from a later beginning, and up to an end."""
    moved = []
    for segment in timeline:
        start, stop = segment.start_seconds - seconds, segment.stop_seconds - seconds
        if stop > 0 and start < duration:
            moved.append(replace(segment, start_seconds=max(start, 0.0), stop_seconds=min(stop, duration)))
    return replace(timeline, segments=tuple(moved), duration_seconds=duration)
