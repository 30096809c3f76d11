"""What people do over days, and how far two annotators agree."""

from datetime import date
from typing import Any

from egoact.studio.schemas.messages import Answer
from egoact.studio.schemas.results import Clip


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
