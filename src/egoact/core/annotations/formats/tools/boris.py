"""BORIS projects (`.boris`): JSON with observations of media, whose events are state events (in pairs) or point events.

A behaviour is a verb, a modifier a noun, a subject a hand or an annotator, a behavioural category a tier.

Source: BORIS, Friard and Gamba, Methods in Ecology and Evolution 7 (2016), project format 7.0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations, Recording
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.json_text import json_text, load_json
from egoact.core.annotations.formats.syntax.tiers import split_layers
from egoact.core.annotations.formats.words import hand_name, parse_hand, recording_name

FORMAT_VERSION = "7.0"
NO_SUBJECT = "No focal subject"
ANNOTATORS = ("annotator", "observer", "coder")
_STATE = attrgetter("verb", "noun", "hand")
_NOTHING = frozenset({"", "None", "NA"})


def recognise(source: Source) -> bool:
    """Whether it is a project."""
    return source.suffix == ".boris" or (b'"behaviors_conf"' in source.content and b'"observations"' in source.content)


@dataclass(frozen=True)
class Event:
    """One row of an observation, as projects and tabular exports have it; sets of modifiers are separated by "|"."""

    seconds: float
    subject: str
    code: str
    modifiers: str
    comment: str
    place: str
    category: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What start and stop of a state have in common."""
        return self.subject, self.code, self.modifiers


MediaFiles = Sequence[tuple[str, float | None]]
"""Files that play one after another: at least one, each with its length in seconds as far as it is known."""


def read(reading: Reading) -> None:
    """All observations of a project."""
    project = load_json(reading.source)
    if not isinstance(project, dict) or not isinstance(project.get("observations"), dict):
        raise reading.source.error("no observations; this is not a BORIS project")
    behaviours = [b for b in _values(project.get("behaviors_conf")) if isinstance(b, dict)]
    states = {str(b.get("code")): "state" in str(b.get("type", "")).casefold() for b in behaviours}
    categories = {str(b.get("code")): str(b.get("category") or "") for b in behaviours}
    for name, observation in project["observations"].items():
        with reading.row(f"observation '{name}'"):
            _read_observation(reading, name, observation, states, categories)


def _values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _read_observation(
    reading: Reading, name: str, observation: dict[str, Any], states: dict[str, bool], categories: dict[str, str]
) -> None:
    media = _media_files(reading, name, observation)
    if offset := float(observation.get("time offset") or 0):
        reading.remark(
            f"observation '{name}' has a time offset of {offset:g} s; times are taken as they stand, "
            "and --media-offset moves them"
        )
    variables = observation.get("independent_variables") or {}
    annotator = next((str(who) for key in ANNOTATORS if (who := variables.get(key))), "")
    open_states: dict[tuple[str, str, str], Event] = {}
    for event in sorted(_events(reading, name, observation, categories), key=lambda event: event.seconds):
        if event.code not in states:
            reading.remark(f"behaviour '{event.code}' is not in the ethogram; its events are taken as point events")
        if not states.get(event.code, False):
            add_event(reading, event, event, media, annotator=annotator)
        elif (start := open_states.pop(event.key, None)) is None:
            open_states[event.key] = event
        else:
            add_event(reading, start, event, media, annotator=annotator)
    for event in open_states.values():
        tell_unpaired(reading, event)


def _events(reading: Reading, name: str, observation: dict[str, Any], categories: dict[str, str]) -> Iterator[Event]:
    for number, fields in enumerate(observation.get("events", ()), 1):
        place = f"observation '{name}', event {number}"
        try:
            seconds, code = float(fields[0]), str(fields[2])
            subject, modifiers, comment = (str(field or "") for field in (fields[1], fields[3], fields[4]))
            yield Event(seconds, subject, code, modifiers, comment, place, categories.get(code, ""))
        except (ValueError, TypeError, IndexError, KeyError):
            reading.problem(place, "not an event of BORIS: time, subject, behaviour, modifiers, comment")


def _media_files(reading: Reading, name: str, observation: dict[str, Any]) -> MediaFiles:
    players = observation.get("file")
    players = players if isinstance(players, dict) else {}
    files = [str(file) for file in players.get("1") or () if file]
    info = observation.get("media_info") or {}
    told, rates = info.get("length") or {}, info.get("fps") or {}
    if files and any(more for key, more in players.items() if key != "1"):
        reading.remark(f"observation '{name}' shows several media at once; its events are those of {files[0]}")
    lengths = [None if (length := told.get(file)) is None else float(length) for file in files]
    for file, length in zip(files, lengths, strict=True):
        reading.know(Recording(recording_name(file), file, float(rates[file]) if rates.get(file) else None, length))
    return list(zip(files, lengths, strict=True)) or [(name, None)]


def tell_unpaired(reading: Reading, event: Event) -> None:
    """A state event that begins and never ends."""
    reading.problem(event.place, f"'{event.code}' starts at {event.seconds:g} s and never stops")


