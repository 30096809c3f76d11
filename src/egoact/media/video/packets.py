"""Which packets of a video must be decoded to see it at given times; knows timestamps, not pixels.

    packets (decode order)   I0 P3 B1 B2 | I4 P7 B5 B6 | ...     number = order of display
    wanted: 1 and 5          I0 P3 B1    | I4 P7 B5              nothing else goes to the decoder

The picture at time t is that of the greatest presentation timestamp at or below t. Since a packet's decode
timestamp is never after its presentation timestamp, that picture is known as soon as a decode timestamp passes t.
"""

import bisect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from av.packet import Packet

from egoact.media.video.file import VideoFile

MIN_PACKETS_TO_SKIP = 4  # emptying and refilling the decoder costs about as much as decoding these
MAX_QUEUE_BYTES = 32 << 20
MAX_REORDERING = 16  # pictures, in any codec
MIN_REGULAR = 24  # equal intervals, after which a video counts as one of constant rate


@dataclass(frozen=True, slots=True)
class Send:
    """Decode a packet; no picture shown before `floor` is wanted any more (beyond those asked for)."""

    packet: Packet
    floor: int


@dataclass(frozen=True, slots=True)
class Expect:
    """The picture with this timestamp answers these positions; its packet was sent, or follows."""

    pts: int
    positions: slice


@dataclass(frozen=True, slots=True)
class NoPicture:
    """These positions have no picture, and why; `end_ticks` where the video ends before them."""

    positions: slice
    reason: str
    end_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """The next packet does not continue the last one: take out all pictures, and begin anew at a key frame."""


Step = Send | Expect | NoPicture | Flush


class UnplannableError(Exception):
    """Packets do not tell which pictures there are, and when: only the decoder knows."""


