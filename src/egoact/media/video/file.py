"""A video file opened through FFmpeg (PyAV): its picture stream, its packets, and what is wrong with it.

Containers also mark as key frames the pictures that open a group whose first B-pictures refer to the group
before. A decoder that begins there meets references it never saw; only an IDR picture leaves nothing behind.

Source: ITU-T H.264, 7.4.1.2.4 (IDR), Annex B (start codes); ISO/IEC 14496-15, 5.3.3 (length prefixes).
"""

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Self

import av
import av.error
import av.logging
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from egoact.core.errors import MediaError
from egoact.media.video.chapters import find_chapters, join, measure_files

_SEEK_MARGINS_SECONDS = (0, 10, 60)
JUMP_SECONDS = 0.5  # back; what is less is a fault of one packet
_TIME_TOLERANCE_SECONDS = 1e-6
_RATE_TOLERANCE = 1e-6  # of its share
_ROUNDED_TICK_SECONDS = 0.002  # coarser ones count pictures, and are exact


class CannotSkipError(Exception):
    """No part of the file can be left out, as where its index leads nowhere; it must be decoded from the start."""


class VideoFile:
    """The best picture stream of a file, packet by packet; a context manager.

    A `MediaError` where it does not exist, is empty, is no video that FFmpeg can read, or has no picture stream.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""  # why reading stopped before the end
        self._container = open_container(path)
        self._num_bytes, _ = measure_files(path)
        try:
            self.stream = picture_stream(self._container, path)
        except MediaError:
            self._container.close()
            raise
        self._packets = self._demux()
        self._shift_ticks = 0
        self._last_decoded: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._packets.close()
        self._container.close()

    @property
    def tick_seconds(self) -> float:
        """Length of a tick of all timestamps."""
        return float(self.stream.time_base or 0)

    @property
    def rate(self) -> float | None:
        """Pictures a second on average; None where nobody knows."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return float(rate) if rate else None

    @property
    def frame_ticks(self) -> int:
        """How long a picture lasts, by the stream's average rate."""
        return max(round(1 / ((self.rate or 25.0) * self.tick_seconds)), 1)

    @property
    def has_picture_times(self) -> bool:
        """Whether packets say when their picture is shown; AVI does not, and FFmpeg's guess is wrong for B-frames."""
        return self._container.format.name != "avi" or not self.stream.codec_context.has_b_frames

    @property
    def _may_begin_anew(self) -> bool:
        return self._container.format.name in ("mpegts", "mpeg")

    @property
    def can_seek(self) -> bool:
        """Whether timestamps say where in the file to look; for a stream the whole file is looked through, once."""
        return not self._may_begin_anew or _has_one_clock(self.path, *measure_files(self.path))

    @property
    def has_grown(self) -> bool:
        """Whether somebody wrote to the file, or continued it, since it was opened."""
        try:
            return measure_files(self.path)[0] != self._num_bytes
        except OSError:  # it is gone, though open here
            return False

    @property
    def stated_seconds(self) -> float | None:
        """How long the file says it is."""
        if self.stream.duration is not None:
            return self.stream.duration * self.tick_seconds
        return None if self._container.duration is None else self._container.duration / av.time_base

    @property
    def picture_ticks(self) -> float | None:
        """Distance of pictures at a constant rate, in ticks; None for no such rate, or where ticks count pictures."""
        rate, base = _exact_rate(self.stream.base_rate), self.stream.time_base
        if rate is None or base is None or base > _ROUNDED_TICK_SECONDS or rate * base * 2 > 1:
            return None
        return float(1 / (rate * base))

    def ticks(self, seconds: np.ndarray, *, start_ticks: int, picture_ticks: float | None) -> np.ndarray:
        """Timestamps of some times after the first picture, rounded down; int64.

        Containers round when pictures begin (Matroska to 1 ms). At a constant rate it is known from `picture_ticks`:

            n / rate      33.3    66.7    100.0 ms
            timestamps    33      67      100           66.8 ms: picture 67; 66.6 ms: 33; 33.1 ms: 0
        """
        exact = (seconds + _TIME_TOLERANCE_SECONDS) / self.tick_seconds
        ticks = np.floor(exact)
        if picture_ticks is not None:
            number = np.floor(exact / picture_ticks)
            # Two timestamps were rounded, this picture's and the first one's: it is less than a tick off.
            ticks = np.clip(ticks, np.ceil(number * picture_ticks), np.floor((number + 1) * picture_ticks) - 1)
        return ticks.astype(np.int64) + start_ticks

    def read(self) -> Packet | None:
        """The next packet of the picture stream in decode order, or None at the end."""
        try:
            packet = next(self._packets, None)
        except (av.error.FFmpegError, OSError) as error:
            self.damage = error.strerror or str(error)
            return None
        if packet is None or (packet.dts is None and packet.size == 0):  # PyAV ends with an empty packet
            return None
        if self._may_begin_anew:
            self._continue_time(packet)
        return packet

    @property
    def has_jumped(self) -> bool:
        """Whether timestamps jumped back in what was read."""
        return self._shift_ticks != 0

    def _continue_time(self, packet: Packet) -> None:
        """Where timestamps jump back, as in a stream that was joined, what follows comes after what was there."""
        if packet.dts is None:
            return
        jump = JUMP_SECONDS / self.tick_seconds
        if self._last_decoded is not None and packet.dts + self._shift_ticks < self._last_decoded - jump:
            self._shift_ticks = self._last_decoded + self.frame_ticks - packet.dts
        self._last_decoded = packet.dts = packet.dts + self._shift_ticks
        packet.pts = None if packet.pts is None else packet.pts + self._shift_ticks

    def can_begin_at(self, packet: Packet) -> bool:
        """Whether neither this packet nor what follows refers to anything before it."""
        if not packet.is_keyframe or self.stream.codec_context.name != "h264":
            return packet.is_keyframe
        return is_idr(bytes(packet), extradata=self.stream.codec_context.extradata)

    def seek(self, ticks: int) -> None:
        """Go on with a packet that decoding can begin at, shown at or before `ticks`; else a `CannotSkipError`."""
        for margin in _SEEK_MARGINS_SECONDS:
            try:
                self._container.seek(ticks - round(margin / self.tick_seconds), stream=self.stream)
            except (av.error.FFmpegError, OSError):
                break
            self._packets.close()
            self._packets, self._last_decoded = self._demux(), None
            packet = self.read()
            while packet is not None and not self.can_begin_at(packet) and (packet.dts or 0) <= ticks:
                packet = self.read()
            if packet is not None and packet.pts is not None and packet.pts <= ticks and self.can_begin_at(packet):
                self._packets = _after(packet, self._packets)
                return
        raise CannotSkipError

    def _demux(self) -> Generator[Packet, None, None]:
        yield from self._container.demux(self.stream)


