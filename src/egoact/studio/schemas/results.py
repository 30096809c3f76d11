"""How good runs are, what people do over days, and how far two annotators agree."""

from datetime import date
from typing import Any, Literal

from egoact.studio.schemas.messages import Answer


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
