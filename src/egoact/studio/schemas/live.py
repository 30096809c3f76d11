"""A live session."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from egoact.studio.schemas.messages import Answer, Request


class LiveReady(Answer):
    """First message of the server."""

    type: Literal["ready"] = "ready"
    session: str
    run: str
    rate: float
    targets: list[str]


class LiveAnswer(Answer):
    """One message for each picture; the browser sends the next one after it."""

    type: Literal["answer"] = "answer"
    seconds: float
    name: str | None
    """What happens now; None: nothing is known yet, or the picture came too soon to be looked at."""
    confidence: float | None
    top: dict[str, list[tuple[str, float]]]
    """Target -> the five most likely classes."""
    latency_seconds: float
    """From the picture's arrival to this answer."""


class LiveFault(Answer):
    """Something is wrong with a picture, or a stream is tried again, until the next answer; else the server closes."""

    type: Literal["fault"] = "fault"
    reason: str


class SaveLive(Request):
    """Keep a live session as a recording."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,63}$", strip_whitespace=True)]
