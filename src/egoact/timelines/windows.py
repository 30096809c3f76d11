"""What a run says of intervals of a recording whose features are there, a few steps a second.

Shapes: F steps, N windows, T frames, K classes.

Clips from recordings as a decoder will see them: labelled segments, not quite in place, and the gaps between them.

labels     |   .   |  open  |  . . . .  | close |
segment          [--x~~~~~x--]                       start and stop move by 15 % of its length
background                    [~~~~~]                anywhere in a gap
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from egoact.core.metrics.calibration import log_softmax
from egoact.core.sampling import Floats, frame_steps, step_times, windows_around
from egoact.core.timelines.viterbi import Track, with_background
from egoact.runs.recognizer import Recognizer

_WINDOWS_AT_ONCE = 128


def score_windows(
    recognizer: Recognizer, features: np.ndarray, starts: Floats, stops: Floats, *, rate: int
) -> dict[str, np.ndarray]:
    """Logits of some windows, each taken for a clip: target -> float32 (N, K).

    Args:
        recognizer: Of the features' backbone.
        features: float16 (F, *feature), may be mapped: windows are read as they are needed.
        starts: float64 (N,), seconds.
        stops: float64 (N,), seconds.
        rate: Steps per second.
    """
    steps = frame_steps(starts, stops, rate=rate, num_frames=recognizer.config.num_frames, num_steps=len(features))
    parts = [
        recognizer.score(features[steps[first : first + _WINDOWS_AT_ONCE]])
        for first in range(0, len(steps), _WINDOWS_AT_ONCE)
    ]
    return {target: np.concatenate([part[target] for part in parts]) for target in parts[0]}


def score_steps(
    recognizer: Recognizer, features: np.ndarray, *, rate: int, window_seconds: tuple[float, ...]
) -> dict[str, Floats]:
    """Log probability of every class at every step, target -> float64 (F, K): the mean over windows of some lengths."""
    times, end = step_times(len(features), rate=rate), len(features) / rate
    total: dict[str, Floats] = {}
    for length in window_seconds:
        starts, stops = windows_around(times, length_seconds=length, end_seconds=end)
        for target, logits in score_windows(recognizer, features, starts, stops, rate=rate).items():
            total[target] = total.get(target, 0.0) + log_softmax(logits) / len(window_seconds)
    return total


JITTER = 0.15  # standard deviation, of the length
BACKGROUND_SHARE = 0.3
_LEAST_SECONDS = 0.25


@dataclass(frozen=True)
class Interval:
    """Part of a recording, seconds, half-open."""

    video_id: str
    start: float
    stop: float


def find_gaps(tracks: Mapping[str, Track], num_steps: Mapping[str, int], *, rate: int) -> list[Interval]:
    """What is in no segment, from the start of each recording to its end.

    Args:
        tracks: video_id -> labelled segments in steps.
        num_steps: video_id -> length of the recording.
        rate: Steps per second.
    """
    gaps = []
    for video_id, track in tracks.items():
        end = num_steps[video_id]
        found = [(start, stop) for start, stop, state in with_background(track) if state == 0]
        last = max((stop for _, stop, _ in track), default=0)
        for start, stop in [*found, (last, end)]:
            interval = Interval(video_id, start / rate, min(stop, end) / rate)
            if interval.stop - interval.start >= _LEAST_SECONDS:
                gaps.append(interval)
    return gaps


class WindowDataset:
    """Every segment, and as many intervals of gaps as belong to them; other windows in every view.

    Args:
        recordings: video_id -> float16 (F, *feature).
        segments: The labelled intervals.
        gaps: Those without an action, at least one.
        num_frames: T.
        rate: Steps per second.
        seed: Of the draw.

    Attributes:
        num_background: How many rows come after those of the segments.
    """

    def __init__(
        self,
        recordings: Mapping[str, np.ndarray],
        segments: list[Interval],
        gaps: list[Interval],
        *,
        num_frames: int,
        rate: int,
        seed: int,
    ) -> None:
        self.num_background = max(1, round(len(segments) * BACKGROUND_SHARE / (1 - BACKGROUND_SHARE)))
        self._recordings, self._segments, self._gaps = recordings, segments, gaps
        self._num_frames, self._rate, self._seed = num_frames, rate, seed
        lengths = np.array([gap.stop - gap.start for gap in gaps])
        self._odds = lengths / lengths.sum()

    def gather(self, rows: np.ndarray, *, views: int | np.ndarray = 0) -> np.ndarray:
        """Clips, float16 (N, T, *feature); of the same row and view always the same one."""
        views = np.broadcast_to(views, np.shape(rows))
        shape = self._recordings[self._segments[0].video_id].shape[1:]
        out = np.empty((len(rows), self._num_frames, *shape), dtype=np.float16)
        for clip, row, view in zip(out, np.asarray(rows).tolist(), views.tolist(), strict=True):
            random = np.random.default_rng((self._seed, row, view))
            interval = self._segments[row] if row < len(self._segments) else None
            window = self._draw_background(random) if interval is None else _jitter(interval, random)
            features = self._recordings[window.video_id]
            end = len(features) / self._rate
            stop = min(window.stop, end)
            steps = frame_steps(
                np.array([min(window.start, stop - 1 / self._rate)]),
                np.array([stop]),
                rate=self._rate,
                num_frames=self._num_frames,
                num_steps=len(features),
            )
            clip[:] = features[steps[0]]
        return out

    def _draw_background(self, random: np.random.Generator) -> Interval:
        gap = self._gaps[int(random.choice(len(self._gaps), p=self._odds))]
        start, stop = gap.start, gap.stop
        if stop - start > 1:
            start, stop = sorted(random.uniform(start, stop, size=2))
        return Interval(gap.video_id, start, max(stop, start + _LEAST_SECONDS))


def _jitter(interval: Interval, random: np.random.Generator) -> Interval:
    by_start, by_stop = random.normal(0, JITTER * (interval.stop - interval.start), size=2)
    start = max(interval.start + by_start, 0.0)
    return Interval(interval.video_id, start, max(interval.stop + by_stop, start + _LEAST_SECONDS))
