"""Jobs: what a person asks for, and how far it is; and the stream of events, which tells of them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from egoact.studio.schemas.messages import Answer, Name, Request, Seconds

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


class ExtractJob(Request):
    """Compute features of all recordings; those that are there are kept."""

    kind: Literal["extract"]
    streams: list[Literal["rgb", "grid", "difference", "motion"]] = ["rgb", "grid", "motion"]


class TrainJob(Request):
    """Train a segmenter on an annotator's labels; features are extracted first."""

    kind: Literal["train"]
    run: Annotated[str, StringConstraints(pattern=r"^[\w][\w.-]{0,63}$")] | None = None
    """Name of the new run; None: the next number."""
    annotator: Name
    segmenter: Literal["linear", "mstcn", "asformer", "gru", "causal", "causal_tcn"] = "linear"
    recordings: list[str] | None = None
    """To learn from; None: all that are labelled from beginning to end, or without any all that have labels."""
    labelled_only: bool = False
    """Labels do not cover everything that happens."""


class PredictJob(Request):
    """Propose actions."""

    kind: Literal["predict"]
    run: Name
    recordings: list[str] | None = None
    """None: all that are not labelled."""
    hands: bool = False


class EvaluateJob(Request):
    """Measure a run's timelines of recordings that it did not learn from against labels."""

    kind: Literal["evaluate"]
    run: Name
    annotator: Name


class ExportJob(Request):
    """A run as graphs for other programs."""

    kind: Literal["export"]
    run: Name
    format: Literal["onnx", "openvino"] = "onnx"


class LearningCurveJob(Request):
    """How much must be labelled: train on growing numbers of recordings."""

    kind: Literal["learning_curve"]
    annotator: Name
    segmenter: Literal["linear", "causal"] = "linear"
    labelled_only: bool = False


class PlayableJob(Request):
    """A copy of a recording that browsers play."""

    kind: Literal["playable"]
    recording: Name


class QuickJob(Request):
    """A small copy of a recording in which browsers step from picture to picture at once."""

    kind: Literal["quick"]
    recording: Name


class BlurJob(Request):
    """A copy of a recording without faces, as a recording of its own."""

    kind: Literal["blur"]
    recording: Name
    hide: list[tuple[Seconds, Seconds]] = []
    """Stretches that become black and silent."""
    is_again: bool = False
    """Replace the copy that is there."""
    review: bool = False
    """Only find what would be blurred, and write it beside the copy as JSON."""


JobRequest = Annotated[
    ExtractJob | TrainJob | PredictJob | EvaluateJob | ExportJob | LearningCurveJob | PlayableJob | QuickJob | BlurJob,
    Field(discriminator="kind"),
]


class Progress(Answer):
    """How far a job is, as its last line says."""

    what: str
    done: int
    total: int | None
    unit: str
    seconds_left: float | None


class Job(Answer):
    """An `egoact` command in a process of its own."""

    id: int
    kind: str
    title: str
    state: JobState
    command_line: str
    """As a person can type it, in the project's folder."""
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    exit_code: int | None
    progress: Progress | None
    last_line: str
    needs: int | None
    """The job that must be done before."""
    subject: str | None
    """The run or recording that it is about."""


class JobLog(Answer):
    """The end of what a job printed."""

    text: str
    is_cut: bool


class Event(Answer):
    """A message of the stream of events."""

    type: Literal["job", "labels", "recordings", "runs", "proposals", "project"]
    id: str | None = None
    """The job, recording or run; of labels the annotator."""
    revision: int | None = None
    job: Job | None = None
