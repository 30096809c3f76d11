"""Frames of a video file at given times, by its timestamps.

Time 0 is the first picture. Nothing that was not recorded is ever shown: a picture that is damaged, or that
refers to one that is, is an error at its times.

Two ways through a video file: by a plan made from its packets, or by what the decoder puts out.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.media.video.decoder import DamagedError, Decoder, to_rgb
from egoact.media.video.file import CannotSkipError, VideoFile
from egoact.media.video.packets import Expect, Flush, NoPicture, PacketPlan, Send, Step, UnplannableError

Answer = tuple[slice, np.ndarray | MediaError]


@dataclass(frozen=True)
class Manner:
    """How to go through a video. What is not the first choice is slower and gets along with stranger files."""

    num_threads: int  # for decoding; 0: one a core
    may_skip: bool = True  # decode only what is needed, from key frame to key frame
    by_output: bool = False  # believe the decoder about which pictures there are, not the packets


class _Pass:
    """What both ways share: a file just opened, and what to answer from it; arguments as `media.read_frames`."""

    def __init__(self, file: VideoFile, times: np.ndarray, size: tuple[int, int] | None, manner: Manner) -> None:
        self._file, self._times, self._size, self._manner = file, times, size, manner
        self._decoder = Decoder(file, num_threads=manner.num_threads)
        self._reformatter = VideoReformatter()

    def _rgb(self, picture: VideoFrame) -> np.ndarray:
        return to_rgb(picture, self._reformatter, size=self._size)

    def _error(self, position: int, reason: str, kind: type[MediaError] = MediaError) -> MediaError:
        return kind(reason, path=self._file.path, place=f"at {self._times[position]:.3f} s")

    def _beyond_end(self, position: int, end_seconds: float) -> MediaError:
        reason = f"beyond the end of the video, whose pictures last {end_seconds:.3f} s"
        stated = self._file.stated_seconds
        if self._file.has_grown:
            reason += ": somebody is still writing to this file; read it again when it is complete"
        elif self._file.damage or (stated is not None and stated > end_seconds + 1):
            reason += f" though it says {stated:.3f} s" if stated else ""
            reason += f": truncated or damaged {self._file.damage}".rstrip()
        else:
            return self._error(position, reason, EndOfRecordingError)
        return self._error(position, reason)

    def _undecodable(self, position: int) -> MediaError:
        damage = self._decoder.damage or "the decoder gives no picture"
        return self._error(position, f"this frame cannot be decoded ({damage}): the video is damaged here")


class PlannedPass(_Pass):
    """Decodes what a `PacketPlan` asks for; a planned picture that does not come out is an error."""

    def answers(self) -> Iterator[Answer]:
        """As `media.read_frames`; one of three errors where another manner may do for what was not answered yet."""
        self._waiting: deque[Expect | NoPicture] = deque()
        self._held: deque[VideoFrame] = deque()
        for step in self._steps():
            is_complete = False
            if isinstance(step, Expect | NoPicture):
                self._waiting.append(step)
            elif isinstance(step, Send):
                self._held.extend(self._decoder.send(step.packet, floor=step.floor))
                if not self._waiting:
                    self._drop_before(step.floor)
            elif isinstance(step, Flush):
                self._held.extend(self._decoder.flush())
                is_complete = True
            yield from self._match(is_complete)
        self._held.extend(self._decoder.flush())
        yield from self._match(True)

    def _steps(self) -> Iterator[Step]:
        if not self._file.has_picture_times:
            raise UnplannableError
        plan = PacketPlan(self._file, may_skip=self._manner.may_skip)
        self._start = plan.start_ticks()
        if self._start is None:
            raise MediaError("this video has no pictures: truncated or damaged", path=self._file.path)
        spacing = self._file.picture_ticks
        spacing = spacing if spacing is not None and plan.is_steady(spacing) else None
        targets = self._file.ticks(self._times, start_ticks=self._start, picture_ticks=spacing)
        yield from plan.steps(targets)

    def _match(self, is_complete: bool) -> Iterator[Answer]:
        """Answer what can be answered; all of it, if no picture is on its way in the decoder."""
        while self._waiting:
            first = self._waiting[0]
            if isinstance(first, NoPicture):
                yield first.positions, self._no_picture(first)
            else:
                self._drop_before(first.pts)
                if self._held and self._held[0].pts == first.pts:
                    yield first.positions, self._rgb(self._held[0])
                elif self._held or is_complete:
                    if not self._decoder.damage:  # no error told why: the packets may promise more than there is
                        raise CannotSkipError if self._manner.may_skip else UnplannableError
                    yield first.positions, self._undecodable(first.positions.start)
                else:
                    return
            self._waiting.popleft()

    def _no_picture(self, step: NoPicture) -> MediaError:
        if step.end_ticks is None:
            return self._error(step.positions.start, step.reason)
        end_seconds = (step.end_ticks - (self._start or 0)) * self._file.tick_seconds
        return self._beyond_end(step.positions.start, end_seconds)

    def _drop_before(self, pts: int) -> None:
        while self._held and (self._held[0].pts is None or self._held[0].pts < pts):
            self._held.popleft()


class OutputPass(_Pass):
    """Decodes everything on one thread, and takes the pictures that come out for all there are.

    For AVI without presentation timestamps, where the n-th picture has the n-th decode timestamp, and for
    streams with packets that are never shown.
    """

    _earliest: int | None = None  # of the packets' own timestamps

    def answers(self) -> Iterator[Answer]:
        """As `media.read_frames`."""
        start, last, since, done = 0, None, 0, 0
        targets = np.empty(0, dtype=np.int64)
        frame_ticks, last_damage = self._file.frame_ticks, ""
        for picture, ticks in self._pictures():
            if last is None:
                start = ticks if self._earliest is None else min(ticks, self._earliest)
                targets = self._file.ticks(self._times, start_ticks=start, picture_ticks=self._file.picture_ticks)
            else:
                # After damage, the last picture stands for its own time only.
                until = since + frame_ticks if self._decoder.damage != last_damage else ticks
                stop = done + int(np.searchsorted(targets[done:], until))
                if stop > done:
                    yield slice(done, stop), self._rgb(last)
                done = stop
            stop = done + int(np.searchsorted(targets[done:], ticks))
            if stop > done:
                yield slice(done, stop), self._undecodable(done)
            done = stop
            last, since, last_damage = picture, ticks, self._decoder.damage
            if done == len(targets):
                return
        if last is None:
            raise MediaError("this video has no pictures: truncated or damaged", path=self._file.path)
        stop = done + int(np.searchsorted(targets[done:], since + frame_ticks))
        if stop > done:
            yield slice(done, stop), self._rgb(last)
        if stop < len(targets):
            end = (since + frame_ticks - start) * self._file.tick_seconds
            damaged = self._decoder.damage != last_damage
            yield slice(stop, len(targets)), self._undecodable(stop) if damaged else self._beyond_end(stop, end)

    def _pictures(self) -> Iterator[tuple[VideoFrame, int]]:
        """All pictures in order, with their timestamps."""
        times: list[int] = []
        numbers = count()
        counts = not self._file.has_picture_times

        def timed(pictures: list[VideoFrame]) -> Iterator[tuple[VideoFrame, int]]:
            for picture, number in zip(pictures, numbers, strict=False):
                yield picture, times[number] if counts or picture.pts is None else picture.pts

        while packet := self._file.read():
            if packet.size == 0:  # AVI: the last picture stays
                continue
            if packet.dts is None and packet.pts is None:
                raise MediaError("the packets of this video have no timestamps", path=self._file.path)
            times.append(packet.pts if packet.dts is None else packet.dts)  # pyrefly: ignore[bad-argument-type]
            counts |= packet.pts is None
            if not counts and packet.pts is not None and not packet.is_discard:
                # A picture, whether or not it can be decoded.
                self._earliest = packet.pts if self._earliest is None else min(self._earliest, packet.pts)
            yield from timed(self._decoder.send(packet))
            if self._decoder.damage and counts:
                return  # the count is lost
        yield from timed(self._decoder.flush())


def read_video_frames(
    path: Path, times: np.ndarray, *, size: tuple[int, int] | None, num_threads: int = 0
) -> Iterator[Answer]:
    """As `media.read_frames`, for a video file."""
    manner, done = Manner(num_threads), 0
    while True:
        kind = OutputPass if manner.by_output else PlannedPass
        try:
            with VideoFile(path) as file:
                for positions, answer in kind(file, times[done:], size, manner).answers():
                    start, done = done, done + positions.stop - positions.start
                    yield slice(start, done), answer
            return
        except DamagedError:
            manner = replace(manner, num_threads=1)
        except CannotSkipError:
            manner = Manner(1, may_skip=False)
        except UnplannableError:
            manner = Manner(1, by_output=True)
