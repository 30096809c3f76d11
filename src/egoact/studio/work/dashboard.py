"""Each person's actions over days: counts, durations, and the clips behind each number."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from egoact.core.files import csv_text
from egoact.core.timelines.statistics import merge_stretches
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.studio.schemas.results import ActionOverDays, Clip, Dashboard, DayPoint, Person

COLUMNS = (
    "participant_id",
    "day",
    "action",
    "verb",
    "noun",
    "count",
    "total_seconds",
    "mean_seconds",
    "per_hour",
    "share_of_time",
    "recordings",
)
_MOST_CLIPS = 50


@dataclass(frozen=True)
class DatedTimeline:
    """A recording's actions, whose they are and when; how long it is, what was noted of it, measures of each hand."""

    timeline: Timeline
    participant_id: str
    day: date | None
    seconds: float | None
    note: str = ""
    hands: Mapping[str, Any] | None = None


def make_dashboard(source: str, recordings: Iterable[DatedTimeline]) -> Dashboard:
    """All persons, sorted; `source` says where the actions are from."""
    of_person: dict[str, list[DatedTimeline]] = {}
    for one in recordings:
        of_person.setdefault(one.participant_id, []).append(one)
    return Dashboard(source=source, people=[_person(name, of) for name, of in sorted(of_person.items())])


def dashboard_csv(dashboard: Dashboard) -> str:
    """One row a person, action and day."""
    rows: list[list[Any]] = []
    for person in dashboard.people:
        for action in person.actions:
            for day in action.days:
                numbers = (day.total_seconds, day.mean_seconds, day.per_hour, day.share_of_time)
                shown = ["" if value is None else f"{value:.4f}" for value in numbers]
                names = [person.participant_id, day.day or "", action.name, action.verb or "", action.noun or ""]
                rows.append([*names, day.count, *shown, " ".join(day.recording_ids)])
    return csv_text([COLUMNS, *rows])


def _person(name: str, recordings: list[DatedTimeline]) -> Person:
    days = sorted({one.day for one in recordings}, key=lambda day: (day is None, day or date.min))
    keys = {(s.verb, s.noun) for one in recordings for s in one.timeline}
    actions = []
    for verb, noun in keys:
        points = [_day((verb, noun), day, [one for one in recordings if one.day == day]) for day in days]
        action_name = " ".join(part for part in (verb, noun) if part)
        actions.append(ActionOverDays(name=action_name, verb=verb, noun=noun, days=points))
    actions.sort(key=lambda action: (-sum(day.count for day in action.days), action.name))
    hands = [
        {"recording_id": one.timeline.video_id, "day": one.day and one.day.isoformat(), **one.hands}
        for one in sorted(recordings, key=lambda one: (one.day or date.max, one.timeline.video_id))
        if one.hands
    ]
    return Person(
        participant_id=name,
        num_recordings=len(recordings),
        total_seconds=sum(one.seconds or 0.0 for one in recordings),
        actions=actions,
        hands=hands,
        notes={one.timeline.video_id: one.note for one in recordings if one.note},
    )


def _day(key: tuple[str | None, str | None], day: date | None, recordings: list[DatedTimeline]) -> DayPoint:
    found: list[tuple[str, TimelineSegment]] = []
    covered = 0.0
    for one in recordings:
        of_it = [s for s in one.timeline if (s.verb, s.noun) == key]
        found += [(one.timeline.video_id, s) for s in of_it]
        covered += sum(stop - start for start, stop in merge_stretches(of_it))
    lengths = [one.seconds for one in recordings]
    seconds = sum(length for length in lengths if length) if all(lengths) else None
    total = sum(s.duration_seconds for _, s in found)
    return DayPoint(
        day=day,
        recording_ids=[one.timeline.video_id for one in recordings],
        count=len(found),
        total_seconds=total,
        mean_seconds=total / len(found) if found else None,
        per_hour=3600 * len(found) / seconds if seconds else None,
        share_of_time=min(1.0, covered / seconds) if seconds else None,
        clips=[Clip(recording_id=video, truth=None, found=s.name, **asdict(s)) for video, s in found[:_MOST_CLIPS]],
    )
