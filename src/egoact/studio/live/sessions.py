"""Live sessions of a project: runs that are loaded for them, and sessions that may still be saved."""

import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.studio.live.session import LiveSession
from egoact.studio.media.recordings import Recordings
from egoact.studio.project import Project
from egoact.studio.refusal import Refusal
from egoact.studio.work.runs import Runs

if TYPE_CHECKING:
    from egoact.live.streaming import Stream

_KEPT_SECONDS = 3600.0
_MOST_OPEN = 2


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
        """A session on a run, and how many pictures a second it looks at; loading the run takes seconds.

        Raises:
            Refusal: 404 for no such run, 409 where it looks into the future, or others are open.
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
