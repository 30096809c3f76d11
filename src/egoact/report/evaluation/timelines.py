"""The page of `egoact evaluate --timeline`: the measures, and every recording's actions under the true ones."""

from collections import Counter
from pathlib import Path
from typing import Any

from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import TARGETS
from egoact.core.timelines.timeline import Timeline
from egoact.report.figures import colour_of
from egoact.report.page import write_page, written_by

_MOST_NAMED = 12
_OTHER = "#9aa1a9"  # classes beyond these


def write_timeline_report(out: Path) -> Path:
    """Write `report.html` from the metrics.json and timelines.json of a folder; gives its path."""
    metrics, compared = (read_json(out / name) for name in ("metrics.json", "timelines.json"))
    with written_by("evaluate --timeline", out):
        videos = {
            video: {side: Timeline.from_dict(values[side]) for side in ("truth", "predicted")}
            for video, values in compared["videos"].items()
        }
        targets = [target for target in TARGETS if target in metrics]
        return write_page(
            out / "report.html",
            "timeline_evaluation",
            model=compared["model"],
            segments=compared["segments"],
            metrics=metrics,
            rows=[_row(metrics, target) for target in targets],
            parts=[_part(videos, target) for target in targets if target != "action"],
        )


def _row(metrics: dict[str, Any], target: str) -> list[str]:
    part = metrics[target]
    background = metrics["baselines"]["background"][target]["frame_accuracy"]
    precision = (part["map"][overlap] for overlap in ("0.1", "0.5", "mean"))
    numbers = [part["frame_accuracy"], background, part["edit"], *part["f1"].values(), *precision]
    return [target, *(f"{number:.1f}" for number in numbers)]


def _part(videos: dict[str, dict[str, Timeline]], target: str) -> dict[str, Any]:
    """The strips of one target: the most frequent true classes have colours of their own."""
    counts = Counter(getattr(segment, target) for sides in videos.values() for segment in sides["truth"])
    counts.pop(None, None)
    colours = {name: colour_of(name) for name, _ in counts.most_common(_MOST_NAMED)}
    return {
        "target": target,
        "colours": colours,
        "has_others": len(counts) > len(colours),
        "other": _OTHER,
        "videos": [{"name": video, "sides": _strips(sides, target, colours)} for video, sides in videos.items()],
    }


def _strips(sides: dict[str, Timeline], target: str, colours: dict[str, str]) -> list[dict[str, Any]]:
    end = max(max(side.last_stop_seconds, side.duration_seconds or 0) for side in sides.values())
    return [
        {
            "name": {"truth": "true", "predicted": "found"}[side],
            "segments": [
                {
                    "left": f"{100 * segment.start_seconds / end:.3f}",
                    "width": f"{100 * segment.duration_seconds / end:.3f}",
                    "colour": colours.get(name, _OTHER),
                    "title": f"{name}, {segment.start_seconds:.2f} to {segment.stop_seconds:.2f} s",
                }
                for segment in timeline
                if (name := getattr(segment, target)) is not None
            ],
        }
        for side, timeline in sides.items()
    ]
