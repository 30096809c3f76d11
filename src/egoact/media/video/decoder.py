"""A decoder that gives whole pictures only, and a way from its pictures to RGB."""

import av.error
import numpy as np
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from egoact.media.video.file import VideoFile

UNSPECIFIED = 2  # AVCOL_SPCUNSPECIFIED
HD_HEIGHT = 720


class DamagedError(Exception):
    """A packet is damaged, and with several threads it is unknown which."""


class Decoder:
    """Turns packets into pictures; after a damaged one it gives nothing until the next key frame.

    With one thread damage is attributed exactly; with more (0: as many as there are cores) it is a `DamagedError`.
    """

    def __init__(self, file: VideoFile, *, num_threads: int) -> None:
        self.damage = ""  # of the last damaged packet
        self._file = file
        self._context = context = file.stream.codec_context
        self._is_exact = num_threads == 1
        context.thread_count = num_threads
        context.thread_type = "SLICE" if self._is_exact else "AUTO"
        context.options = {"err_detect": "explode"}  # else FFmpeg paints over what it cannot decode
        self._awaits_key = True
        self._shown_from: int | None = None
        self._is_empty = True
        self._is_at_start = True

    def send(self, packet: Packet, *, floor: int | None = None) -> list[VideoFrame]:
        """Decode the next packet: gives the pictures that are complete now, in order of display.

        Pictures before the timestamp `floor` need not come out.
        """
        if self._awaits_key:
            # A file may begin at a picture that others would have to precede; later, nothing less than whole will do.
            if not (self._file.can_begin_at(packet) or (packet.is_keyframe and self._shown_from is None)):
                return self._leave_out()
            self._awaits_key, self._shown_from = False, packet.pts
        if self._shown_from is not None and packet.pts is not None and packet.pts < self._shown_from:
            return self._leave_out()  # it refers to pictures before the key frame that decoding began at
        if packet.is_corrupt:
            return self._recover(packet, "the packet is cut off")
        is_wanted = floor is None or packet.pts is None or packet.pts >= floor
        self._context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
        self._is_empty = False
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError as error:
            return self._recover(packet, error.strerror or str(error))
        whole = [picture for picture in pictures if not picture.is_corrupt]
        return whole if len(whole) == len(pictures) else [*whole, *self._recover(packet, "the picture is incomplete")]

    def flush(self) -> list[VideoFrame]:
        """Take out all pictures; the next packet will not continue the last one."""
        if self._is_empty:
            return []
        pictures: list[VideoFrame] = []
        try:
            pictures = [picture for picture in self._context.decode(None) if not picture.is_corrupt]
        except av.error.FFmpegError as error:
            if not self._is_exact:
                raise DamagedError from None
            self.damage = error.strerror or str(error)
        self._context.flush_buffers()
        self._awaits_key, self._is_empty, self._is_at_start = True, True, False
        return pictures

    def _leave_out(self) -> list[VideoFrame]:
        if self._is_at_start:
            self.damage = "what it refers to came before the file begins"
        return []

    def _recover(self, packet: Packet, reason: str) -> list[VideoFrame]:
        """What was decoded before a damaged packet is good; what comes after it, up to a key frame, is not."""
        if not self._is_exact:
            raise DamagedError
        pictures = [picture for picture in self.flush() if picture.pts is None or picture.pts != packet.pts]
        self._awaits_key, self.damage = True, reason
        return pictures


def to_rgb(picture: VideoFrame, reformatter: VideoReformatter, *, size: tuple[int, int] | None) -> np.ndarray:
    """A decoded picture the way a person sees it: upright, RGB, full range, resized by area; uint8 (H, W, 3).

    `size` is (height, width) in pixels after turning, None: as recorded; `reformatter` is kept between pictures.
    """
    is_turned, flips_rows, flips_columns = _orientation(picture)
    colorspace = None
    if picture.colorspace == UNSPECIFIED:  # what players assume for the size
        colorspace = Colorspace.ITU709 if picture.height >= HD_HEIGHT else Colorspace.ITU601
    height, width = size or ((picture.width, picture.height) if is_turned else (picture.height, picture.width))
    if is_turned:
        height, width = width, height
    rgb = reformatter.reformat(
        picture,
        width=width,
        height=height,
        format="rgb24",
        src_colorspace=colorspace,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
        threads=1,
    ).to_ndarray()
    if is_turned:
        rgb = rgb.swapaxes(0, 1)
    return np.ascontiguousarray(rgb[:: -1 if flips_rows else 1, :: -1 if flips_columns else 1])


def _orientation(picture: VideoFrame) -> tuple[bool, bool, bool]:
    """Whether rows and columns change places, and whether then the order of rows and of columns is reversed."""
    # Not by picture.side_data: picture and container would keep each other alive, pixels and all, until Python looks
    # for such circles, which in a large process is as good as never.
    matrix = SideDataContainer(picture).get("DISPLAYMATRIX")  # pyrefly: ignore[bad-argument-count]
    if matrix is None:
        return False, False, False
    # x' = a x + c y, y' = b x + d y
    a, b, _, c, d, *_ = np.frombuffer(matrix, dtype=np.int32)
    return (True, b < 0, c < 0) if abs(b) > abs(a) else (False, d < 0, a < 0)
