"""The pages of `egoact predict`: reads the timelines that the stage wrote, writes `timeline.html` beside each.

A folder of recordings also gets `index.html`, which sums them up.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from egoact.core.errors import ArtifactError
from egoact.report.page import fill_template, write_page

JSON_NAME, PAGE_NAME, SUMMARY_NAME, INDEX_NAME = "timeline.json", "timeline.html", "summary.json", "index.html"
_MOST_NAMED = 3


class PredictSettings(Protocol):
    """Settings that say what was predicted, and where to."""

    @property
    def video(self) -> Path:
        """The video file or folder."""

    @property
    def out(self) -> Path:
        """The folder that `egoact predict` wrote."""


def write_report(settings: PredictSettings) -> None:
    """Write the page of every timeline, and for a folder the page that sums them up.

    Raises:
        ArtifactError: A file that is missing or damaged.
    """
    if not settings.video.is_dir():
        print(f"see {write_timeline_page(settings.out)}")
        return
    rows = read_json(settings.out / SUMMARY_NAME)["recordings"]
    for row in rows:
        if "failed" not in row:
            write_timeline_page(settings.out / row["folder"])
    print(f"see {write_summary_page(settings.out, rows)}")


def write_timeline_page(folder: Path) -> Path:
    """Write `timeline.html` beside a `timeline.json`.

    Raises:
        ArtifactError: The timeline is missing or damaged.
    """
    timeline = read_json(folder / JSON_NAME)
    origin = timeline["origin"]
    page = fill_template(
        "timeline",
        timeline=timeline,
        summary=f"{_count(timeline['segments'])} in {minutes(timeline['duration_seconds'])}",
        link=quote(timeline["video_path"]),
        origin=f"Head {origin['head']} on {origin['backbone']}, {origin['steps_per_second']} pictures a second, "
        f"background {origin['background']}. "
        + ("" if origin["calibrated"] else "Confidence is not calibrated: the run had no validation data. "),
        script=(Path(__file__).parent / "templates" / "timeline.js").read_text(encoding="utf-8"),
    )
    write_page(folder / PAGE_NAME, page)
    return folder / PAGE_NAME


def write_summary_page(out: Path, rows: list[dict[str, Any]]) -> Path:
    """Write `index.html`: one row a recording, with a link to its page."""
    shown, totals = [], Counter[str]()
    for row in rows:
        segments = [] if "failed" in row else read_json(out / row["folder"] / JSON_NAME)["segments"]
        names = Counter(action_name(segment) for segment in segments)
        totals += names
        shown.append(
            {
                "name": row["video"],
                "link": None if "failed" in row else quote(f"{row['folder']}/{PAGE_NAME}"),
                "length": minutes(row.get("seconds", 0.0)),
                "count": len(segments),
                "often": ", ".join(f"{name} ({count})" for name, count in names.most_common(_MOST_NAMED)),
                "problem": row.get("failed") or row.get("broken") or "",
            }
        )
    actions = [[name, count] for name, count in totals.most_common()]
    page = fill_template("timelines", rows=shown, actions=actions, num_problems=sum(bool(r["problem"]) for r in shown))
    write_page(out / INDEX_NAME, page)
    return out / INDEX_NAME


def action_name(segment: dict[str, Any]) -> str:
    """Verb and noun, as far as they are known."""
    return " ".join(segment[target] for target in ("verb", "noun") if segment.get(target))


def minutes(seconds: float) -> str:
    """A length of video for people.

    >>> minutes(75.04)
    '1:15'
    """
    whole = round(seconds)
    hours = f"{whole // 3600}:{whole % 3600 // 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{hours}:{whole % 60:02d}"


def read_json(path: Path) -> Any:
    """What a stage wrote.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError("no such file; run egoact predict", path=path) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot be read ({error})", path=path) from None


def _count(segments: list[Any]) -> str:
    return f"{len(segments)} action{'' if len(segments) == 1 else 's'}"
