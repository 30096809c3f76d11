"""Timelines on disk: `timeline.json`, `timeline.csv` (a segments CSV with a column confidence), or folders of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.parsing import parse_decimal_comma, show
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from egoact.core.annotations.spreadsheet import read_spreadsheet
from egoact.core.bounds import load_json
from egoact.core.errors import AnnotationError
from egoact.core.timelines.timeline import Timeline, TimelineSegment

JSON_NAME = "timeline.json"
CSV_NAME = "timeline.csv"


def read_timelines(path: str | Path) -> dict[str, Timeline]:
    """The timelines of a file, or of all `timeline.json` of a folder, at any depth (or, without any, `timeline.csv`).

    Returns:
        video_id -> timeline.

    Raises:
        AnnotationError: No timeline there, one that is damaged, or two of the same video.
    """
    path = Path(path)
    files = [path]
    if path.is_dir():
        files = sorted(path.rglob(JSON_NAME)) or sorted(path.rglob(CSV_NAME))
        if not files:
            raise AnnotationError(f"no {JSON_NAME} or {CSV_NAME} in this folder; egoact predict writes them", path=path)
    found: dict[str, Timeline] = {}
    for file in files:
        for timeline in _read_json(file) if file.suffix.lower() == ".json" else _read_csv(file):
            if timeline.video_id in found:
                raise AnnotationError(f"a second timeline of the video '{timeline.video_id}'", path=file)
            found[timeline.video_id] = timeline
    return found


def _read_json(path: Path) -> list[Timeline]:
    try:
        return [Timeline.from_dict(load_json(path))]
    except FileNotFoundError:
        raise AnnotationError("no such file", path=path) from None
    except (OSError, ValueError, AttributeError) as error:
        raise AnnotationError(f"not a timeline that can be read ({error})", path=path) from None


def _read_csv(path: Path) -> Iterable[Timeline]:
    table, sheet = read_segments(path), read_spreadsheet(path)
    confidences = sheet.convert("confidence", _parse_share) if "confidence" in sheet else [1.0] * len(table)
    return timelines_of(table, confidences=confidences).values()


def timelines_of(
    table: SegmentTable,
    *,
    confidences: Sequence[float] = (),
    names: Callable[[int, Segment], tuple[str | None, str | None]] | None = None,
) -> dict[str, Timeline]:
    """Labelled segments as timelines, one a video; a segment without a label is an `AnnotationError`.

    Confidences are 1 unless given; `names` gives those of verb and noun, by default the words of the CSV.
    """
    of_video: dict[str, list[TimelineSegment]] = {}
    for position, segment in enumerate(table):
        verb, noun = (segment.verb, segment.noun) if names is None else names(position, segment)
        times = (segment.start_seconds, segment.stop_seconds)
        try:
            made = TimelineSegment(*times, verb, noun, confidences[position] if confidences else 1.0)
        except ValueError as error:
            raise AnnotationError(str(error), path=table.path, place=table.place(position)) from None
        of_video.setdefault(segment.video_id, []).append(made)
    return {
        video: Timeline(video, tuple(sorted(segments, key=lambda segment: segment.start_seconds)))
        for video, segments in of_video.items()
    }


def with_class_names(timeline: Timeline, vocabularies: Mapping[Target, Vocabulary]) -> Timeline:
    """The same timeline, with words replaced by the names of their classes."""

    def name(target: Target, word: str | None) -> str | None:
        return vocabularies[target].class_name(word) if word is not None and target in vocabularies else word

    segments = tuple(replace(s, verb=name("verb", s.verb), noun=name("noun", s.noun)) for s in timeline)
    return replace(timeline, segments=segments)


def _parse_share(text: str) -> float:
    value = parse_decimal_comma(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{show(text)} is not between 0 and 1")
    return value
