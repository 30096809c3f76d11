"""Which picture of a video answers which time, by its packets alone: nothing is decoded.

For decoders that take pictures by their numbers, and neither find out where a file breaks nor where it is not what it
says: whatever is unusual about a file is a `RefusedError`, and PyAV reads it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from egoact.core.errors import MediaError
from egoact.media.video.chapters import find_chapters
from egoact.media.video.decoder import HD_HEIGHT, UNSPECIFIED
from egoact.media.video.file import VideoFile
from egoact.media.video.packets import Expect, Flush, NoPicture, UnplannableError
from egoact.media.video.reader import Manner, PlannedPass

_ZEROS = bytes(4)  # such as damage leaves; never in a packet of these, ITU-T H.264, 7.4.1: emulation prevention
_ODD_COLORSPACES = (4, 7, 8)  # FCC, SMPTE 240M, YCgCo
_CODECS_WITHOUT_ZEROS = ("h264", "hevc")


class RefusedError(Exception):
    """Only a decoder that sees each packet can read this file; says why."""


@dataclass(frozen=True, eq=False)
class Listing:
    """The pictures of a video."""

    begins: np.ndarray  # when each is shown, ticks, int64 (N,), ascending
    tick_seconds: float
    stream_index: int  # of the pictures, among all streams of the file
    answers: list[tuple[slice, int | MediaError]]  # which picture answers which times, or why none does, in order


def list_pictures(path: Path, times: np.ndarray) -> Listing:
    """What `read_video_frames` would give at some times, as numbers of pictures.

    Raises:
        MediaError: The recording as a whole cannot be read.
        RefusedError: More than packets would have to be looked at.
    """
    if len(find_chapters(path)) > 1:
        raise RefusedError("it consists of several chapters")
    with _ListedFile(path) as file:
        if has_other_colours(file.stream.codec_context):
            raise RefusedError("its colours are not stated, or unusual")
        try:
            answers = list(_ListingPass(file, times, None, Manner(1, may_skip=False)).numbered())
        except UnplannableError:
            raise RefusedError("its packets do not tell when its pictures are shown") from None
        begins = np.sort(np.array(file.shown, dtype=np.int64))
        if file.damage:
            raise RefusedError("it breaks off")
        if file.has_jumped or (np.diff(begins) == 0).any():
            raise RefusedError("its clock begins anew")
        if begins[0] != file.shown[0]:
            raise RefusedError("it begins with pictures that refer to others before them")
        number = {int(begin): at for at, begin in enumerate(begins)}
        found = [(positions, a if isinstance(a, MediaError) else number[a]) for positions, a in answers]
        return Listing(begins, file.tick_seconds, file.stream.index, found)


def has_other_colours(context: VideoCodecContext) -> bool:
    """Whether decoders other than PyAV's take the colours for those of ITU 601, and we do not."""
    return context.colorspace in _ODD_COLORSPACES or (context.colorspace == UNSPECIFIED and context.height >= HD_HEIGHT)


class _ListedFile(VideoFile):
    """Remembers when the pictures of its packets are shown."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.shown: list[int] = []  # ticks, in the order of decoding

    def read(self) -> Packet | None:
        packet = super().read()
        if packet is None or packet.pts is None:
            return packet
        if packet.is_discard:
            raise RefusedError("an edit list leaves pictures out")
        if packet.is_corrupt or not packet.size:
            raise RefusedError("a packet is cut off")
        if not self.shown and not self.can_begin_at(packet):
            raise RefusedError("it does not begin with a picture that stands for itself")
        if self.stream.codec_context.name in _CODECS_WITHOUT_ZEROS and _ZEROS in bytes(packet):
            raise RefusedError("a packet is damaged")
        self.shown.append(packet.pts)
        return packet


class _ListingPass(PlannedPass):
    def numbered(self) -> Iterator[tuple[slice, int | MediaError]]:
        """Timestamps of the pictures that answer, in ticks, or what is wrong."""
        for step in self._steps():
            if isinstance(step, Expect):
                yield step.positions, step.pts
            elif isinstance(step, NoPicture):
                yield step.positions, self._no_picture(step)
            elif isinstance(step, Flush):
                raise RefusedError("pictures are missing in it")
