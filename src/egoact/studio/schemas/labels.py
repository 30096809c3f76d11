"""Labelled segments, edits of them, conflicts between edits, and annotation files of other programs."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from egoact.studio.schemas.messages import Answer, ErrorAnswer, Hand, Name, Request, Seconds, Text


class SegmentValues(Request):
    """What a person says of a segment."""

    recording_id: Name
    start_seconds: Seconds
    stop_seconds: Seconds
    verb: Name | None = None
    noun: Name | None = None
    hand: Hand | None = None
    note: Text = ""


class LabelSegment(Answer):
    """A labelled segment."""

    id: str
    version: int
    recording_id: str
    start_seconds: float
    stop_seconds: float
    verb: str | None
    noun: str | None
    hand: Hand | None
    note: str


class AddEdit(Request):
    """A new segment; with the id of a deleted one, that one again."""

    op: Literal["add"]
    id: Name | None = None
    segment: SegmentValues


class ChangeEdit(Request):
    """All values of a segment anew."""

    op: Literal["change"]
    id: Name
    version: int
    """The version that was changed."""
    segment: SegmentValues


class DeleteEdit(Request):
    """A segment goes away."""

    op: Literal["delete"]
    id: Name
    version: int


Edit = Annotated[AddEdit | ChangeEdit | DeleteEdit, Field(discriminator="op")]


class Edits(Request):
    """Edits that are done together, or none of them."""

    request_id: Annotated[str, StringConstraints(pattern=r"^[\w.-]{8,100}$")]
    """Chosen by the browser; the same request sent again changes nothing and gets the same answer."""
    edits: Annotated[list[Edit], Field(min_length=1, max_length=1000)]


class EditsDone(Answer):
    """They are on disk."""

    revision: int
    segments: list[LabelSegment]
    """Those that were added or changed, as they are now, in the order of the edits."""
    deleted: list[str]


class Conflict(Answer):
    """Somebody else edited the same segment."""

    id: str
    current: LabelSegment | None
    """As it is now; None where it was deleted."""


class ConflictAnswer(ErrorAnswer):
    """409: nothing of the request was done."""

    conflicts: list[Conflict]


class Labels(Answer):
    """The labels of an annotator, of one recording or of all."""

    annotator: str
    revision: int
    segments: list[LabelSegment]
    problems: list[str]


class LabelChanges(Answer):
    """What became of segments after a revision."""

    revision: int
    segments: list[LabelSegment]
    deleted: list[str]


class Format(Answer):
    """A format of annotation files."""

    name: str
    title: str
    suffixes: list[str]
    can_read: bool
    can_write: bool


class Imported(Answer):
    """What came of an annotation file."""

    format: str
    num_added: int
    num_known: int
    """Segments that were there already, exactly so."""
    revision: int
    notes: list[str]
    """What the file said that labels cannot hold, and recordings that are not here."""


class ExportNotes(Answer):
    """What an export would be."""

    file_name: str
    num_segments: int
    notes: list[str]
    """What the format cannot hold."""
