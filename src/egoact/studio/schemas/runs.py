"""Trained runs, what they propose, and what people decide about it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from egoact.studio.schemas.labels import LabelSegment, SegmentValues
from egoact.studio.schemas.messages import Answer, Name, Request, Target


class Run(Answer):
    """A trained run."""

    name: str
    path: str
    kind: str
    """The segmenter or head."""
    trained_at: datetime
    targets: list[Target]
    num_recordings: int | None
    recordings: list[str]
    """What it learned from."""
    is_live: bool
    """Whether it can answer while things happen."""
    metrics: dict[str, Any] | None
    """metrics.json, see the page on training: of recordings held out in training."""
    evaluation: dict[str, Any] | None
    """The same, of the last job `evaluate`: of recordings that it did not learn from."""
    timelines: list[str]
    """Recordings that it has proposals for."""


class Proposal(Answer):
    """An action that a run found."""

    id: str
    start_seconds: float
    stop_seconds: float
    verb: str | None
    noun: str | None
    confidence: float
    decision: Literal["open", "accepted", "rejected", "corrected"]
    segment_id: str | None
    """Of the label that was made of it."""


class Proposals(Answer):
    """What a run found in a recording."""

    run: str
    recording_id: str
    uncertainty: float
    proposals: list[Proposal]


class ProposedRecording(Answer):
    """A line of the list of what to look at next."""

    recording_id: str
    uncertainty: float
    num_proposals: int
    num_open: int


class Decision(Request):
    """What a person makes of a proposal: accept and correct add a label, reopen takes the label away again."""

    proposal_id: Name
    action: Literal["accept", "reject", "correct", "reopen"]
    segment: SegmentValues | None = None
    """With correct: what is right."""


class Decisions(Request):
    """Decisions that are done together."""

    request_id: Annotated[str, StringConstraints(pattern=r"^[\w.-]{8,100}$")]
    annotator: Name
    decisions: Annotated[list[Decision], Field(min_length=1, max_length=1000)]


class DecisionsDone(Answer):
    """What came of it."""

    revision: int
    proposals: list[Proposal]
    segments: list[LabelSegment]
    deleted: list[str]