class PacketPlan:
    """Steps for a decoder, from the packets of a file just opened and ascending times.

    `may_skip` leaves out what need not be decoded before a key frame; else all packets are sent.
    """

    def __init__(self, file: VideoFile, *, may_skip: bool) -> None:
        self._file = file
        self._frame_ticks = file.frame_ticks  # how long a picture lasts where its packet does not say
        self._may_skip = may_skip
        ticks_per_second = 1 / file.tick_seconds
        self._seek_ticks = int(10 * ticks_per_second)
        self._max_hole = max(int(ticks_per_second), 10 * self._frame_ticks)
        self._queue: deque[Packet] = deque()
        self._queue_bytes = 0
        self._shown: list[int] = []  # presentation timestamps seen, ascending, from the last wanted one on
        self._durations: dict[int, int] = {}
        self._latest: int | None = None  # decode timestamp
        self._last_duration = 0
        self._is_regular = True
        self._num_regular = 0
        self._ended = False
        self._skipped = False
        self._after_hole: set[int | None] = set()  # presentation timestamps

    def start_ticks(self) -> int | None:
        """Timestamp of the first picture, or None if there is no packet."""
        while not self._ended and not (self._shown and self._latest is not None and self._latest >= self._shown[0]):
            self._read()
        return self._shown[0] if self._shown else None

    def is_steady(self, picture_ticks: float) -> bool:
        """Whether the first pictures begin at multiples of this, as closely as timestamps can say it."""
        while not self._ended and len(self._shown) < MIN_REGULAR and self._queue_bytes < MAX_QUEUE_BYTES // 2:
            self._read()
        distances = np.array(self._shown) - self._shown[0]
        return bool((np.abs(distances - np.round(distances / picture_ticks) * picture_ticks) < 1).all())

    def steps(self, targets: np.ndarray) -> Iterator[Step]:
        """What to do, in order, for targets int64 (M,), ascending, in ticks."""
        start = 0
        while start < len(targets):
            target = int(targets[start])
            yield from self._read_to(target)
            at = bisect.bisect_right(self._shown, target)
            if at == 0:
                yield NoPicture(slice(start, start + 1), "the video shows no picture yet")
                start += 1
                continue
            pts = self._shown[at - 1]
            del self._shown[: at - 1]
            until, reason = self._shown_until(pts)
            stop = start + int(np.searchsorted(targets[start:], until, side="left"))
            if stop > start:
                yield from self._send_for(Expect(pts, slice(start, stop)))
            elif self._ended and len(self._shown) == 1:
                stop = len(targets)
                yield NoPicture(slice(start, stop), reason, until)
            else:
                stop = start + int(np.searchsorted(targets[start:], self._shown[1], side="left"))
                yield NoPicture(slice(start, stop), reason)
            start = stop

    def _read_to(self, target: int) -> Iterator[Step]:
        """Read until all pictures up to `target` are known."""
        is_far = target - (self._latest or target) > self._seek_ticks
        if self._may_skip and not self._ended and is_far and self._file.can_seek:
            yield Flush()
            self._seek(target)
        while not self._ended and (self._latest is None or self._latest <= target):
            packet = self._read()
            if packet is None:
                break
            may_begin = self._may_skip and len(self._queue) > MIN_PACKETS_TO_SKIP
            if may_begin and packet.pts is not None and packet.pts <= target and self._file.can_begin_at(packet):
                self._queue = deque([packet])
                self._queue_bytes = packet.size
                self._skipped = True
            while self._queue_bytes > MAX_QUEUE_BYTES and len(self._queue) > 1:
                floor = self._shown[max(bisect.bisect_right(self._shown, target) - 1, 0)]
                yield from self._send_next(floor)

    def _shown_until(self, pts: int) -> tuple[int, str]:
        """Until when a picture is shown, in ticks, exclusive; and what to say of times after that."""
        while not self._ended and not (len(self._shown) > 1 and self._latest >= self._shown[1]):  # pyrefly: ignore[unsupported-operation]
            self._read()
        lasts = max(self._durations.get(pts, 0), self._frame_ticks)
        if len(self._shown) == 1:
            return pts + lasts, "beyond the end of the video"
        following = self._shown[1]
        if following - pts > max(self._hole_ticks, 1.5 * lasts):
            return pts + lasts, "the video has a hole here: pictures are missing"
        return following, ""

    def _send_for(self, expected: Expect) -> Iterator[Step]:
        """Send the packets up to the wanted one; those before it may be needed to decode it."""
        places = [place for place, packet in enumerate(self._queue) if packet.pts == expected.pts]
        for _ in range(places[-1] if places else 0):
            yield from self._send_next(expected.pts)
        sends = list(self._send_next(expected.pts)) if places else []
        # What is wanted is said after a flush, which settles all that was wanted before.
        yield from (*sends[:-1], expected, *sends[-1:])

    def _send_next(self, floor: int) -> Iterator[Step]:
        packet = self._queue.popleft()
        self._queue_bytes -= packet.size
        if self._skipped or packet.pts in self._after_hole:
            yield Flush()
            self._skipped = False
            self._after_hole.discard(packet.pts)
        yield Send(packet, floor)

    def _read(self) -> Packet | None:
        packet = self._file.read()
        if packet is None:
            self._ended = True
            return None
        if packet.pts is None:
            raise UnplannableError
        self._queue.append(packet)
        self._queue_bytes += packet.size
        if not packet.is_discard and packet.pts not in self._durations:
            bisect.insort(self._shown, packet.pts)
            self._durations[packet.pts] = packet.duration or 0
            if len(self._durations) > 1000 + 2 * len(self._shown):
                self._durations = {pts: self._durations[pts] for pts in self._shown}
        self._advance(packet)
        return packet

    def _advance(self, packet: Packet) -> None:
        decoded = packet.dts
        if decoded is None:  # Matroska does not store it, and FFmpeg cannot tell for the first packets
            if len(self._shown) <= MAX_REORDERING:
                return
            decoded = self._shown[-1 - MAX_REORDERING]
        if self._latest is not None:
            self._judge_interval(decoded - self._latest, packet)
        self._latest = decoded if self._latest is None else max(self._latest, decoded)
        self._last_duration = packet.duration or 0

    def _judge_interval(self, interval: int, packet: Packet) -> None:
        """Tell lost packets from a rate that varies: in a video that was regular so far, any gap is a loss."""
        if interval > 1.5 * self._last_duration and interval > self._hole_ticks:
            self._after_hole.add(packet.pts)
        elif abs(interval - self._frame_ticks) <= max(1, self._frame_ticks // 10):
            self._num_regular += 1
        else:
            self._is_regular = False

    @property
    def _hole_ticks(self) -> float:
        """From which distance on two pictures are not neighbours."""
        if self._is_regular and self._num_regular >= MIN_REGULAR:
            return 1.5 * self._frame_ticks
        return self._max_hole

    def _seek(self, target: int) -> None:
        self._file.seek(target)
        self._queue.clear()
        self._queue_bytes = 0
        self._shown.clear()
        self._durations.clear()
        self._after_hole.clear()
        self._latest = None
        self._skipped = False
        packet = self._read()
        if packet is not None and packet.pts is not None:
            # A key frame long before the target: seeking more eagerly would decode the same pictures again.
            self._seek_ticks = max(self._seek_ticks, 2 * (target - packet.pts))
