"""The pages of `egoact predict` and `egoact stats --timeline`: reads the timelines that these wrote.

Each timeline gets `timeline.html` beside it; a folder of recordings also gets `index.html`, which sums them up.
"""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from egoact.core.files import read_json
from egoact.report.figures import colour_of
from egoact.report.page import DASH, read_scripts, write_page, written_by

JSON_NAME, PAGE_NAME, PROXY_NAME = "timeline.json", "timeline.html", "timeline.mp4"
_MOST_NAMED = 3
_HANDS = (
    ("Share of time in interaction", "share_of_time", lambda value: f"{100 * value:.1f} %"),
    ("Mean duration, s", "mean_duration_seconds", lambda value: f"{value:.1f}"),
    ("Interactions an hour", "interactions_per_hour", lambda value: f"{value:.1f}"),
    ("Interactions", "num_interactions", lambda value: f"{value:.0f}"),
)


def write_report(settings: Any) -> None:
    """Write the page of each timeline in `settings.out`, and of several recordings one that sums them up."""
    if settings.video is not None and not settings.video.is_dir():
        print(f"see {write_timeline_page(settings.out)}")
        return
    path = settings.out / "summary.json"
    found = read_json(path)
    with written_by("predict", path):
        for recording in found["recordings"]:
            if "failed" not in recording:
                write_timeline_page(settings.out / recording["folder"])
        print(f"see {write_summary_page(settings.out, found['recordings'])}")


def write_statistics_pages(out: Path) -> None:
    """Write the page of each timeline that `egoact stats` wrote, and of several one that sums them up."""
    path = out / "summary.json"
    recordings = read_json(path)["recordings"]
    with written_by("stats --timeline", path):
        pages = [write_timeline_page(out / recording["folder"]) for recording in recordings]
        print(f"see {pages[0] if len(pages) == 1 else write_summary_page(out, recordings)}")


def write_timeline_page(folder: Path) -> Path:
    """Write `timeline.html` beside a `timeline.json`; gives its path."""
    timeline = read_json(folder / JSON_NAME)
    origin = timeline.get("origin") or {}
    with written_by("predict", folder / JSON_NAME):
        playable = PROXY_NAME if (folder / PROXY_NAME).exists() else timeline.get("playable_path")
        footage = playable or timeline["video_path"]
        names = {segment[target] for segment in timeline["segments"] for target in timeline["targets"]}
        return write_page(
            folder / PAGE_NAME,
            "timeline",
            timeline=timeline,
            length=minutes(timeline["duration_seconds"]),
            link=None if footage is None else quote(footage),
            colours={name: colour_of(name) for name in names if name is not None},
            origin=_describe_origin(origin),
            hands=_describe_hands(timeline.get("hands"), is_corrected=origin.get("corrected", False)),
            script=read_scripts("clips", "timeline", "statistics"),
        )


def _describe_hands(hands: dict[str, Any] | None, *, is_corrected: bool) -> dict[str, Any] | None:
    """Rows of a table (measure, left, right), and a text; actions may have been corrected after they were measured."""
    if hands is None:
        return None
    rows = []
    for title, key, form in _HANDS:
        values = [hands[side][key] for side in ("left", "right")]
        rows.append([title, *(DASH if value is None else form(value) for value in values)])
    ratio, missed = hands["hand_use_ratio"], hands["steps_without_hands_share"]
    text = f"Hand-use ratio {DASH if ratio is None else f'{ratio:.2f}'}"
    text += "." if missed is None else f"; no hand was found in {100 * missed:.1f} % of the pictures."
    text += " Measured before the actions were corrected." if is_corrected else ""
    return {"rows": rows, "text": text}


def _describe_origin(origin: dict[str, Any]) -> str:
    """How a timeline was made, as far as it says."""
    said = []
    if "read_from" in origin:
        said.append(f"{'Corrected by hand' if origin.get('corrected') else 'Read from'}: {origin['read_from']}.")
    parts = {"head": "head {}", "backbone": "backbone {}", "steps_per_second": "{} pictures a second"}
    made = [words.format(origin[key]) for key, words in parts.items() if key in origin]
    if made:
        text = ", ".join(made)
        said.append(f"{text[0].upper()}{text[1:]}.")
    if origin.get("calibrated") is False:
        said.append("Confidence is not calibrated: there was too little to learn it from.")
    return " ".join(said)


def write_summary_page(out: Path, recordings: list[dict[str, Any]]) -> Path:
    """Write `index.html`: one row a recording, with a link to its page; gives its path."""
    rows, totals = [], Counter[str]()
    for recording in recordings:
        folder = None if "failed" in recording else recording["folder"]
        segments = [] if folder is None else read_json(out / folder / JSON_NAME)["segments"]
        names = Counter(" ".join(s[target] for target in ("verb", "noun") if s.get(target)) for s in segments)
        totals += names
        rows.append(
            {
                "name": recording["video"],
                "link": None if folder is None else quote(f"{folder}/{PAGE_NAME}"),
                "length": minutes(recording.get("seconds", 0.0)) or DASH,
                "count": len(segments),
                "often": ", ".join(f"{name} ({count})" for name, count in names.most_common(_MOST_NAMED)),
                "problem": recording.get("failed") or recording.get("broken") or "",
            }
        )
    num_problems = sum(bool(row["problem"]) for row in rows)
    return write_page(
        out / "index.html", "timelines", rows=rows, actions=totals.most_common(), num_problems=num_problems
    )


def minutes(seconds: float | None) -> str:
    """A length of video for people; nothing where it is not known.

    >>> minutes(75.04)
    '1:15'
    """
    if seconds is None:
        return ""
    whole = round(seconds)
    hours = f"{whole // 3600}:{whole % 3600 // 60:02d}" if whole >= 3600 else str(whole // 60)
    return f"{hours}:{whole % 60:02d}"
