"""What all messages between server and front end are made of."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
Target = Literal["verb", "noun"]
Hand = Literal["left", "right", "both"]


class Answer(BaseModel):
    """Something that the server says."""


class Request(BaseModel):
    """Something that a browser says; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Answer):
    """What went wrong, in one line."""

    reason: str


FAULTS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorAnswer}}
"""What any route may answer, too."""
