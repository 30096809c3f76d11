"""The zip of EPIC-KITCHENS' detection challenge: writing one, and checking anybody's.

"results": {video_id: [{"verb": 3, "noun": 10, "action": "3,10", "score": 0.7, "segment": [1.5, 4.25]}, ...]}
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.epic.facts import NUM_NOUNS, NUM_VERBS
from egoact.core.errors import ArtifactError
from egoact.core.metrics.challenges.challenge import Challenge, read_document, show, write_document
from egoact.core.metrics.detection import Detections

_CHALLENGE: Challenge = "action_detection"
_KEYS = ("verb", "noun", "action", "score", "segment")


@dataclass(frozen=True, eq=False)
class DetectionSubmission:
    """A well-formed submission: supervision levels by name, and what was found."""

    levels: dict[str, int]
    detections: Detections


def write_detections(found: Detections, path: str | Path, *, sls_pt: int, sls_tl: int, sls_td: int) -> None:
    """Write the zip of what was found in all test recordings; it appears under its name only when it is complete.

    The supervision levels are those of pre-training, labels and data, see `epic.SUPERVISION_LEVELS`; one outside 0 to 5
    is a `ValueError`, and so are classes that the challenge does not have.
    """
    for target, classes, count in (("verb", found.verbs, NUM_VERBS), ("noun", found.nouns, NUM_NOUNS)):
        if len(classes) and not 0 <= classes.min() <= classes.max() < count:
            raise ValueError(f"{target}s from {classes.min()} to {classes.max()}; the challenge has 0 to {count - 1}")
    levels = {"sls_pt": sls_pt, "sls_tl": sls_tl, "sls_td": sls_td}
    write_document(Path(path), _json_pieces(found), challenge=_CHALLENGE, levels=levels)


def check_detections(path: str | Path, table: SegmentTable | None = None) -> DetectionSubmission:
    """Read anybody's zip; an `ArtifactError` for the first thing that the challenge would refuse.

    The recordings of `table` must be answered, and no other; None leaves that unchecked.
    """
    path = Path(path)
    results, levels = read_document(path, challenge=_CHALLENGE)
    if not isinstance(results, dict) or not results:
        raise ArtifactError("'results' must be an object: video id -> list of actions, one at least", path=path)
    if table is not None:
        _check_videos(results, table, path)
    return DetectionSubmission(levels, _read_results(results, path))


def _check_videos(results: Mapping[str, Any], table: SegmentTable, path: Path) -> None:
    wanted = set(table.video_ids)
    if missing := sorted(wanted - results.keys()):
        reason = f"no list for '{missing[0]}', one of {len(missing)} missing recordings of {table.path}"
        raise ArtifactError(f"{reason}; where nothing was found, the list is empty", path=path)
    if extra := sorted(results.keys() - wanted):
        reason = f"a list for '{extra[0]}', one of {len(extra)} that are no recordings of {table.path}"
        raise ArtifactError(reason, path=path)


def _read_results(results: Mapping[str, Any], path: Path) -> Detections:
    rows = []
    for video, (video_id, found) in enumerate(results.items()):
        if not isinstance(found, list):
            raise ArtifactError("expected a list of actions", path=path, place=f"recording {video_id}")
        for position, action in enumerate(found):
            try:
                rows.append((video, *_read_action(action)))
            except ValueError as error:
                place = f"recording {video_id}, item {position}"
                raise ArtifactError(str(error), path=path, place=place) from None
    videos, verbs, nouns, scores, starts, stops = zip(*rows, strict=True) if rows else ((),) * 6
    return Detections(
        tuple(results),
        np.array(videos, dtype=np.int64),
        np.array([starts, stops], dtype=np.float64).T,
        np.array(verbs, dtype=np.int64),
        np.array(nouns, dtype=np.int64),
        np.array(scores, dtype=np.float64),
    )


def _read_action(action: Any) -> tuple[int, int, float, float, float]:
    """Verb, noun, score, start and stop of one item; a `ValueError` for anything else."""
    if not isinstance(action, dict) or set(action) != set(_KEYS):
        raise ValueError(f"expected an object with {', '.join(_KEYS)}")
    for target, count in (("verb", NUM_VERBS), ("noun", NUM_NOUNS)):
        if type(action[target]) is not int or not 0 <= action[target] < count:
            raise ValueError(f"{target} is {show(action[target])}; allowed are 0 to {count - 1}")
    verb, noun = action["verb"], action["noun"]
    if action["action"] != f"{verb},{noun}":
        raise ValueError(f'action is {show(action["action"])}; verb and noun make it "{verb},{noun}"')
    score, segment = action["score"], action["segment"]
    if not _is_number(score):
        raise ValueError(f"score is {show(score)}; a finite number is needed")
    if not isinstance(segment, list) or len(segment) != 2 or not all(map(_is_number, segment)):
        raise ValueError(f"segment is {show(segment)}; expected [start, stop] in seconds")
    if not 0 <= segment[0] < segment[1]:
        raise ValueError(f"segment is {show(segment)}; it must begin at 0 or later, and end after that")
    return verb, noun, float(score), float(segment[0]), float(segment[1])


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 and isfinite(value)


def _json_pieces(found: Detections) -> Iterator[str]:
    columns = (found.videos, found.verbs, found.nouns, found.scores, found.spans)
    rows = sorted(zip(*(column.tolist() for column in columns), strict=True), key=lambda row: row[0])
    lists = {video: list(of_video) for video, of_video in groupby(rows, key=lambda row: row[0])}
    yield "{\n"
    for video, video_id in enumerate(found.video_ids):
        items = [
            {"verb": verb, "noun": noun, "action": f"{verb},{noun}", "score": score, "segment": span}
            for _, verb, noun, score, span in lists.get(video, ())
        ]
        yield f"{',' if video else ''}{json.dumps(video_id)}: {json.dumps(items)}\n"
    yield "}"
