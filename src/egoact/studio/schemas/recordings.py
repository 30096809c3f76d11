"""Recordings, and what is measured of them."""

from datetime import date
from typing import Literal

from egoact.studio.schemas.messages import Answer, Name, Request, Text

RecordingState = Literal["unlabelled", "proposed", "in_work", "labelled"]


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