def add_event(reading: Reading, start: Event, stop: Event, media: MediaFiles, *, annotator: str) -> None:
    """A pair of events, or twice the same point event, as one annotation in each file that it is in."""
    words = [word.strip() for word in start.modifiers.split("|") if word.strip() not in _NOTHING]
    noun, *others = [word for word in words if not parse_hand(word)] or [""]
    who = "" if start.subject == NO_SUBJECT else start.subject
    hand = next((found for word in (who, *words) if (found := parse_hand(word))), "")
    who = "" if parse_hand(who) else who
    notes = [start.comment, stop.comment if stop.comment != start.comment else "", " | ".join(others)]
    notes += [f"subject={who}"] if who and annotator and who != annotator else []
    for file, begins, ends in _places(media, start.seconds, stop.seconds):
        reading.add(
            place=start.place,
            recording=recording_name(file),
            start_seconds=begins,
            stop_seconds=ends,
            verb=start.code,
            noun=noun,
            hand=hand,
            note=" | ".join(filter(None, notes)),
            annotator=annotator or who,
            tier=start.category,
        )


def _places(media: MediaFiles, start_seconds: float, stop_seconds: float) -> Iterator[tuple[str, float, float]]:
    """The file, start and stop in it; a stretch over the end of a file is one in each.

    observation   0 ........ 180 ........ 540 s
    files         |-- a.mp4 --|-- b.mp4 ---|
    """
    begins = 0.0
    for name, length in media[:-1]:
        if length is None:
            raise ValueError(f"the length of {name} is not known, so neither is what is in the files after it")
        ends = begins + length
        if begins <= start_seconds < ends or start_seconds < begins < stop_seconds:
            yield name, max(start_seconds, begins) - begins, min(stop_seconds, ends) - begins
        begins = ends
        if start_seconds < ends and stop_seconds <= ends:
            return
    if begins <= start_seconds or begins < stop_seconds:
        yield media[-1][0], max(start_seconds, begins) - begins, stop_seconds - begins


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """A project with an observation a recording and annotator; of states that overlap themselves, with one more."""
    points = {item.verb for item in annotations if item.is_point} - {i.verb for i in annotations if not i.is_point}
    observations: dict[str, Any] = {}
    for name, items in annotations.by_recording().items():
        for annotator in dict.fromkeys(item.annotator for item in items) if len(items) else ("",):
            mine = [item for item in items if item.annotator == annotator]
            for number, layer in enumerate(split_layers(mine, _STATE) or [[]], 1):
                title = name + (f" ({annotator})" if annotator else "") + (f" #{number}" if number > 1 else "")
                observations[title] = _observation(annotations.recording(name), layer, annotator, points)
    project = {
        "time_format": "hh:mm:ss",
        "project_date": "",
        "project_name": "egoact",
        "project_description": "",
        "project_format_version": FORMAT_VERSION,
        "subjects_conf": {
            str(n): {"key": "", "name": hand_name(hand), "description": ""}
            for n, hand in enumerate(sorted({item.hand for item in annotations if item.hand}))
        },
        "behaviors_conf": _ethogram(annotations, points),
        "observations": observations,
        "behavioral_categories": sorted({item.tier for item in annotations if item.tier}),
        "independent_variables": {
            "0": {"label": "annotator", "description": "", "type": "text", "default value": "", "possible values": ""}
        },
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    tell_of_characters(annotations, losses)
    category = {item.verb: item.tier for item in reversed(annotations.items)}
    changed = sum(category[item.verb] != item.tier for item in annotations)
    losses.tell("tiers of {} cannot be kept: a behaviour of BORIS has one category", changed)
    return json_text(project)


def tell_of_characters(annotations: Annotations, losses: Losses) -> None:
    """Nouns with the character that separates modifiers, or that look like a hand."""
    unsafe = [item for item in annotations if "|" in item.noun or item.noun in _NOTHING - {""} or parse_hand(item.noun)]
    if unsafe:
        example = unsafe[0].noun
        losses.tell(f"nouns of {{}}, such as '{example}', mean something else in BORIS", len(unsafe))


def _observation(recording: Recording, items: Sequence[Annotation], annotator: str, points: set[str]) -> dict[str, Any]:
    file = recording.media_name
    events: list[list[Any]] = []
    for item in items:
        subject = hand_name(item.hand)
        for seconds in [item.start_seconds] if item.verb in points else [item.start_seconds, item.stop_seconds]:
            comment = item.note if seconds == item.start_seconds else ""
            events.append([round(seconds, 3), subject, item.verb or item.label, item.noun, comment])
    info: dict[str, Any] = {"offset": {"1": 0.0}, "hasVideo": {file: True}, "hasAudio": {file: False}}
    info["length"] = {} if recording.duration_seconds is None else {file: recording.duration_seconds}
    info["fps"] = {} if recording.fps is None else {file: recording.fps}
    return {
        "file": {"1": [file]},
        "type": "MEDIA",
        "date": "1970-01-01T00:00:00",
        "description": "",
        "time offset": 0.0,
        "events": sorted(events, key=lambda event: event[0]),
        "independent_variables": {"annotator": annotator},
        "close_behaviors_between_videos": False,
        "media_info": info,
    }


def _ethogram(annotations: Annotations, points: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_verb: dict[str, list[Annotation]] = {}
    for item in annotations:
        by_verb.setdefault(item.verb or item.label, []).append(item)
    for verb, mine in sorted(by_verb.items()):
        nouns = sorted({item.noun for item in mine if item.noun})
        found[str(len(found))] = {
            "type": "Point event" if verb in points else "State event",
            "key": "",
            "code": verb,
            "description": "",
            "color": "",
            "category": mine[0].tier,
            "modifiers": {"0": {"name": "noun", "type": 0, "values": nouns}} if nouns else {},
            "excluded": "",
            "coding map": "",
        }
    return found
