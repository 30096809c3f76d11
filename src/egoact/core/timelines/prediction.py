"""What a run answers for a whole recording, and the texts that say it: JSON, CSV, WebVTT. Knows nothing about models.

`docs/timeline.md` documents the JSON. EPIC-KITCHENS writes a verb with its particle as "turn-on" and a compound noun
main word first, as "board:chopping".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from egoact.core.annotations.labels import Target
from egoact.core.files import csv_text
from egoact.core.timelines.statistics import COLUMNS, check_hands, compute_statistics, statistics_rows
from egoact.core.timelines.timeline import Timeline, TimelineSegment

TOP = 5
_COLUMNS = ("narration_id", "participant_id", "video_id", "start_timestamp", "stop_timestamp", "narration")

Ranking = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Prediction:
    """A timeline, and what else is known about it; a `ValueError` where that does not fit."""

    timeline: Timeline  # its duration is how far the recording was looked at
    targets: tuple[Target, ...]  # what was looked for
    top5: tuple[Mapping[Target, Ranking], ...]  # of each action: the best classes and their probabilities, best first
    broken: str | None = None  # where and why the recording could not be read any further
    hands: Mapping[str, Any] | None = None  # measures of each hand, see `statistics.check_hands`

    def __post_init__(self) -> None:
        if self.hands is not None:
            check_hands(self.hands)
        if len(self.top5) != len(self.timeline):
            raise ValueError(f"{len(self.top5)} rankings for {len(self.timeline)} actions")

    def to_json(self, *, video_path: str | None, origin: Mapping[str, Any]) -> str:
        """The text of `timeline.json`: that of `Timeline.to_dict`, and more.

        `video_path` is relative to the folder of the file; `origin` says how it was made: run, rate, and so on.
        """
        values = self.timeline.to_dict() | {
            "video_path": video_path,
            "broken": self.broken,
            "targets": list(self.targets),
            "origin": dict(origin),
        }
        for segment, best in zip(values["segments"], self.top5, strict=True):
            segment["confidence"] = round(segment["confidence"], 4)
            segment["top5"] = {
                target: [{"name": name, "probability": round(share, 4)} for name, share in ranking]
                for target, ranking in best.items()
            }
        values |= {} if self.hands is None else {"hands": dict(self.hands)}
        values["statistics"] = compute_statistics(self.timeline)
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """The text of `timeline.csv`: columns of a segments CSV, and confidence.

        Classes are named and not numbered, so that correcting a word is all that correcting takes.
        """
        rows = [[*_COLUMNS, *self.targets, "confidence"]]
        video_id = self.timeline.video_id
        participant = video_id.partition("_")[0] or video_id
        for number, segment in enumerate(self.timeline):
            labels = [getattr(segment, target) for target in self.targets]
            ids = (f"{video_id}_{number}", participant, video_id)
            rows.append([*ids, *map(timestamp, segment.span), segment.name, *labels, f"{segment.confidence:.4f}"])
        return csv_text(rows)

    def to_statistics_csv(self) -> str:
        """The text of `statistics.csv`: see `statistics.COLUMNS`."""
        rows = statistics_rows(self.timeline.video_id, compute_statistics(self.timeline), hands=self.hands)
        return csv_text([COLUMNS, *rows])

    def to_vtt(self, *, descriptions: bool = False) -> str:
        """The text of `timeline.vtt`, one cue an action; with `descriptions`, "opens the fridge" for "open fridge".

        Source: WebVTT: The Web Video Text Tracks Format, W3C, 2019.
        """
        cues = ["WEBVTT"]
        for number, segment in enumerate(self.timeline, start=1):
            text = describe_segment(segment) if descriptions else segment.name
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            times = " --> ".join(map(timestamp, segment.span))
            cues.append(f"{number}\n{times}\n{escaped}")
        return "\n\n".join(cues) + "\n"


def timestamp(seconds: float) -> str:
    """As segments CSV and WebVTT write it.

    >>> timestamp(3725.5)
    '01:02:05.500'
    """
    minutes, thousandths = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"


_IRREGULAR = {"be": "is", "have": "has", "do": "does", "go": "goes"}
# What a verb needs before the thing that it is about.
_PREPOSITIONS = {"look": "at", "search": "for", "wait": "for", "walk": "to", "talk": "to", "let go": "of"}


def describe_segment(segment: TimelineSegment) -> str:
    """A segment as one would say it: "opens the fridge", or "the fridge" where the verb is not known."""
    return describe(segment.verb, segment.noun) if segment.verb else f"the {noun_phrase(segment.noun or '')}"


def describe(verb: str, noun: str | None = None) -> str:
    """An action as one would say it of somebody: third person, present tense.

    >>> describe("open", "fridge"), describe("turn-on", "tap"), describe("wash", "board:chopping")
    ('opens the fridge', 'turns on the tap', 'washes the chopping board')
    >>> describe("carry"), describe("let-go", "pan")
    ('carries', 'lets go of the pan')
    """
    words = re.sub("[-_]", " ", verb).split() or [verb]
    said = [third_person(words[0]), *words[1:]]
    if noun:
        before = _PREPOSITIONS.get(" ".join(words).lower())
        said += [*([before] if before else []), "the", noun_phrase(noun)]
    return " ".join(said)


def third_person(verb: str) -> str:
    """The form that goes with he, she or it.

    >>> [third_person(v) for v in ("put", "wash", "dry", "spray", "fix", "do", "squeeze")]
    ['puts', 'washes', 'dries', 'sprays', 'fixes', 'does', 'squeezes']
    """
    lower = verb.lower()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if re.search("[^aeiou]y$", lower):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if re.search("(s|x|z|ch|sh|[^aeiou]o)$", lower) else f"{verb}s"


def noun_phrase(noun: str) -> str:
    """A noun in reading order.

    >>> noun_phrase("board:chopping"), noun_phrase("oil_olive")
    ('chopping board', 'oil olive')
    """
    return " ".join(reversed(noun.replace("_", " ").split(":"))).strip()
