"""What the stream of events says."""

from typing import Literal

from egoact.studio.schemas.jobs import Job
from egoact.studio.schemas.messages import Answer


class Event(Answer):
    """A message of the stream of events."""

    type: Literal["job", "labels", "recordings", "runs", "proposals", "project"]
    id: str | None = None
    """The job, recording or run; of labels the annotator."""
    revision: int | None = None
    job: Job | None = None
