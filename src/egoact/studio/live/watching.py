"""A camera, stream or recording of the server as a live session looks at it: the newest picture, whenever it asks."""

import time
from collections import deque

import numpy as np

from egoact.core.errors import MediaError
from egoact.live.capture import FrameGrabber, Source
from egoact.live.sources import CameraSource, FileSource, UrlSource
from egoact.studio.media.recordings import Recordings
from egoact.studio.refusal import Refusal

_LONGEST_SIDE = 640  # as browsers send pictures
_TIMEOUT_SECONDS, _GIVE_UP_SECONDS, _WAIT_SECONDS = 5.0, 60.0, 0.5


def find_source(text: str, recordings: Recordings) -> Source:
    """What somebody means: the id of a recording, the number of a camera, or an address; no other file is a source.

    Refuses with 404 what is none of these, with 415 what cannot be opened.
    """
    try:
        source: Source = FileSource(recordings.find(text).path)
    except Refusal:
        if text.isdecimal() and len(text) < 4:
            source = CameraSource(int(text), give_up=_GIVE_UP_SECONDS)
        elif "://" in text:
            source = UrlSource(text, timeout=_TIMEOUT_SECONDS, give_up=_GIVE_UP_SECONDS)
        else:
            reason = "is no recording; give the number of a camera or an address, such as rtsp://..."
            raise Refusal(404, f"'{text[:80]}' {reason}") from None
    try:
        source.check()
    except MediaError as error:
        raise Refusal(415, error.reason) from None
    return source


class ServerCamera:
    """Takes pictures of a source in a thread of its own, at most so many a second, until it is closed.

    Attributes:
        said: The last line of the source that nobody has taken yet, such as that it broke and is tried again.
    """

    def __init__(self, source: Source, *, rate: float) -> None:
        self.said: deque[str] = deque(maxlen=1)
        self._grabber = FrameGrabber(source, self.said.append)
        self._least_seconds, self._due = 1 / rate, 0.0
        self._grabber.__enter__()

    def close(self) -> None:
        """Let go of the source."""
        self._grabber.__exit__()

    @property
    def has_ended(self) -> bool:
        """Whether no picture will come any more; refuses with 415 where it broke."""
        if self._grabber.error is not None:
            raise Refusal(415, str(self._grabber.error))
        return self._grabber.has_ended

    def look(self) -> tuple[np.ndarray, float] | None:
        """The newest picture, uint8 RGB (H, W, 3), and when it was taken; None where none came in half a second."""
        time.sleep(max(0.0, self._due - time.monotonic()))
        frame = self._grabber.next(timeout=_WAIT_SECONDS)
        if frame is None:
            return None
        self._due = time.monotonic() + self._least_seconds
        height, width = frame.size
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        return frame.rgb(size=(max(round(height * scale), 2), max(round(width * scale), 2))), frame.taken
