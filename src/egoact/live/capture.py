"""Pictures as they are taken, and a place for the newest one: older ones are dropped, never queued.

source, in a thread of its own ──► [ the newest ] ──► whoever looks, as often as it can
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from egoact.media.stills.pictures import resize_area
from egoact.media.video.decoder import to_rgb

_JOIN_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """A picture that was just taken; turned into RGB only if somebody looks at it.

    Args:
        seconds: Since the source began, ascending.
        taken: When it was taken, on the clock of `time.monotonic`; of a file: when it was due.
        picture: As decoded, or uint8 (H, W, 3) BGR as from a camera.
        reformatter: Kept between decoded pictures.
    """

    seconds: float
    taken: float
    picture: VideoFrame | np.ndarray
    reformatter: VideoReformatter | None = None

    def rgb(self, *, size: tuple[int, int]) -> np.ndarray:
        """Upright and resized to (height, width): uint8 (H, W, 3) RGB."""
        if isinstance(self.picture, np.ndarray):
            import cv2

            return cv2.cvtColor(resize_area(self.picture, size), cv2.COLOR_BGR2RGB)
        return to_rgb(self.picture, self.reformatter or VideoReformatter(), size=size)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as recorded, upright."""
        if isinstance(self.picture, np.ndarray):
            return self.picture.shape[0], self.picture.shape[1]
        is_lying = round(self.picture.rotation / 90) % 2 == 1
        height, width = self.picture.height, self.picture.width
        return (width, height) if is_lying else (height, width)


class Source(Protocol):
    """Something that takes pictures."""

    def check(self) -> None:
        """Find out quickly what can be found out before pictures are wanted; a `MediaError` if it cannot take any."""

    def frames(self, stop: threading.Event, say: Say) -> Iterator[CapturedFrame]:
        """Pictures, each as soon as it is there, until there are no more or `stop` is set.

        Args:
            stop: Ends waiting, too.
            say: Told in a line when something changes, such as a lost connection.

        Raises:
            MediaError: It cannot go on.
        """


class FrameGrabber:
    """Lets a source run in a thread of its own, and keeps its newest picture; a context manager.

    Attributes:
        num_taken: Pictures so far.
        has_ended: Whether no picture will come any more; one may still be there.
        error: Why the source ended, if not by its nature.
    """

    def __init__(self, source: Source, say: Say) -> None:
        self._source, self._say = source, say
        self._newest: CapturedFrame | None = None
        self.has_ended = False
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.num_taken = 0
        self.error: BaseException | None = None

    def __enter__(self) -> "FrameGrabber":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)

    def next(self, *, timeout: float) -> CapturedFrame | None:
        """The newest picture that was not given yet; None if none comes within `timeout` seconds, or at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self.has_ended, timeout)
            frame, self._newest = self._newest, None
            return frame

    def _run(self) -> None:
        try:
            for frame in self._source.frames(self._stop, self._say):
                with self._changed:
                    self._newest = frame
                    self.num_taken += 1
                    self._changed.notify()
        except BaseException as error:  # it belongs to the thread that waits
            self.error = error
        with self._changed:
            self.has_ended = True
            self._changed.notify()
