"""What a recording's wearer looks at before others see a copy of it: faces that were found, and what they mark."""

from typing import Annotated

from pydantic import Field

from egoact.studio.schemas.messages import Answer, Name, Request, Seconds

Share = Annotated[float, Field(ge=0, le=1)]


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
