"""Decoded pictures of a container as they would be seen: a recording at its own pace, a live stream as it comes."""

import threading
import time
from collections.abc import Iterator

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from egoact.live.capture import CapturedFrame

# Behind its own clock, a recording leaves out pictures that no other refers to; then all up to a key frame.
_LATE_SECONDS = 0.25
_HOPELESS_SECONDS = 1.0


class Playback:
    """The pictures of a container.

    Args:
        container: Open.
        stream: Of it.
        is_recorded: Whether to wait until each picture is due; a live stream is never waited for.
        begun: When the source began, on the clock of `time.monotonic`; None: with the first picture.

    Attributes:
        damage: What was wrong, the last thing; or "".
        shown_seconds: Timestamp of the last picture, from the first of the container on.
        read_seconds: Timestamp of the last picture that was read, shown or not.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, *, is_recorded: bool, begun: float | None = None
    ) -> None:
        self.damage = ""
        self.shown_seconds = self.read_seconds = 0.0
        self._container, self._stream = container, stream
        self._is_recorded, self._begun = is_recorded, begun
        self._reformatter = VideoReformatter()
        self._start: tuple[float, float] | None = None
        self._is_skipping = False
        self._resumed_seconds = 0.0
        self._newest_seconds = -1.0
        context = stream.codec_context
        context.thread_count = 0
        # Decoding several pictures side by side holds some of them back, which a live stream cannot afford.
        context.thread_type = "AUTO" if is_recorded else "SLICE"
        context.options = {"err_detect": "explode"}  # else FFmpeg paints over what it cannot decode

    def frames(self, stop: threading.Event) -> Iterator[CapturedFrame]:
        """Pictures until the end; what is damaged is left out."""
        try:
            for packet in self._container.demux(self._stream):
                if stop.is_set():
                    return
                if packet.pts is not None and packet.size:
                    self.read_seconds = max(self.read_seconds, self._since_first(packet.pts))
                for picture in self._decode(packet):
                    frame = self._frame(picture, stop)
                    if frame is not None and not stop.is_set():
                        yield frame
        except av.error.ExitError:
            self.damage = "nothing came for too long"
        except (av.error.FFmpegError, OSError) as error:
            self.damage = getattr(error, "strerror", None) or str(error) or type(error).__name__

    @property
    def lateness(self) -> float:
        """How far the recording is behind its own clock, seconds."""
        if not self._is_recorded or self._start is None:
            return 0.0
        wall, seconds = self._start
        return time.monotonic() - wall - (max(self.shown_seconds, self._resumed_seconds) - seconds)

    def _decode(self, packet: Packet) -> list:
        context = self._stream.codec_context
        if self._is_skipping:
            if not packet.is_keyframe or self._is_past(packet):
                return []
            self._is_skipping = False
            self._resumed_seconds = self._since_first(packet.pts or 0)
            context.flush_buffers()
        elif self.lateness > _HOPELESS_SECONDS:
            self._is_skipping = True
            return []
        context.skip_frame = "NONREF" if self.lateness > _LATE_SECONDS else "DEFAULT"
        try:
            pictures = context.decode(packet if packet.size else None)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            self.damage = f"at {self.shown_seconds:.2f} s: {error.strerror or error}"
            return []
        if any(picture.is_corrupt for picture in pictures):
            self.damage = f"at {self.shown_seconds:.2f} s: a picture is incomplete"
        return [picture for picture in pictures if not picture.is_corrupt]

    def _is_past(self, packet: Packet) -> bool:
        """Whether a packet's picture should have been shown already."""
        if packet.pts is None or self._start is None:
            return False
        wall, seconds = self._start
        return self._since_first(packet.pts) - seconds < time.monotonic() - wall

    def _frame(self, picture: av.VideoFrame, stop: threading.Event) -> CapturedFrame | None:
        """With its time, when it is due; None for one that comes after a later one."""
        now = time.monotonic()
        if not self._is_recorded:
            self._begun = now if self._begun is None else self._begun
            self.shown_seconds = now - self._begun
            return CapturedFrame(now - self._begun, now, picture, self._reformatter)
        if picture.pts is None:  # no timestamps: by the rate
            seconds = self._newest_seconds + 1 / float(self._stream.average_rate or 25)
        else:
            seconds = self._since_first(picture.pts)
        if seconds <= self._newest_seconds:
            return None
        self._newest_seconds = self.shown_seconds = seconds
        if self._start is None:
            self._start = now, seconds
            self._begun = now if self._begun is None else self._begun
        due = self._start[0] + seconds - self._start[1]
        if due > now:
            stop.wait(due - now)
        assert self._begun is not None
        return CapturedFrame(due - self._begun, due, picture, self._reformatter)

    def _since_first(self, ticks: int) -> float:
        return float((ticks - (self._stream.start_time or 0)) * (self._stream.time_base or 0))
