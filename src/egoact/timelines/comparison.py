"""`egoact compare --timelines`: two recordings, or two sets of recordings, of the same person."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from egoact.core.bounds import some
from egoact.core.errors import AnnotationError
from egoact.core.files import check_folder, make_folder, write_csv, write_json
from egoact.core.timelines.comparing.comparison import compare_timelines
from egoact.core.timelines.comparing.resampling import Side
from egoact.timelines.corrections import FoundTimeline, find_timelines
from egoact.timelines.output import relative_path

_SIDES, _DIFFERENCES = ("first", "second"), ("value", "low", "high", "p", "p_holm")
_MEASURES = ("per_hour", "mean_seconds")
_COLUMNS = (
    *("kind", "name", "verb", "noun", "changes", "confirmed", "count_first", "count_second"),
    *(f"{m}_{what}" for m in _MEASURES for what in (*_SIDES, "difference", *_DIFFERENCES[1:])),
    *("share_of_time_first", "share_of_time_second"),
)


def compare_timeline_files(
    first: Path, second: Path, *, out: Path, json_name: str, table_name: str, num_draws: int, seed: int
) -> dict[str, Any]:
    """Write the comparison as JSON, with where to find the footage, and as a table; gives what the JSON holds.

    What is compared, and with what, is a timeline or a folder of them.

    Raises:
        AnnotationError: Timelines that are damaged, without actions, or without an action in common; one that is on
            both sides.
        ArtifactError: `out` is a file.
    """
    check_folder(out)
    found = [list(find_timelines(path).values()) for path in (first, second)]
    theirs = {one.path.resolve() for one in found[0]}
    for one in found[1]:
        if one.path.resolve() in theirs:
            raise AnnotationError(f"this timeline is in {first} and in {second}; it belongs to one side", path=one.path)
    sides = [_side(path, of_side) for path, of_side in zip((first, second), found, strict=True)]
    try:
        compared = compare_timelines(*sides, num_draws=num_draws, seed=seed)
    except ValueError as error:
        names_first, names_second = (some(sorted({s.name for t in side.timelines for s in t})) for side in sides)
        raise AnnotationError(f"{error}: here are {names_second}, and in {first} {names_first}", path=second) from None
    make_folder(out)
    for part, path, of_side in zip(compared["sides"], (first, second), found, strict=True):
        part |= {"path": str(path), "recordings": [_recording(one, out) for one in of_side]}
    write_json(out / json_name, {"timelines": compared})
    write_csv(out / table_name, [_COLUMNS, *_rows(compared)])
    return compared


def _side(path: Path, found: list[FoundTimeline]) -> Side:
    try:
        return Side([one.timeline for one in found], [one.hands for one in found])
    except ValueError as error:
        raise AnnotationError(str(error), path=path) from None


def _recording(one: FoundTimeline, out: Path) -> dict[str, Any]:
    """What the page needs to name a recording and play it."""
    footage = one.playable or one.video
    return {
        "video_id": one.timeline.video_id,
        "footage": None if footage is None else relative_path(footage, out),
        "corrected": one.is_corrected or bool((one.told.get("origin") or {}).get("corrected")),
    }


def _rows(compared: dict[str, Any]) -> Iterable[list[Any]]:
    every = {"all": [compared["all"]]} | {kind: compared[f"{kind}s"] for kind in ("action", "verb", "noun")}
    for kind, rows in every.items():
        for row in rows:
            a, b = row["sides"]
            values = [kind, row["name"], row["verb"], row["noun"]]
            values += ["; ".join(row["changes"]), "; ".join(row["confirmed"]), a["count"], b["count"]]
            for measure in _MEASURES:
                part = row["difference"].get(measure, {})
                values += [a[measure], b[measure], *(part.get(key) for key in _DIFFERENCES)]
            values += [a["share_of_time"], b["share_of_time"]]
            yield [round(value, 4) if isinstance(value, float) else value for value in values]
