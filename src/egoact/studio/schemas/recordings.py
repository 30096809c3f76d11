"""Recordings, what is measured of them, and what is blurred before others see a copy."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from egoact.studio.schemas.messages import Answer, Name, Request, Seconds, Text

RecordingState = Literal["unlabelled", "proposed", "in_work", "labelled"]
Share = Annotated[float, Field(ge=0, le=1)]


class Recording(Answer):
    """A recording of the project."""

    id: str
    file_name: str
    size_bytes: int
    duration_seconds: float | None
    frame_rate: float | None
    num_frames: int | None
    width: int | None
    height: int | None
    codec: str | None
    has_sound: bool
    is_playable: bool
    """Whether browsers play the file itself, or a copy that was made of it."""
    playable_job: int | None
    """The job that makes such a copy now."""
    problem: str | None
    """Why it cannot be read."""
    state: RecordingState
    num_segments: int
    """Of the annotator who is asked for, or of all."""
    num_proposals: int
    uncertainty: float | None
    """0 to 1, of the newest proposals; the highest should be looked at first."""
    participant_id: str
    recorded_on: date | None
    note: str


class RecordingChange(Request):
    """Facts about a recording; what is absent stays as it is."""

    participant_id: Name | None = None
    recorded_on: date | None = None
    note: Text | None = None
    is_labelled: bool | None = None
    """Somebody says that everything in it is labelled."""


class Frames(Answer):
    """When each picture is shown: seconds from the first one, ascending; exact to the microsecond."""

    times_seconds: list[float]
    end_seconds: float
    video_offset_seconds: float
    """Where the first picture is on the clock of a browser's video element: currentTime = time + this."""
    is_quick: bool
    """Whether these are of the quick copy, which browsers get by `video?is_quick=true`."""
    wants_quick: bool
    """Browsers step slowly in this file, and a quick copy of it is neither made nor given up."""


class Waveform(Answer):
    """Sound and motion, one value a bin, each from 0 to 1."""

    start_seconds: float
    stop_seconds: float
    bin_seconds: float
    sound: list[float]
    """The loudest sample; empty without sound."""
    motion: list[float]
    """The largest change between pictures a quarter of a second apart, relative to the recording's own; of recordings
    longer than 20 minutes between key frames."""


class ReviewedMask(Request):
    """A place that is blurred for a while."""

    kind: Name
    """face, or what a person calls it."""
    score: Share
    """How sure the detector was; 1 of a person's own."""
    keyframes: Annotated[list[tuple[Seconds, Share, Share, Share, Share]], Field(min_length=1, max_length=100_000)]
    """Seconds, and left, top, right, bottom as shares of the picture."""
    is_blurred: bool
    """Whether a person lets it be blurred."""


class Review(Answer):
    """All masks of a recording."""

    recording_id: str
    version: str
    """Changes with each change; empty where there is nothing yet."""
    masks: list[ReviewedMask]
    hidden: list[tuple[float, float]]
    """Stretches that become black and silent."""
    has_copy: bool
    """Whether there is a copy without them already."""


class ReviewChange(Request):
    """All of it anew."""

    version: str
    """The one that was changed."""
    masks: Annotated[list[ReviewedMask], Field(max_length=10_000)]
    hidden: Annotated[list[tuple[Seconds, Seconds]], Field(max_length=10_000)]
