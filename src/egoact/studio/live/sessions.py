"""Live sessions: pictures in one by one, answers out, and both kept until somebody saves or forgets them.

Knows nothing about connections. Pictures come from one thread; another may save it while the last one is looked at.
"""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.files import write_json
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.media.video.writer import write_timed_video
from egoact.studio.media.pictures import write_jpeg
from egoact.studio.media.recordings import Recordings
from egoact.studio.project import Project
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.live import LiveAnswer
from egoact.studio.schemas.messages import Target
from egoact.studio.work.runs import Runs

if TYPE_CHECKING:
    from egoact.live.streaming import Stream

Said = tuple[float, tuple[str | None, str | None], float]  # seconds, verb and noun, probability

_MOST_PIXELS = 4096 * 4096
_MOST_BYTES = 8_000_000_000
_SHORTEST_SECONDS = 0.4
_LONGEST_GAP_SECONDS = 2.0
_TOP = 5
_KEPT_SECONDS = 3600.0
_MOST_OPEN = 2


class LiveSession:
    """One camera, one run.

    Args:
        run: Its name.
        targets: What it recognises.
        push: Takes a picture, uint8 RGB (H, W, 3), and its time; gives what happens now, or None.
        folder: For its pictures; it is made anew.
    """

    def __init__(
        self,
        identity: str,
        run: str,
        targets: tuple[Target, ...],
        push: Callable[[np.ndarray, float], OnlinePrediction | None],
        folder: Path,
    ) -> None:
        self.identity, self.run, self.targets = identity, run, targets
        self.used_at = time.monotonic()
        self._push, self._folder = push, folder
        folder.mkdir(parents=True)
        self._pictures = (folder / "pictures.bin").open("wb")
        self._index: list[tuple[float, int, int]] = []  # seconds, first byte, number of bytes
        self._answers: list[Said] = []
        self._begun = self.used_at

    def answer(self, jpeg: bytes) -> LiveAnswer:
        """What happens now; refuses with 415 what is no JPEG picture."""
        arrived = time.monotonic()
        return self._see(read_jpeg(jpeg), jpeg, arrived)

    def answer_picture(self, picture: np.ndarray, taken: float) -> tuple[bytes, LiveAnswer]:
        """The same of a picture, uint8 RGB (H, W, 3), that was taken here; and what is kept of it, a JPEG."""
        jpeg = write_jpeg(picture)
        return jpeg, self._see(picture, jpeg, taken)

    def _see(self, picture: np.ndarray, jpeg: bytes, arrived: float) -> LiveAnswer:
        seconds = arrived - self._begun
        prediction = self._push(picture, seconds)
        first = self._pictures.tell()
        if first + len(jpeg) <= _MOST_BYTES:
            self._pictures.write(jpeg)
            self._index.append((seconds, first, len(jpeg)))
        self.used_at = time.monotonic()
        latency = self.used_at - arrived
        if prediction is None:
            return LiveAnswer(seconds=seconds, name=None, confidence=None, top={}, latency_seconds=latency)
        name, sure = prediction.top(prediction.targets[-1], 1)[0]
        self._answers.append((seconds, _names(prediction), sure))
        return LiveAnswer(
            seconds=seconds,
            name=None if name == BACKGROUND_NAME else name,
            confidence=sure,
            top={str(target): prediction.top(target, _TOP) for target in prediction.targets},
            latency_seconds=latency,
        )

    def save(self, video: Path, timeline: Path) -> None:
        """Write the pictures as a recording, and the answers as its timeline; refuses with 409 where there are none."""
        index, answers = list(self._index), list(self._answers)
        if len(index) < 2:
            raise Refusal(409, "this session has no pictures")
        self._pictures.flush()  # after the list was copied: all that it names is in the file then
        write_timed_video(video, self._read_pictures(index))
        found = timeline_of(video.stem, answers, begin=index[0][0], end=index[-1][0])
        origin = {"run": self.run, "live": True}
        told = {"video_path": None, "broken": None, "targets": list(self.targets), "origin": origin}
        write_json(timeline, found.to_dict() | told)

    def forget(self) -> None:
        """Delete its pictures."""
        self._pictures.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read_pictures(self, index: list[tuple[float, int, int]]) -> Iterator[tuple[float, np.ndarray]]:
        with (self._folder / "pictures.bin").open("rb") as file:
            for seconds, first, size in index:
                file.seek(first)
                yield seconds, read_jpeg(file.read(size))


