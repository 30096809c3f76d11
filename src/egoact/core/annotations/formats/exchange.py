"""What readers and writers of formats are given and give back: a file's content, options, problems and losses."""

import math
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import PurePath
from typing import Any, NamedTuple

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording, learn
from egoact.core.annotations.formats.words import recording_name
from egoact.core.annotations.labels import Target
from egoact.core.annotations.reading import decode_text, reading_row
from egoact.core.errors import AnnotationError

MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Source:
    """A file's content, wherever it comes from; its name tells its format, and the recording if nothing else does."""

    name: str
    content: bytes

    def __post_init__(self) -> None:
        if len(self.content) > MOST_BYTES:
            raise self.error(f"more than {MOST_BYTES // 2**20} MiB; this is hardly a file of annotations")

    @property
    def suffix(self) -> str:
        """Its extension in lower case, with the dot."""
        return PurePath(self.name).suffix.lower()

    @property
    def recording(self) -> str:
        """The recording of a file that does not name it."""
        return recording_name(PurePath(self.name).name)

    @cached_property
    def beginning(self) -> str:
        """Its first 20,000 characters, to recognise formats by; empty where it is no text."""
        try:
            return self.text[:20_000]
        except AnnotationError:
            return ""

    @property
    def first_line(self) -> str:
        """The first line that is not empty; empty where it is no text."""
        return self.beginning.lstrip("\n").partition("\n")[0]

    @cached_property
    def text(self) -> str:
        """UTF-8 or UTF-16 without its mark, all line ends as line feeds; an `AnnotationError` for what is no text."""
        return decode_text(self.content, self.refuse).replace("\r\n", "\n").replace("\r", "\n")

    def refuse(self, reason: str, line: int) -> AnnotationError:
        """As `error`, about a line."""
        return self.error(reason, place=f"line {line}")

    def error(self, reason: str, *, place: str | None = None) -> AnnotationError:
        """An `AnnotationError` about this file, to be raised by the caller."""
        return AnnotationError(reason, path=self.name, place=place)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a reader cannot know from the file.

    Args:
        fps: Frames per second, where times are frames and the file does not tell.
        media_offset_seconds: Added to all times.
        verb_tier: Name of the tier, column or control that holds verbs, as `noun_tier`.
        annotator: Who made the annotations, where the file does not tell it.
        background: The label of frames in which nothing happens.
        known: Tells what is known of a recording from elsewhere, by its name.

    Raises:
        ValueError: Impossible values.
    """

    fps: float | None = None
    media_offset_seconds: float = 0.0
    verb_tier: str | None = None
    noun_tier: str | None = None
    annotator: str = ""
    background: str = "background"
    known: Callable[[str], Recording | None] | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 10_000:
            raise ValueError(f"{self.fps:g} frames per second; a number above 0 is needed")
        if not math.isfinite(self.media_offset_seconds):
            raise ValueError(f"{self.media_offset_seconds} s is no offset")

    @cached_property
    def tiers(self) -> dict[Target, str]:
        """Names of tiers by what they hold, as far as they are given."""
        given: dict[Target, str | None] = {"verb": self.verb_tier, "noun": self.noun_tier}
        return {target: name for target, name in given.items() if name is not None}

    def target_of(self, name: str) -> Target | None:
        """What a tier of this name holds, where it is given."""
        same = (target for target, tier in self.tiers.items() if tier.casefold() == name.strip().casefold())
        return next(same, None)


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What a writer cannot know from the annotations; `background` is the label of what is in none."""

    fps: float | None = None
    background: str = "background"
    delimiter: str = ","


class Problem(NamedTuple):
    """A row that could not be read, or in part only: where it is, such as "line 17", and what is wrong."""

    place: str
    reason: str


@dataclass
class Reading:
    """What is read of one file, while it is read; `problems` are rows that are lost, `remarks` sentences for people."""

    source: Source
    options: ReadOptions
    items: list[Annotation] = field(default_factory=list)
    recordings: dict[str, Recording] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, *, place: str, start_seconds: float, stop_seconds: float, **values: Any) -> None:
        """Keep an annotation, moved by the offset; one that is impossible is a problem."""
        offset = self.options.media_offset_seconds
        # To the nanosecond, without the dust of binary fractions.
        start, stop = (round(seconds + offset, 9) + 0.0 for seconds in (start_seconds, stop_seconds))
        if offset < 0 and stop > 0 > start:
            self.remark(f"{place}: begins before the recording and is cut there")
            start = 0.0
        values["annotator"] = values.get("annotator") or self.options.annotator
        try:
            self.items.append(Annotation(start_seconds=start, stop_seconds=stop, place=place, **values))
        except ValueError as error:
            self.problem(place, str(error))

    def know(self, recording: Recording) -> None:
        """Keep what is known about a recording."""
        if recording.name:
            learn(self.recordings, recording)

    def problem(self, place: str, reason: str) -> None:
        """Tell of a row that is lost."""
        self.problems.append(Problem(place, reason))

    def remark(self, text: str) -> None:
        """Tell something, once."""
        if text not in self.remarks:
            self.remarks.append(text)

    def row(self, place: str) -> AbstractContextManager[None]:
        """Read one row; a `ValueError`, or a value of another kind than expected, is a problem of this row."""
        return reading_row(partial(self.problem, place), "this format")

    def rate(self, name: str = "") -> float:
        """Frames per second, as asked for, as the file says, or as is known; else an `AnnotationError`."""
        name = name or self.source.recording
        rate = self.options.fps or self.recordings.get(name, Recording(name)).fps
        if rate is None and self.options.known is not None and (known := self.options.known(name)) is not None:
            rate = known.fps
        if rate is None:
            reason = f"times are frames, and the frame rate of {name} is not known; give --fps or --media"
            raise self.source.error(reason)
        return rate


@dataclass
class Losses:
    """What a format could not hold, while it is written; the same kind in several files is one sentence."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    num_lost: int = 0

    def tell(self, sentence: str, count: int = 1, noun: str = "segment") -> None:
        """Some are kept otherwise than they were: "hands of {} cannot be kept"; nothing is said of none."""
        if count:
            self.counts[sentence, noun] += count

    def lose(self, sentence: str, count: int, noun: str = "segment") -> None:
        """Some are not in the file."""
        self.num_lost += count
        self.tell(sentence, count, noun)

    @property
    def lines(self) -> list[str]:
        """The sentences, with their counts."""
        return [sentence.replace("{}", count_of(count, noun)) for (sentence, noun), count in self.counts.items()]


def count_of(count: int, noun: str) -> str:
    """For messages: "1 segment", "2 segments"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def rate_of(annotations: Annotations, name: str, options: WriteOptions) -> float:
    """Frames per second of a recording, for a format that counts frames; an `AnnotationError` where that is unknown."""
    rate = options.fps or annotations.recording(name).fps
    if rate is None:
        reason = f"this format counts frames, and the frame rate of {name} is not known; give --fps or --media"
        raise AnnotationError(reason)
    return rate
