"""What `egoact evaluate` left of timelines: `timelines.json`, those that were found beside the true ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.evaluation_files import METRICS_NAME
from egoact.core.timelines.metrics import FRAMES_PER_SECOND
from egoact.core.timelines.timeline import Timeline

TIMELINES_NAME = "timelines.json"
_TOLERANCE_SECONDS = 1e-3


@dataclass(frozen=True)
class EvaluatedTimelines:
    """Timelines that were found, and the true ones of the same recordings.

    Args:
        path: The folder, or the run that found them.
        segments: The CSV with the true actions.
        rate: Frames a second to measure at.
        predicted: video_id -> timeline.
        truth: The same keys.
        notes: What has to be said beside the figures.
        run: The run that found them, where it is known.
    """

    path: Path
    segments: str
    rate: float
    predicted: Mapping[str, Timeline]
    truth: Mapping[str, Timeline]
    notes: tuple[str, ...] = ()
    run: Path | None = None

    @classmethod
    def read(cls, folder: Path) -> "EvaluatedTimelines":
        """What a folder holds.

        Raises:
            ArtifactError: A file is missing or damaged.
        """
        path = folder / TIMELINES_NAME
        written, metrics = read_json(path), read_json(folder / METRICS_NAME)
        try:
            found, truth = (
                {str(video): Timeline.from_dict(both[side]) for video, both in written["videos"].items()}
                for side in ("predicted", "truth")
            )
            run = written.get("run", {}).get("path")
            rate = float(written.get("frames_per_second", FRAMES_PER_SECOND))
            notes = tuple(map(str, metrics.get("notes", ())))
            where = None if run is None else Path(run)
            return cls(folder, str(written["segments"]), rate, found, truth, notes, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"not what egoact evaluate writes ({type(error).__name__}: {error}); run it again"
            raise ArtifactError(reason, path=path) from None

    def check_comparable(self, first: "EvaluatedTimelines") -> None:
        """Refuse timelines of other recordings, labels or frames than those of another model.

        Raises:
            ArtifactError: Names the first difference.
        """
        if self.truth.keys() != first.truth.keys():
            odd = sorted(self.truth.keys() ^ first.truth.keys())[0]
            reason = f"{odd} is only in one of it and {first.path}; compare models on the same recordings"
            raise ArtifactError(reason, path=self.path)
        if self.rate != first.rate:
            reason = f"measured at {self.rate:g} frames a second, {first.path} at {first.rate:g}; evaluate them alike"
            raise ArtifactError(reason, path=self.path)
        for video, wanted in first.truth.items():
            if not _agree(self.truth[video], wanted):
                reason = f"{video} has other labels than in {first.path}; compare models on the same labels"
                raise ArtifactError(reason, path=self.path)


def holds_timelines(folder: Path) -> bool:
    """Whether timelines, and not clips, were evaluated into a folder last."""
    if not (folder / TIMELINES_NAME).is_file() or not (folder / METRICS_NAME).is_file():
        return False
    metrics: Any = read_json(folder / METRICS_NAME)
    return isinstance(metrics, dict) and "frames_per_second" in metrics


def _agree(one: Timeline, other: Timeline) -> bool:
    return len(one) == len(other) and all(
        (a.verb, a.noun) == (b.verb, b.noun)
        and abs(a.start_seconds - b.start_seconds) < _TOLERANCE_SECONDS
        and abs(a.stop_seconds - b.stop_seconds) < _TOLERANCE_SECONDS
        for a, b in zip(one, other, strict=True)
    )
