"""What `egoact live` looks at: a camera, a file played in real time, or a stream of the network."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from egoact.core.errors import MediaError
from egoact.live.capture import CapturedFrame, Say, Source
from egoact.live.playback import Playback
from egoact.media.video.file import open_container, picture_stream

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_MOST_MISSING_SECONDS = 1.0
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NETWORK = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtsp,rtmp,rtmps,crypto,srt"


def find_source(text: str, *, timeout: float, give_up: float) -> Source:
    """The source that somebody means: "0" is a camera, "rtsp://..." a URL, anything else a file.

    Args:
        text: What was given.
        timeout: Seconds that a URL or camera may be silent.
        give_up: Seconds without a picture after which a lost connection is not tried again.
    """
    if re.fullmatch(r"\d{1,3}", text) and not Path(text).exists():
        return CameraSource(int(text), give_up=give_up)
    if _URL.match(text):
        return UrlSource(text, timeout=timeout, give_up=give_up)
    return FileSource(Path(text))


class FileSource:
    """A video file, played in real time; a picture that damage has spoiled is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:  # noqa: D102
        with open_container(self._path) as container:
            picture_stream(container, self._path)

    def frames(self, stop: threading.Event, say: Say) -> Iterator[CapturedFrame]:  # noqa: D102
        with open_container(self._path) as container:
            stream = picture_stream(container, self._path)
            playback, is_shown = Playback(container, stream, is_recorded=True), False
            for frame in playback.frames(stop):
                is_shown = True
                yield frame
            if stop.is_set():
                return
            if not is_shown:
                raise MediaError(f"not one picture can be decoded {playback.damage}".rstrip(), path=self._path)
            missing = 0.0
            if stream.duration is not None and stream.time_base is not None:
                missing = float(stream.duration * stream.time_base) - playback.read_seconds
            if playback.damage or missing > _MOST_MISSING_SECONDS:
                reason = playback.damage or f"the file says that {missing:.1f} s more should follow"
                place = f"at {playback.read_seconds:.2f} s"
                raise MediaError(f"damaged ({reason})", path=self._path, place=place)


class UrlSource:
    """A stream of the network; when it breaks it is opened again, after waits that double each time.

    What has a length, such as an MP4 file of a web server, is played in real time and goes on where it broke; what
    has none is live. `timeout` and `give_up` are those of `find_source`.
    """

    def __init__(self, url: str, *, timeout: float, give_up: float) -> None:
        self._url, self._timeout, self._give_up = url, timeout, give_up
        self._begun: float | None = None
        self._played_seconds = 0.0

    def check(self) -> None:  # noqa: D102
        scheme = self._url.partition("://")[0].lower()
        if scheme not in _NETWORK.split(",") and scheme != "rtsps":
            raise MediaError(f"{self._url}: unknown kind of address; use rtsp, http, https, rtmp, srt or udp")

    def frames(self, stop: threading.Event, say: Say) -> Iterator[CapturedFrame]:  # noqa: D102
        yield from _reconnecting(self._connection, stop, say, name=self._url, give_up=self._give_up)

    def _connection(self, stop: threading.Event) -> Iterator[CapturedFrame]:
        """One connection; ends where a recording ends, and raises `MediaError` where it breaks."""
        with self._open() as container:
            try:
                stream = picture_stream(container, Path())
            except MediaError as error:
                raise MediaError(f"{self._url}: {error.reason}") from None
            seconds = None if container.duration is None else container.duration / av.time_base
            if seconds is not None and self._played_seconds:
                container.seek(round(self._played_seconds * av.time_base))
            playback = Playback(container, stream, is_recorded=seconds is not None, begun=self._begun)
            for frame in playback.frames(stop):
                self._begun = frame.taken - frame.seconds
                yield frame
                if seconds is not None:
                    self._played_seconds = playback.shown_seconds
        if not stop.is_set() and (seconds is None or playback.read_seconds < seconds - _MOST_MISSING_SECONDS):
            raise MediaError(f"{self._url}: {playback.damage or 'the stream ended'}")

    def _open(self) -> av.container.InputContainer:
        options = {"protocol_whitelist": _NETWORK, "analyzeduration": "1000000"}
        if self._url.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            return av.open(self._url, options=options, timeout=(self._timeout, self._timeout))
        except av.error.ExitError:
            raise MediaError(f"{self._url}: no answer within {self._timeout:g} s") from None
        except av.error.InvalidDataError:
            raise MediaError(f"{self._url}: what comes from there is not a video") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"{self._url}: cannot open: {getattr(error, 'strerror', None) or error}") from None


class CameraSource:
    """A camera of this machine, by number."""

    def __init__(self, number: int, *, give_up: float) -> None:
        self._number, self._give_up = number, give_up
        self._begun: float | None = None

    def check(self) -> None:  # noqa: D102
        self._open().release()

    def frames(self, stop: threading.Event, say: Say) -> Iterator[CapturedFrame]:  # noqa: D102
        yield from _reconnecting(self._connection, stop, say, name=f"camera {self._number}", give_up=self._give_up)

    def _connection(self, stop: threading.Event) -> Iterator[CapturedFrame]:
        camera = self._open()
        try:
            while not stop.is_set():
                is_there, picture = camera.read()
                if not is_there:
                    raise MediaError(f"camera {self._number} gives no pictures")
                now = time.monotonic()
                self._begun = now if self._begun is None else self._begun
                yield CapturedFrame(now - self._begun, now, picture)
        finally:
            camera.release()

    def _open(self) -> Any:
        import cv2

        found = sorted(int(path.name.removeprefix("video")) for path in Path("/dev").glob("video[0-9]*"))
        device = Path(f"/dev/video{self._number}")
        log: Any = getattr(getattr(cv2, "utils", None), "logging", cv2)
        level = log.setLogLevel(0)  # silent: OpenCV has lines of its own for a camera that is not there
        camera = cv2.VideoCapture(self._number)
        log.setLogLevel(level)
        if not camera.isOpened():
            known = f"; cameras here: {', '.join(map(str, found)) or 'none'}" if device.parent.is_dir() else ""
            raise MediaError(f"there is no camera {self._number}{known}")
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return camera


def _reconnecting(connect, stop: threading.Event, say: Say, *, name: str, give_up: float) -> Iterator[CapturedFrame]:
    """Shots of one connection after the other; the first one must succeed.

    Raises:
        MediaError: The first connection gives nothing, or nothing has come for `give_up` seconds.
    """
    last: float | None = None
    wait = _FIRST_WAIT_SECONDS
    while not stop.is_set():
        try:
            for frame in connect(stop):
                if last is not None and wait > _FIRST_WAIT_SECONDS:
                    say(f"{name}: back again")
                last, wait = time.monotonic(), _FIRST_WAIT_SECONDS
                yield frame
            return
        except MediaError as error:
            if last is None or time.monotonic() + wait - last > give_up:
                raise
            say(f"{error}; trying again in {wait:g} s")
        stop.wait(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
