"""What the studio's server and its front end say to each other; `docs/studio-http.md` is the same for people.

Times are seconds from a recording's first picture, intervals half-open. Requests refuse fields that are not theirs.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
Target = Literal["verb", "noun"]
Hand = Literal["left", "right", "both"]
RecordingState = Literal["unlabelled", "proposed", "in_work", "labelled"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


class Answer(BaseModel):
    """Something that the server says."""


class Request(BaseModel):
    """Something that a browser says; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(Answer):
    """What went wrong, in one line."""

    reason: str


class ClassEntry(Answer):
    """A verb or noun that can be chosen."""

    name: str
    category: str | None = None
    num_segments: int = 0


class ClassSets(Answer):
    """All verbs and nouns, the most used first."""

    verbs: list[ClassEntry]
    nouns: list[ClassEntry]


class NewClass(Request):
    """A word that labels may use from now on."""

    name: Name


class NewAnnotator(Request):
    """Somebody who labels; the name of a file, so letters, digits, blanks, dots, hyphens and underscores."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,63}$", strip_whitespace=True)]


class Annotator(Answer):
    """Somebody who labels."""

    name: str
    path: str
    num_segments: int
    num_recordings: int


class Project(Answer):
    """The folder that is open."""

    name: str
    folder: str
    version: str
    annotators: list[Annotator]
    num_recordings: int
    classes: ClassSets
    problems: list[str]
    """One line each: labels that cannot be read, recordings of one name, ..."""
    max_upload_bytes: int
    heavy_job: int | None
    """The job that runs now."""


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


# --- Jobs ---------------------------------------------------------------------------------------------------------


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


class BlurJob(Request):
    """A copy of a recording without faces, as a recording of its own."""

    kind: Literal["blur"]
    recording: Name
    hide: list[tuple[Seconds, Seconds]] = []
    """Stretches that become black and silent."""
    review: bool = False
    """Only find what would be blurred, and write it beside the copy as JSON."""


JobRequest = Annotated[
    ExtractJob | TrainJob | PredictJob | EvaluateJob | ExportJob | LearningCurveJob | PlayableJob | BlurJob,
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


# --- Runs, proposals, results ---------------------------------------------------------------------------------------


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


class Clip(Answer):
    """A stretch of a recording, to be played."""

    recording_id: str
    start_seconds: float
    stop_seconds: float
    truth: str | None
    found: str | None
    confidence: float | None


class ConfusionCell(Answer):
    """How often one class was found where another is labelled; None stands for background."""

    truth: str | None
    found: str | None
    count: int
    clips: list[Clip]


class Confusion(Answer):
    """Labelled segments against what a run found there."""

    run: str
    annotator: str
    target: Literal["verb", "noun", "action"]
    names: list[str]
    cells: list[ConfusionCell]
    recordings: list[str]
    """Which recordings were compared: each answered without having been learned from."""
    seen_recordings: list[str]
    """Left out: the run learned from these, and no answer of it without them is known."""


class Mistakes(Answer):
    """The most confident mistakes first."""

    run: str
    annotator: str
    mistakes: list[Clip]


class MetricComparison(Answer):
    """One number of two runs."""

    name: str
    first: float
    second: float
    difference: float


class RunComparison(Answer):
    """Two runs on the same held-out recordings; or, where those differ, each on its own."""

    first: str
    second: str
    is_same_recordings: bool
    metrics: list[MetricComparison]


class DayPoint(Answer):
    """An action on a day."""

    day: date | None
    recording_ids: list[str]
    count: int
    total_seconds: float
    mean_seconds: float | None
    per_hour: float | None
    share_of_time: float | None
    clips: list[Clip]


class ActionOverDays(Answer):
    """An action of a person, day by day."""

    name: str
    verb: str | None
    noun: str | None
    days: list[DayPoint]


class Person(Answer):
    """A person's actions over days."""

    participant_id: str
    num_recordings: int
    total_seconds: float
    actions: list[ActionOverDays]
    hands: list[dict[str, Any]]
    notes: dict[str, str]


class Dashboard(Answer):
    """All persons of the project."""

    source: str
    people: list[Person]


class CurvePoint(Answer):
    """Quality with so many labelled recordings."""

    num_recordings: float
    value: float
    low: float | None
    high: float | None


class LearningCurve(Answer):
    """How much must be labelled."""

    job: int
    annotator: str
    metric: str
    measured: list[CurvePoint]
    extrapolated: list[CurvePoint]
    verdict: str


class BoundaryDifferences(Answer):
    """Second minus first, of segments that both annotators have."""

    num_pairs: int
    start_mean_seconds: float | None
    start_mean_absolute_seconds: float | None
    stop_mean_seconds: float | None
    stop_mean_absolute_seconds: float | None


class AgreementOf(Answer):
    """Two annotators on one recording, or on all of them together."""

    recording_id: str | None
    kappa: dict[str, float | None]
    """Cohen's kappa of each step of a tenth of a second; keys: verb, noun, action."""
    boundaries: BoundaryDifferences
    only_first: int
    only_second: int


class Agreement(Answer):
    """Two annotators on all recordings that both labelled."""

    first: str
    second: str
    together: AgreementOf | None
    recordings: list[AgreementOf]


# --- Other people's files, live ---------------------------------------------------------------------------------------


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
    """Something is wrong; where it is the run, the server closes."""

    type: Literal["fault"] = "fault"
    reason: str


class SaveLive(Request):
    """Keep a live session as a recording."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,63}$", strip_whitespace=True)]


class Event(Answer):
    """A message of the stream of events."""

    type: Literal["job", "labels", "recordings", "runs", "proposals", "project"]
    id: str | None = None
    """The job, recording or run; of labels the annotator."""
    revision: int | None = None
    job: Job | None = None
