"""What a run was trained and chosen on, by content: so that nobody takes a memory for a measurement.

`trained_on.json` in a run directory: recording -> spans in seconds that were trained on, and that chose the epoch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.files import read_json, write_json

PROVENANCE_NAME = "trained_on.json"

Spans = Mapping[str, list[list[float]]]


@dataclass(frozen=True)
class Provenance:
    """Where the segments of a training lie.

    Args:
        training: video_id -> [start, stop] in seconds of what was trained on.
        chosen_on: The same of what the epoch was chosen on; empty where the last epoch was kept.
    """

    training: Spans
    chosen_on: Spans = field(default_factory=dict)

    @classmethod
    def of(cls, training: Iterable[Segment], chosen_on: Iterable[Segment]) -> "Provenance":
        """Of the segments of both sides."""
        return cls(_spans(training), _spans(chosen_on))

    @classmethod
    def read(cls, run: Path) -> "Provenance | None":
        """Of a run directory; None where it does not say.

        Raises:
            ArtifactError: It is damaged.
        """
        path = run / PROVENANCE_NAME
        if not path.exists():
            return None
        try:
            return cls(**read_json(path))
        except TypeError as error:
            raise ArtifactError(f"damaged or of another version ({error})", path=path) from None

    def write(self, run: Path) -> None:
        """Into a run directory."""
        write_json(run / PROVENANCE_NAME, {"training": self.training, "chosen_on": self.chosen_on})

    def describe(self, segments: Iterable[Segment]) -> dict[str, Any]:
        """How many segments share frames with what was trained on, and with what chose the epoch; and of recordings."""
        each = list(segments)
        videos = {segment.video_id for segment in each}
        return {
            "num_segments": len(each),
            "trained_on": sum(_touches(self.training, segment) for segment in each),
            "chosen_on": sum(_touches(self.chosen_on, segment) for segment in each),
            "num_videos": len(videos),
            "videos_trained_on": len(videos & set(self.training)),
        }


def warn(seen: Mapping[str, Any]) -> list[str]:
    """What has to be said beside a figure, from `Provenance.describe`; most important first."""
    notes = []
    if seen["trained_on"]:
        notes.append(
            f"{seen['trained_on']:,} of {seen['num_segments']:,} segments were trained on: these figures do not say "
            "how the run does on anything new."
        )
    elif seen["videos_trained_on"]:
        notes.append(
            f"{seen['videos_trained_on']} of {seen['num_videos']} recordings were trained on, in other segments: the "
            "run knows their light, person and place."
        )
    if seen["chosen_on"]:
        notes.append(
            f"{seen['chosen_on']:,} of {seen['num_segments']:,} segments chose the epoch that was kept: these figures "
            "are higher than on recordings that chose nothing."
        )
    return notes


def _spans(segments: Iterable[Segment]) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for segment in segments:
        found.setdefault(segment.video_id, []).append([segment.start_seconds, segment.stop_seconds])
    return {video: sorted(spans) for video, spans in sorted(found.items())}


def _touches(spans: Spans, segment: Segment) -> bool:
    """Whether a segment shares time with any of the spans of its recording."""
    if segment.video_id not in spans:
        return False
    starts, stops = np.array(spans[segment.video_id]).T
    return bool(((starts < segment.stop_seconds) & (stops > segment.start_seconds)).any())
