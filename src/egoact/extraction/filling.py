"""One stream of features on its way into its store: what it lacks, what has been computed of it, what cannot be."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.core.sampling import Floats, to_microseconds
from egoact.extraction.decoding import FrameBatch, FrameFailure, VideoJob
from egoact.extraction.wanted import WantedMoments
from egoact.store.buffer import FeatureBuffer
from egoact.store.layout.failures import Failure, read_failures, write_failures
from egoact.store.layout.index import UNKNOWN
from egoact.store.writer import StoreWriter

_DAY_SECONDS = 24 * 3600


@dataclass
class _Part:
    """What has been computed of a recording, and what could not be."""

    buffer: FeatureBuffer
    times: list[Floats] = field(default_factory=list)
    failed: list[tuple[Floats, MediaError]] = field(default_factory=list)


class Filling:
    """The features of some moments, on their way into one store.

    Attributes:
        failures: Stretches that cannot be computed.
        num_before: Moments that were there already.
        num_added: Moments that came to them.
        sought: Recording -> the step, seconds, that tells whether what was found to be missing is a rest behind it.
    """

    def __init__(self, wanted: WantedMoments, writer: StoreWriter) -> None:
        self.writer = writer
        self.failures: list[Failure] = []
        self.num_before, self.num_added = len(writer.index), 0
        self.sought: dict[str, float] = {}
        spec = writer.spec.backbone
        self.name, self.needs_earlier = spec.stream, spec.needs_earlier
        self._wanted = wanted
        self._parts: dict[str, _Part] = {}

    def missing(self, video_id: str) -> Floats:
        """Moments of a recording that are wanted and not there, float64 (M,), ascending, seconds."""
        times = self._wanted.missing(self.writer.of(video_id))
        sought = np.array([self.sought[video_id]] if video_id in self.sought else [])
        return np.union1d(times, sought[self.lacks(video_id, sought)]) if len(sought) else times

    def other_failures(self) -> list[Failure]:
        """What earlier runs found to be missing, and this one does not want."""
        found = []
        for failure in read_failures(self.writer.path):
            times = self.missing(failure.video_id) if failure.video_id in self._wanted.segments else np.empty(0)
            if not ((times > failure.start_seconds - 0.001) & (times < failure.stop_seconds + 0.001)).any():
                found.append(failure)
        return found

    def write_failures(self, others: list[Failure]) -> None:
        """The list beside the features."""
        write_failures(self.writer.path, [*others, *self.failures])

    def lacks(self, video_id: str, times: Floats) -> np.ndarray:
        """Which moments of a recording are not there, bool (M,)."""
        return np.isin(to_microseconds(times), self.writer.of(video_id).moments, invert=True)

    def can_use(self, batch: FrameBatch) -> np.ndarray:
        """Which moments of a batch are not there, and have all frames that the stream needs, bool (M,)."""
        lacks = self.lacks(batch.job.source.video_id, batch.times)
        return lacks & batch.has_earlier[batch.frame_of_time] if self.needs_earlier else lacks

    def add(self, batch: FrameBatch, features: np.ndarray, chosen: np.ndarray) -> None:
        """Keep features float16 (B, *feature) of a batch, at some of its moments, bool (M,)."""
        part = self._part(batch.job)
        finite = np.array([np.isfinite(feature).all() for feature in features])[batch.frame_of_time]
        if not finite[chosen].all():
            reason = "the backbone's features are not finite numbers in float16; try --precision f32"
            part.failed.append((batch.times[chosen & ~finite], MediaError(reason, path=batch.job.source.path)))
        part.buffer.append(features[batch.frame_of_time[chosen & finite]])
        part.times.append(batch.times[chosen & finite])

    def fail(self, failure: FrameFailure) -> None:
        """Remember moments that have no frame."""
        if failure.is_earlier and not self.needs_earlier:
            return
        times = failure.times[self.lacks(failure.job.source.video_id, failure.times)]
        if len(times):
            self._part(failure.job).failed.append((times, failure.error))

    def fail_all(self, video_id: str, reason: str) -> None:
        """Remember that there is no such recording."""
        self.failures.append(self._failure(video_id, self.missing(video_id), reason))

    def commit(self, job: VideoJob) -> None:
        """Make what was computed of a recording part of the store."""
        video_id = job.source.video_id
        part = self._part(job)
        del self._parts[video_id]
        times = np.concatenate([np.empty(0), *part.times])
        was_sought = video_id in self.sought
        num_steps = self._find_end(video_id, part, times)
        with part.buffer as buffer:
            self.writer.commit(video_id, buffer, to_microseconds(times), num_steps=num_steps)
        self.num_added += len(times)
        if video_id in self.sought and not was_sought:
            return  # asked again, which tells what failed
        failed = []
        for moments, error in part.failed:
            if isinstance(error, EndOfRecordingError):
                # In what is left of a recording after its last whole step, that one is shown.
                is_end = job.to_end and num_steps != UNKNOWN
                moments = moments[:0] if is_end else moments[moments * self._wanted.rate > num_steps + 1]
            if len(moments):
                failed.append((moments, error))
        self.failures += self._stretches(video_id, failed)

    def close(self) -> None:
        """Give up what is not finished."""
        for part in self._parts.values():
            part.buffer.__exit__()

    def _part(self, job: VideoJob) -> _Part:
        video_id = job.source.video_id
        if video_id not in self._parts:
            self._parts[video_id] = _Part(self.writer.begin())
        return self._parts[video_id]

    def _find_end(self, video_id: str, part: _Part, times: Floats) -> int:
        """How many steps the recording has, where the first one that it lacks comes right after one that it has."""
        if self._wanted.exact is not None:
            return UNKNOWN
        beyond = [failed[0] for failed, error in part.failed if isinstance(error, EndOfRecordingError)]
        if not beyond:
            return UNKNOWN
        first = int(min(beyond) * self._wanted.rate)
        last = (first - 0.5) / self._wanted.rate
        has_last = last in times or to_microseconds(np.array([last]))[0] in self.writer.of(video_id).moments
        if not has_last and first > 0 and self._wanted.shows_only(first, self.writer.of(video_id)):
            self.sought[video_id] = last
        return first if has_last else UNKNOWN

    def _stretches(self, video_id: str, failed: list[tuple[Floats, MediaError]]) -> Iterator[Failure]:
        """Failed moments that lie less than a second apart as one, with the reason of the first."""
        failed = sorted(failed, key=lambda pair: float(pair[0][0]))
        while failed:
            stretch = [failed.pop(0)]
            while failed and failed[0][0][0] - stretch[-1][0][-1] < 1:
                stretch.append(failed.pop(0))
            error = stretch[0][1]
            times = np.concatenate([t for t, _ in stretch])
            for part in np.split(times, np.flatnonzero(np.diff(times) >= 1) + 1):
                yield self._failure(video_id, part, f"{error.path}: {error.reason}")

    def _failure(self, video_id: str, times: Floats, reason: str) -> Failure:
        """A stretch without features; of a recording whose end nobody knows it has no length."""
        stop = times[0] if self._wanted.is_whole and times[-1] - times[0] > _DAY_SECONDS / 2 else times[-1]
        return Failure(video_id, float(times[0]), float(stop), reason)
