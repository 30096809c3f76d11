"""Timelines as their owners left them: where `timeline.csv` was corrected, it counts, and not `timeline.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from egoact.core.bounds import load_json
from egoact.core.errors import AnnotationError
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.statistics import check_hands
from egoact.core.timelines.timeline import Timeline
from egoact.timelines.output import CSV_NAME, JSON_NAME, PROXY_NAME, is_as_written


@dataclass(frozen=True)
class FoundTimeline:
    """A timeline on disk, and what its `timeline.json` tells beside the actions."""

    timeline: Timeline
    path: Path  # the file that the actions were read from
    video: Path | None = None  # the recording, where that file is known and there
    playable: Path | None = None  # a copy of it that browsers play, where there is one
    is_corrected: bool = False  # the actions are those of a `timeline.csv` that was edited
    told: Mapping[str, Any] = field(default_factory=dict)  # other values of `timeline.json`: origin, broken
    hands: Mapping[str, Any] | None = None  # measures of each hand


def find_timelines(path: Path) -> dict[str, FoundTimeline]:
    """The timelines of a file (a CSV may hold several), or of a folder at any depth.

    In a folder a `timeline.csv` that was edited since `egoact predict` wrote it counts for its recording. A CSV takes
    the duration, the video and the hands of its recording from the `timeline.json` beside it; actions that were added
    after the end make the recording longer. A `timeline.csv` of which only the heading is left is a recording without
    actions.

    Returns:
        video_id -> timeline, sorted; an `AnnotationError` for none, one that is damaged, two of the same video, or a
        `timeline.json` and a `timeline.csv` that differ without a sign of which is right.
    """
    files = [path]
    if path.is_dir():
        folders = sorted({file.parent for name in (JSON_NAME, CSV_NAME) for file in path.rglob(name)})
        files = [_choose(folder) for folder in folders]
        if not files:
            raise AnnotationError(f"no {JSON_NAME} or {CSV_NAME} in this folder; egoact predict writes them", path=path)
    found: dict[str, FoundTimeline] = {}
    for file in files:
        for video_id, timeline in _read(file).items():
            if video_id in found:
                raise AnnotationError(f"a second timeline of '{video_id}', beside {found[video_id].path}", path=file)
            found[video_id] = _complete(timeline, file)
    return dict(sorted(found.items()))


def _choose(folder: Path) -> Path:
    """The file of a folder that tells what its owner means."""
    from_json, from_csv = folder / JSON_NAME, folder / CSV_NAME
    if not (from_json.exists() and from_csv.exists()):
        return from_json if from_json.exists() else from_csv
    if is_as_written(from_csv):
        return from_json
    if is_as_written(from_json):
        return from_csv
    if _say_the_same(from_json, from_csv):
        return from_json
    reason = f"its actions are not those of {JSON_NAME} beside it, and both may have been edited; name one of the two"
    raise AnnotationError(reason, path=from_csv)


def _say_the_same(from_json: Path, from_csv: Path) -> bool:
    one, other = (
        {
            (v, *(round(1000 * t) for t in s.span), s.verb, s.noun)
            for v, timeline in _read(path).items()
            for s in timeline
        }
        for path in (from_json, from_csv)
    )
    return one == other


def _read(file: Path) -> dict[str, Timeline]:
    """As `read_timelines`; a `timeline.csv` whose actions were all deleted is of the recording named beside it."""
    beside = file.with_name(JSON_NAME)
    if file.name == CSV_NAME and beside.is_file() and _is_heading(file):
        return {video_id: Timeline(video_id, ()) for video_id in read_timelines(beside)}
    return read_timelines(file)


def _is_heading(file: Path) -> bool:
    """Whether a CSV file has a heading and no row, or rows of empty cells alone."""
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    told = [line for line in lines if line.strip(' \t,;"')]
    return len(told) == 1 and "video" in told[0].lower()


def _complete(timeline: Timeline, file: Path) -> FoundTimeline:
    """Add what the `timeline.json` of the same recording knows."""
    source = file if file.suffix.lower() == ".json" else file.with_name(JSON_NAME)
    told = _read_told(source, timeline.video_id)
    if told is None:
        return FoundTimeline(timeline, file)
    duration, video, hands = told.get("duration_seconds"), told.get("video_path"), told.get("hands")
    recording = source.parent / video if isinstance(video, str) else None
    proxy = source.with_name(PROXY_NAME)
    try:
        hands = None if hands is None else check_hands(hands)
        if timeline.duration_seconds is None and duration is not None:
            timeline = replace(timeline, duration_seconds=max(float(duration), timeline.last_stop_seconds))
    except (ValueError, TypeError, AttributeError) as error:
        raise AnnotationError(str(error), path=source) from None
    return FoundTimeline(
        timeline,
        file,
        video=recording if recording is not None and recording.is_file() else None,
        playable=proxy if proxy.is_file() else None,
        is_corrected=source != file and not is_as_written(file),
        told=told,
        hands=hands,
    )


def _read_told(source: Path, video_id: str) -> dict[str, Any] | None:
    """The values of a `timeline.json`, if it is of this video."""
    if not source.is_file():
        return None
    try:
        values = load_json(source)
    except (OSError, ValueError) as error:
        raise AnnotationError(f"not a timeline that can be read ({error})", path=source) from None
    return values if isinstance(values, dict) and values.get("video_id") == video_id else None
