"""The one form of annotations between all formats: who did what from when to when. Knows nothing about files.

recording   |----------[start ~~~~ stop)-----|point|-----|      half-open, seconds from the start; a point has no length
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Hand = Literal["", "left", "right", "both"]

HANDS: tuple[Hand, ...] = get_args(Hand)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Something that somebody noted about a stretch or a moment of one recording; what is not known is empty.

    Args:
        recording: Its name: that of the file without folder and extension.
        start_seconds: Where it begins, seconds from the start of the recording.
        stop_seconds: Where it ends, exclusive; the start where it is a point event.
        verb: What is done.
        noun: With what.
        description: What was written where verb and noun are not told apart, or beside them: a narration.
        hand: Which hand does it.
        note: A remark of the annotator.
        annotator: Who noted it.
        tier: The track, column or category that it was in.
        verb_class: Number of the verb's class, as `noun_class`.
        participant: Who wears the camera.
        identity: The id of the segment (`narration_id`).
        place: Where it was read: "line 17"; two annotations are equal wherever they were read.

    Raises:
        ValueError: Times that are no stretch of a recording, no recording, or another hand.
    """

    recording: str
    start_seconds: float
    stop_seconds: float
    verb: str = ""
    noun: str = ""
    description: str = ""
    hand: Hand = ""
    note: str = ""
    annotator: str = ""
    tier: str = ""
    verb_class: int | None = None
    noun_class: int | None = None
    participant: str = ""
    identity: str = ""
    place: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.recording or "/" in self.recording or "\\" in self.recording or self.recording in {".", ".."}:
            raise ValueError(f"'{self.recording}' is not the name of a recording")
        if not math.isfinite(self.start_seconds) or self.start_seconds < 0:
            raise ValueError(f"it starts at {self.start_seconds:g} s, before the recording")
        if not self.start_seconds <= self.stop_seconds < math.inf:
            raise ValueError(f"stop at {self.stop_seconds:g} s is before start at {self.start_seconds:g} s")
        if self.hand not in HANDS:
            raise ValueError(f"'{self.hand}' is not a hand: left, right or both")

    @property
    def is_point(self) -> bool:
        """Whether it has no length."""
        return self.stop_seconds == self.start_seconds

    @property
    def label(self) -> str:
        """What a format with one text says: verb and noun, or else the description."""
        return " ".join(word for word in (self.verb, self.noun) if word) or self.description


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known about a recording, beside its annotations; `media` is the file name or path of the video."""

    name: str
    media: str = ""
    fps: float | None = None
    duration_seconds: float | None = None

    @property
    def media_name(self) -> str:
        """The file name to write: the known one, or one that is made of the name."""
        return self.media or f"{self.name}.mp4"


def learn(recordings: dict[str, Recording], new: Recording) -> None:
    """Add to what is known of recordings; the new counts where both know something."""
    old = recordings.get(new.name, Recording(new.name))
    recordings[new.name] = Recording(
        new.name,
        new.media or old.media,
        old.fps if new.fps is None else new.fps,
        old.duration_seconds if new.duration_seconds is None else new.duration_seconds,
    )


@dataclass(frozen=True)
class Annotations:
    """Annotations of one or several recordings, and what is known of recordings by their names."""

    items: tuple[Annotation, ...]
    recordings: Mapping[str, Recording] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Annotation]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Annotation:
        return self.items[index]

    def recording(self, name: str) -> Recording:
        """What is known about a recording."""
        return self.recordings.get(name, Recording(name))

    def by_recording(self) -> dict[str, "Annotations"]:
        """Name -> its annotations by time; of recordings without annotations, too."""
        found: dict[str, list[Annotation]] = {name: [] for name in self.recordings}
        for annotation in self.items:
            found.setdefault(annotation.recording, []).append(annotation)
        return {
            name: Annotations(
                tuple(sorted(items, key=lambda item: (item.start_seconds, item.stop_seconds))),
                {name: self.recording(name)},
            )
            for name, items in found.items()
        }
