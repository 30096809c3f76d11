"""Whole recordings by torchcodec, whose pictures stay on the device that decoded them: NVDEC of a GPU, or a processor.

    packets ──► which picture answers which time ──► torchcodec, by number ──► resized there ──► uint8 (H, W, 3)

torchcodec takes pictures by their numbers, and neither finds out where a file breaks nor where it is not what it says:
whatever is unusual about a file is a `RefusedError`, and PyAV reads it.
Whatever differs from PyAV's pictures is noticed, and PyAV goes on: each picture that torchcodec gives says when it is
shown, which must be the time that was asked for, and some of the first ones are compared with PyAV's.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from egoact.core.errors import MediaError
from egoact.media.video.chapters import find_chapters
from egoact.media.video.decoder import HD_HEIGHT, UNSPECIFIED
from egoact.media.video.file import VideoFile
from egoact.media.video.packets import Expect, Flush, NoPicture, UnplannableError
from egoact.media.video.reader import Manner, PlannedPass, read_video_frames

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_PICTURES_AT_ONCE = 16  # full-size pictures on the device
_COMPARED = (0, 7)  # pictures of the first ones
MOST_DIFFERENT = 4.0  # mean over a picture, of 255: torchcodec's colours are rounded in another way, about 1.5 off

_ZEROS = bytes(4)  # such as damage leaves; never in a packet of these, ITU-T H.264, 7.4.1: emulation prevention
_ODD_COLORSPACES = (4, 7, 8)  # FCC, SMPTE 240M, YCgCo
_CODECS_WITHOUT_ZEROS = ("h264", "hevc")

DeviceAnswer = tuple[slice, "np.ndarray | Tensor | MediaError"]


class DeviceReader:
    """Reads video files on a device, "cpu", "cuda" or "cuda:N"; may be used by several threads.

    Raises:
        ValueError: torchcodec is not there, or not the libraries of FFmpeg that it needs.
    """

    def __init__(self, device: str) -> None:
        try:
            from torchcodec.decoders import VideoDecoder
        except ImportError:
            raise ValueError("--decoder torchcodec: pip install 'egoact[gpu]' brings torchcodec") from None
        try:
            VideoDecoder(b"")
        except Exception as error:  # of whatever is wrong
            if "libtorchcodec" in str(error):
                raise ValueError(
                    "--decoder torchcodec: it finds no libraries of FFmpeg (4 to 9) here; install them, as by "
                    "apt install ffmpeg, or use --decoder pyav"
                ) from None
        self.device = device
        self._told: set[str] = set()

    def read(self, path: Path, times: np.ndarray, *, size: tuple[int, int] | None) -> Iterator[DeviceAnswer]:
        """As `read_video_frames`; pictures are tensors on the device, or all of them arrays where PyAV reads them."""
        done = 0
        try:
            for positions, answer in self._read(path, times, size):
                done = positions.stop
                yield positions, answer
        except RefusedError as refusal:
            self._tell(path, str(refusal))
            import torch

            for positions, answer in read_video_frames(path, times[done:], size=size, num_threads=1):
                is_laid = done > 0 and isinstance(answer, np.ndarray)
                found = torch.from_numpy(answer).to(self.device) if is_laid else answer
                yield slice(positions.start + done, positions.stop + done), found

    def _tell(self, path: Path, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            print(f"torchcodec: {path.name} goes to PyAV ({reason}), and others like it", file=sys.stderr)

    def _read(self, path: Path, times: np.ndarray, size: tuple[int, int] | None) -> Iterator[DeviceAnswer]:
        listing = list_pictures(path, times)
        answers: list[tuple[slice, Any]] = listing.answers
        decoder = None
        for is_wrong, run in groupby(answers, key=lambda answer: isinstance(answer[1], MediaError)):
            if is_wrong:
                yield from run
                continue
            decoder = decoder or _Pictures(path, listing, self.device, size, times)
            while some := list(islice(run, _PICTURES_AT_ONCE)):
                yield from decoder.take(some)


class _Pictures:
    """The pictures of one file by their numbers, in ascending order."""

    def __init__(
        self, path: Path, listing: "Listing", device: str, size: tuple[int, int] | None, times: np.ndarray
    ) -> None:
        self._path, self._listing, self._size, self._times = path, listing, size, times
        self._is_proven = False
        try:
            self._decoder = _open(path, listing, device)
            fell_back = device != "cpu" and bool(self._decoder.cpu_fallback)
        except Exception as error:  # of torchcodec, FFmpeg and CUDA
            raise RefusedError(_first_line(error)) from None
        if fell_back:
            raise RefusedError("the GPU does not decode it")

    def take(self, wanted: list[tuple[slice, int]]) -> Iterator[DeviceAnswer]:
        """Pictures, uint8 (H, W, 3); none of them if one is not what was asked for."""
        numbers = [number for _, number in wanted]
        try:
            found = self._decoder.get_frames_at(numbers)
            pictures = resize_by_area(found.data, self._size or tuple(found.data.shape[2:]))
        except Exception as error:
            raise RefusedError(_first_line(error)) from None
        seconds = self._listing.begins[numbers] * self._listing.tick_seconds
        if np.abs(found.pts_seconds.cpu().numpy() - seconds).max() > self._listing.tick_seconds / 2:
            raise RefusedError("torchcodec gives pictures of other times")
        if not self._is_proven:
            self._compare([(wanted[at][0], pictures[at]) for at in _COMPARED if at < len(wanted)])
            self._is_proven = True
        yield from ((positions, picture) for (positions, _), picture in zip(wanted, pictures, strict=True))

    def _compare(self, some: list[tuple[slice, "Tensor"]]) -> None:
        times = self._times[[positions.start for positions, _ in some]]
        for at, right in read_video_frames(self._path, times, size=self._size, num_threads=1):
            if isinstance(right, MediaError):
                raise RefusedError("PyAV cannot decode it")
            given = some[at.start][1].cpu().numpy()
            if np.abs(given.astype(np.int16) - right).mean() > MOST_DIFFERENT:
                raise RefusedError("torchcodec gives other pictures")


def _open(path: Path, listing: "Listing", device: str) -> Any:
    """A decoder that knows the pictures as we list them, and never skips any: what is before a key frame counts."""
    from torchcodec.decoders import VideoDecoder

    begins, steps = listing.begins, np.diff(listing.begins, append=listing.begins[-1] + 1)
    frames = [
        {"pts": begin, "duration": step, "key_frame": int(begin == begins[0])}
        for begin, step in zip(begins.tolist(), steps.tolist(), strict=True)
    ]
    mappings = json.dumps({"frames": frames})
    index = listing.stream_index
    return VideoDecoder(str(path.absolute()), stream_index=index, device=device, custom_frame_mappings=mappings)


def resize_by_area(pictures: "Tensor", size: tuple[int, int]) -> "Tensor":
    """Average each pixel over the area that it covers; uint8 (B, 3, H, W) -> uint8 (B, h, w, 3), on their device."""
    import torch

    number = torch.float16 if pictures.is_cuda else torch.float32  # half precision rounds by 0.06 of 255 at most
    sides = zip(pictures.shape[2:], size, strict=True)
    rows, columns = (_shares(given, wanted).to(pictures.device, number) for given, wanted in sides)
    resized = rows @ (pictures.to(number) @ columns.T)
    return resized.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


@lru_cache(maxsize=16)
def _shares(given: int, wanted: int) -> "torch.Tensor":
    """How much of each of `wanted` pixels in a row each of `given` is, float32 (wanted, given)."""
    import torch

    edges = np.linspace(0, given, wanted + 1)
    overlaps = np.minimum(edges[1:, None], np.arange(1, given + 1)) - np.maximum(edges[:-1, None], np.arange(given))
    shares = np.maximum(overlaps, 0)
    return torch.from_numpy((shares / shares.sum(axis=1, keepdims=True)).astype(np.float32))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


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
