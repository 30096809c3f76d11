"""Which moments of which recordings features are wanted of: of whole recordings, labelled stretches, or exact clips."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.errors import MediaError
from egoact.core.sampling import ClipSampling, Floats, step_times, to_microseconds
from egoact.media.recording import MOST_HOURS, estimate_steps
from egoact.media.sources import MediaRoot, MediaSource
from egoact.media.stills.flow import FlowRoot
from egoact.store.layout.index import UNKNOWN, Moments, RecordingRow

_MOST_EXAMPLES = 16
_day = cache(step_times)  # of the longest recording; made once, as there may be many recordings
_FEW_SECONDS = 10  # of a recording that does not say how long it is


@dataclass(frozen=True)
class WantedMoments:
    """Moments to be computed."""

    segments: dict[str, list[Segment]]  # recording -> its labelled segments; with `is_whole` they may be none
    rate: int  # steps a second of the store
    is_whole: bool = False  # every step of the recordings, from their beginnings to their ends
    exact: ClipSampling | None = None  # instead of the steps of the segments, the frames of their clips

    @property
    def video_ids(self) -> tuple[str, ...]:
        """The recordings, sorted."""
        return tuple(sorted(self.segments))

    def missing(self, row: RecordingRow) -> Floats:
        """Moments of a recording that a store with this row lacks, float64 (M,), ascending, seconds."""
        known_end = row.num_steps != UNKNOWN
        if self.is_whole:
            most = MOST_HOURS * 3600 * self.rate
            times = step_times(row.num_steps, rate=self.rate) if known_end else _day(most, rate=self.rate)
            return _absent(times, row) if len(row.moments) else times
        if self.exact is not None:
            return self.missing_of(self.segments[row.video_id], row)
        steps = self._shown_steps(self.segments[row.video_id], row)
        if len(steps) and (not known_end or steps[-1] > row.num_steps):
            # The last one may turn out to be what is left after the last whole step, where the one before is shown.
            steps = np.union1d(steps, max(steps[-1] - 1, 0))
        return _absent((steps + 0.5) / self.rate, row)

    def missing_of(self, segments: Sequence[Segment], row: RecordingRow) -> Floats:
        """The same of some segments of it."""
        if self.exact is not None:
            return _absent(self.exact.times(segments).ravel(), row)
        return _absent((self._shown_steps(segments, row) + 0.5) / self.rate, row)

    def shows_only(self, step: int, row: RecordingRow) -> bool:
        """Whether a step is all that some segment shows."""
        return any(self._shown_steps([segment], row).tolist() == [step] for segment in self.segments[row.video_id])

    def _shown_steps(self, segments: Sequence[Segment], row: RecordingRow) -> Moments:
        """Numbers of the steps that clips of some segments show, ascending."""
        firsts, stops = (np.array([getattr(s, f"{e}_seconds") for s in segments]) for e in ("start", "stop"))
        lasts = np.floor(np.nextafter(stops, -np.inf) * self.rate).astype(np.int64)
        firsts = np.floor(firsts * self.rate).astype(np.int64)
        steps = np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(firsts, lasts, strict=True)]))
        if len(steps) and steps[-1] == row.num_steps:
            # What is left of a recording after its last whole step has none of its own: the one before is shown.
            # Where more than that is wanted, the recording may have become longer.
            steps = np.union1d(steps[:-1], max(steps[-1] - 1, 0))
        return steps

    def examples(self, root: MediaRoot | FlowRoot) -> list[Segment]:
        """Segments that show what the moments look like; where there are none, a few of the recordings as such."""
        if any(self.segments.values()):
            return [segment for segments in self.segments.values() for segment in segments]
        spread = np.linspace(0, len(self.video_ids) - 1, min(_MOST_EXAMPLES, len(self.video_ids))).astype(int)
        found = []
        for video_id in [self.video_ids[i] for i in spread]:
            with suppress(MediaError):
                source = root.find(video_id)
                stated = estimate_steps(source, rate=1) if isinstance(source, MediaSource) else None
                found.append(Segment(video_id, video_id, video_id, 0.0, float(stated or _FEW_SECONDS)))
        return found

    def estimate(self, examples: Sequence[Segment]) -> int:
        """About how many moments there are."""
        if self.exact is not None:
            return len(examples) * self.exact.num_views * self.exact.num_frames
        seconds = sum(segment.duration_seconds for segment in examples)
        if self.is_whole and not any(self.segments.values()):
            seconds *= len(self.segments) / max(len(examples), 1)
        return round(seconds * self.rate)


def _absent(times: Floats, row: RecordingRow) -> Floats:
    """Each moment once, ascending, without those that are there."""
    keys, firsts = np.unique(to_microseconds(times), return_index=True)
    return np.asarray(times[firsts[np.isin(keys, row.moments, assume_unique=True, invert=True)]])