def _exact_rate(rate: Fraction | None) -> Fraction | None:
    """Pictures a second; all standard rates are multiples of 1/1001, which Matroska stores as rounded durations."""
    exact = None if rate is None else Fraction(round(rate * 1001), 1001)
    return exact if exact and rate and abs(exact / rate - 1) < _RATE_TOLERANCE else rate


@lru_cache(maxsize=64)
def _has_one_clock(path: Path, num_bytes: int, modified_ns: int) -> bool:
    """Whether timestamps never jump back in this file, which has this size and was changed then."""
    with VideoFile(path) as file:
        return not any(file.has_jumped for _ in iter(file.read, None))


def _after(first: Packet, others: Iterator[Packet]) -> Generator[Packet, None, None]:
    yield first
    yield from others


def shown_ticks(packet: Packet) -> int | None:
    """When the picture of a packet is shown, or decoded where that is all it says; None where it is not shown."""
    return None if packet.is_discard else packet.dts if packet.pts is None else packet.pts


def open_container(path: Path) -> InputContainer:
    """Open a video file with its chapters; a `MediaError` where one is not there, empty, or no video."""
    chapters = find_chapters(path)
    if len(chapters) == 1:
        return _open_file(path)
    with ExitStack() as opened:
        return join([(chapter, opened.enter_context(_open_file(chapter))) for chapter in chapters])


def _open_file(path: Path) -> InputContainer:
    try:
        if path.stat().st_size == 0:
            raise MediaError("the video file is empty (0 bytes): an incomplete download?", path=path)
        # Text can be a playlist to FFmpeg: it must not lead to the network. An absolute path is never a URL.
        return av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
    except av.error.InvalidDataError:
        reason = "this is not a video that can be read: truncated, damaged or another kind of file"
        raise MediaError(reason, path=path) from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"cannot open this video: {reason}", path=path) from None


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream that a player would show, never a cover picture; a `MediaError` for none, or no decoder for it.

    Switches PyAV's log off, which it is by default, until older versions of torchvision are imported: a thread of a
    decoder would wait for Python's lock with its last message, while the one that holds it waits for this thread.
    """
    av.logging.set_level(None)
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not streams:
        raise MediaError("this file has no video stream (only sound or other data)", path=path)
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None or not stream.time_base:  # FFmpeg has no decoder for it
        raise MediaError("no decoder for this video's codec", path=path)
    return stream


def decode_in_time(stream: VideoStream) -> Iterator[tuple[VideoFrame, int]]:
    """All pictures and their timestamps, which go on where a clock begins anew, as in `VideoFile.read`."""
    container, time_base = stream.container, stream.time_base
    assert isinstance(container, InputContainer) and time_base is not None
    shift, last = 0, None
    for picture in container.decode(stream):
        if picture.pts is None:
            continue
        if last is not None and picture.pts + shift < last - JUMP_SECONDS / time_base:
            shift = last + round(1 / (time_base * (stream.average_rate or 30))) - picture.pts
        last = picture.pts + shift
        yield picture, last


_SLICE, _IDR = 1, 5


def is_idr(packet: bytes, *, extradata: bytes | None) -> bool:
    """Whether the first slice of a packet belongs to an IDR picture; `extradata` says how units are told apart."""
    units: Iterator[int]
    if extradata is not None and len(extradata) > 4 and extradata[0] == 1:
        units = _by_length(packet, (extradata[4] & 3) + 1)
    else:
        units = (code[1][0] & 31 for code in re.finditer(rb"\x00\x00\x01(?=(.))", packet, re.DOTALL))
    kinds = (kind for kind in units if _SLICE <= kind <= _IDR)
    return next(kinds, None) == _IDR


def _by_length(packet: bytes, length_size: int) -> Iterator[int]:
    position = 0
    while position + length_size < len(packet):
        yield packet[position + length_size] & 31
        position += length_size + int.from_bytes(packet[position : position + length_size])