class LiveSessions:
    """Opens sessions of runs, saves them as recordings, and forgets them."""

    def __init__(self, project: Project, runs: Runs, recordings: Recordings) -> None:
        self._project, self._runs, self._recordings = project, runs, recordings
        self._folder = project.own / "live"
        shutil.rmtree(self._folder, ignore_errors=True)  # of a server that was killed: nobody knows them any more
        self._lock, self._computing = threading.Lock(), threading.Lock()
        self._sessions: dict[str, LiveSession] = {}
        self._open: set[str] = set()
        self._loaded: tuple[tuple[str, int], Any] | None = None

    def open(self, run: str) -> tuple[LiveSession, float]:
        """A session on a run, whose loading takes seconds, and how many pictures a second it looks at.

        Refuses with 404 for no such run, with 409 where it looks into the future, or others are open.
        """
        path = self._runs.find(run)
        with self._lock:
            closed = self._sessions.keys() - self._open
            old = [key for key in closed if time.monotonic() - self._sessions[key].used_at > _KEPT_SECONDS]
            forgotten = [self._sessions.pop(key) for key in old]
        for session in forgotten:
            session.forget()
        with self._lock:
            if len(self._open) >= _MOST_OPEN:
                raise Refusal(409, "two live sessions are open already; end one of them")
            identity = secrets.token_urlsafe(12)
            self._open.add(identity)
        try:
            stream, targets, rate = self._load(run, path)
        except BaseException as error:
            self.close(identity)
            if isinstance(error, ArtifactError | ValueError | OSError):
                raise Refusal(409, str(error)) from None
            raise

        def push(picture: np.ndarray, seconds: float) -> OnlinePrediction | None:
            with self._computing:  # streams share the run's engine
                return stream.push(picture, seconds)

        session = LiveSession(identity, run, targets, push, self._folder / identity)
        with self._lock:
            self._sessions[identity] = session
        return session, rate

    def close(self, identity: str) -> None:
        """The connection ended; what came over it can be saved for an hour."""
        with self._lock:
            self._open.discard(identity)

    def save(self, identity: str, name: str) -> str:
        """Make a recording of a session, with its timeline; gives the recording's id."""
        session = self._sessions.get(identity)
        if session is None:
            raise Refusal(404, "there is no such session any more")
        video = self._recordings.reserve(f"{name}.mp4")
        timeline = self._project.timelines / session.run / video.stem / "timeline.json"
        session.save(video, timeline)
        self._runs.forget()
        self._recordings.tell(video.stem)
        return video.stem

    def close_all(self) -> None:
        """Forget everything."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.forget()

    def _load(self, run: str, path: Path) -> tuple["Stream", tuple[Any, ...], float]:
        """A stream that has seen nothing, targets, and pictures a second."""
        from egoact.live.streaming import FRAMES_PER_SECOND, open_run_stream
        from egoact.runs.loading import load_run
        from egoact.runs.segmenter import TrainedSegmenter

        key = (run, (path / "config.json").stat().st_mtime_ns)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = (key, load_run(path))
        loaded = self._loaded[1]
        stream = open_run_stream(loaded)
        answers = loaded.answers
        rate = answers.config.steps_per_second if isinstance(answers, TrainedSegmenter) else FRAMES_PER_SECOND
        return stream, tuple(answers.config.vocabularies), float(rate)


def read_jpeg(content: bytes) -> np.ndarray:
    """uint8 RGB (H, W, 3); a `Refusal` for anything that is no JPEG of a sensible size."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content), formats=("JPEG",)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise Refusal(413, f"a picture of {image.width} x {image.height} pixels is too large")
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise Refusal(415, "this is not a JPEG picture") from None


def timeline_of(video_id: str, answers: list[Said], *, begin: float, end: float) -> Timeline:
    """Answers of moments as actions: what was said without a pause, for long enough to be believed.

    The timeline's 0 is at `begin`; at `end` the last picture was taken.
    """
    segments = []
    first = 0
    for position in range(1, len(answers) + 1):
        is_over = position == len(answers) or answers[position][1] != answers[first][1]
        is_late = position < len(answers) and answers[position][0] - answers[position - 1][0] > _LONGEST_GAP_SECONDS
        if not is_over and not is_late:
            continue
        start, names = answers[first][0], answers[first][1]
        stop = min(answers[position][0] if position < len(answers) and not is_late else answers[position - 1][0], end)
        if any(names) and stop - start >= _SHORTEST_SECONDS:
            sure = float(np.mean([answer[2] for answer in answers[first:position]]))
            segments.append(TimelineSegment(start - begin, stop - begin, *names, min(sure, 1.0)))
        first = position
    return Timeline(video_id, tuple(segments), end - begin)


def _names(prediction: OnlinePrediction) -> tuple[str | None, str | None]:
    """Verb and noun of the most probable action; None and None for background."""
    best = {target: prediction.top(target, 1)[0][0] for target in prediction.targets if target != "action"}
    names = (best.get("verb"), best.get("noun"))
    if prediction.name == BACKGROUND_NAME or BACKGROUND_NAME in names:
        return (None, None)
    return names
