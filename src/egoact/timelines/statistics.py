"""`egoact stats --timeline`: the statistics of timelines computed anew, and what their pages are drawn from."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import TARGETS
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import check_folder, csv_text, make_folder, write_json
from egoact.core.timelines.statistics import COLUMNS, compute_statistics, statistics_rows
from egoact.media.recording import estimate_steps
from egoact.media.sources import MediaRoot
from egoact.timelines.corrections import FoundTimeline
from egoact.timelines.output import (
    JSON_NAME,
    STATISTICS_NAME,
    SUMMARY_NAME,
    check_not_edited,
    relative_path,
    write_files,
    write_playable,
)

_STEPS_PER_SECOND = 1000


def write_statistics(
    found: Mapping[str, FoundTimeline], out: Path, *, repetition_gap_seconds: float, proxy: bool = True
) -> None:
    """`timeline.json` of each recording, `statistics.csv` of all, and `summary.json`, which lists the recordings.

    One recording goes into `out` itself, several into a folder each; `proxy` writes `timeline.mp4` for those that
    browsers do not play, where there is no such copy yet.

    Raises:
        ArtifactError: A folder that a timeline was read from, a file that was edited, or `out` is a file.
        ValueError: A gap below 0.
    """
    check_folder(out)
    places = {"": out} if len(found) == 1 else {name: out / name for name in _name_folders(found)}
    sources = {one.path.resolve().parent for one in found.values()}
    for folder in (out, *places.values()):
        if folder.resolve() in sources:
            raise ArtifactError("a timeline is read from here; give another --out", path=folder)
        check_not_edited(folder)
    rows, recordings = [], []
    for (name, folder), (video_id, one) in zip(places.items(), found.items(), strict=True):
        statistics = compute_statistics(one.timeline, repetition_gap_seconds=repetition_gap_seconds)
        rows += statistics_rows(video_id, statistics, hands=one.hands)
        make_folder(folder)
        values = _describe(one, folder) | {"statistics": statistics}
        write_files({JSON_NAME: json.dumps(values, indent=2, ensure_ascii=False) + "\n"}, folder)
        if proxy and one.video is not None and one.playable is None:
            try:
                write_playable(one.video, folder)
            except (OSError, ValueError) as error:
                print(f"stats: {one.video}: no copy for browsers ({error})", file=sys.stderr)
        recordings.append(
            {
                "folder": name,
                "video": video_id if one.video is None else one.video.name,
                "video_id": video_id,
                "seconds": one.timeline.duration_seconds,
                "num_actions": len(one.timeline),
                "broken": one.told.get("broken"),
            }
        )
    write_files({STATISTICS_NAME: csv_text([COLUMNS, *rows])}, out)
    write_json(out / SUMMARY_NAME, {"recordings": recordings})


def find_recordings(found: Mapping[str, FoundTimeline], media: MediaRoot) -> tuple[dict[str, FoundTimeline], int]:
    """The same timelines, with the recordings of these folders, and their durations where they are not known.

    A recording that cannot be found or opened is told on standard error, and its timeline left as it was; the number
    of these is given, too.
    """
    completed, num_missing = dict(found), 0
    for video_id, one in found.items():
        try:
            source = media.find(video_id)
            timeline = one.timeline
            if timeline.duration_seconds is None:
                num_steps = estimate_steps(source, rate=_STEPS_PER_SECOND)
                seconds = None if num_steps is None else max(num_steps / _STEPS_PER_SECOND, timeline.last_stop_seconds)
                timeline = replace(timeline, duration_seconds=seconds)
        except MediaError as error:
            print(f"stats: {error}", file=sys.stderr)
            num_missing += 1
        else:
            completed[video_id] = replace(one, timeline=timeline, video=None if source.is_stills else source.path)
    return completed, num_missing


def _name_folders(video_ids: Mapping[str, Any]) -> Iterator[str]:
    """A folder's name for each recording, whatever it is called, below the folder that is written."""
    taken: set[str] = set()
    for video_id in video_ids:
        name = plain = re.sub(r"[^\w.-]+", "_", video_id).strip(".") or "recording"
        number = 2
        while name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.lower())
        yield name


def _describe(one: FoundTimeline, folder: Path) -> dict[str, Any]:
    """The values of `timeline.json`, but for the statistics."""
    targets = [target for target in TARGETS if any(segment.label(target) for segment in one.timeline)]
    origin = dict(one.told.get("origin") or {})
    origin |= {"statistics_by": version("egoact"), "read_from": relative_path(one.path, folder)}
    values = one.timeline.to_dict() | {
        "video_path": None if one.video is None else relative_path(one.video, folder),
        "playable_path": None if one.playable is None else relative_path(one.playable, folder),
        "broken": one.told.get("broken"),
        "targets": targets or one.told.get("targets") or ["verb"],
        "origin": origin | {"corrected": one.is_corrected},
    }
    return values if one.hands is None else values | {"hands": dict(one.hands)}
