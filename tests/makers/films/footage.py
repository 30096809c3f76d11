"""Films as cameras, editors and browsers leave them, each with what it shows when: the truth that readers are held to.

Every picture carries its number (`picture`, `number_in`), and begins at a time that is known from how it was made, not
from what a container says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.stream import Disposition

from tests.makers.films.media import jpeg, picture, write_video

NUM_FRAMES = 60
NTSC = Fraction(30000, 1001)
_RNG = np.random.default_rng(0)
IRREGULAR_MS = np.concatenate([[0], np.cumsum(_RNG.integers(10, 90, size=NUM_FRAMES - 1))]).tolist()
"""When pictures begin at a variable rate."""
_VPX = {"deadline": "realtime", "cpu-used": "8"}


@dataclass(frozen=True)
class Film:
    """A video file, when each of its pictures begins, seconds from the first one, and when the last one ends."""

    path: Path
    begins: np.ndarray
    numbers: Sequence[int]
    end_seconds: float

    def numbers_at(self, times: np.ndarray) -> list[int]:
        """What is shown at some moments."""
        return [self.numbers[at - 1] for at in np.searchsorted(self.begins, times, side="right")]


def regular(path: Path, *, num_frames: int, rate: Fraction | int = 30, first: int = 0) -> Film:
    """What a file of one rate shows."""
    begins = np.array([float(n / Fraction(rate)) for n in range(num_frames)])
    return Film(path, begins, range(first, first + num_frames), float(num_frames / Fraction(rate)))


def _film(path: Path, **options: Any) -> Film:
    write_video(path, num_frames=NUM_FRAMES, **options)
    if "pts" in options:
        begins = np.array(options["pts"]) / 1000
        return Film(path, begins, range(NUM_FRAMES), float(begins[-1]) + 0.02)
    return regular(path, num_frames=NUM_FRAMES, rate=options.get("rate", 30))


def _x265(parameters: str) -> dict[str, Any]:
    return {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": f"log-level=none:{parameters}"}}


def copy_packets(source: Path, path: Path, change: Callable[[int, Packet], bool], **options: str) -> Path:
    """Write the pictures of a file into another container; `change` may change packets, and says which to keep."""
    with av.open(str(source)) as read, av.open(str(path), "w", options=options) as made:
        stream = made.add_stream_from_template(read.streams.video[0])
        packets = (packet for packet in read.demux(video=0) if packet.size)
        for number, packet in enumerate(packets):
            if change(number, packet):
                packet.stream = stream
                made.mux(packet)
    return path


def _source(path: Path) -> Path:
    """Where to write what is then copied; Matroska does not keep when packets are decoded."""
    return path.with_name("source.ts" if path.suffix == ".ts" else "source.mp4")


def shift(packet: Packet, seconds: float) -> bool:
    """Change when a packet is decoded and shown."""
    assert packet.time_base is not None and packet.pts is not None and packet.dts is not None
    ticks = round(seconds / packet.time_base)
    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
    return True


def _shifted(path: Path, *, seconds: float, **options: str) -> Film:
    source = write_video(_source(path), num_frames=NUM_FRAMES, b_frames=2)
    copy_packets(source, path, lambda _, packet: shift(packet, seconds), **options)
    return regular(path, num_frames=NUM_FRAMES)


def trimmed(path: Path) -> Film:
    """Without its first half second, by an edit list: what players leave out is in the file all the same."""
    _shifted(path, seconds=-0.5, avoid_negative_ts="disabled")
    return regular(path, num_frames=NUM_FRAMES - 15, first=15)


def cut(path: Path) -> Film:
    """An edit list of two: after half a second the second half second is left out (with B-frames FFmpeg loses some)."""
    write_video(path, num_frames=NUM_FRAMES)
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") - 4
    edits = [(500, 0), (1000, 15360)]  # ms of the film, and from which tick of the media on
    box = b"elst" + bytes(4) + (2).to_bytes(4)
    box += b"".join(ms.to_bytes(4) + ticks.to_bytes(4) + (1 << 16).to_bytes(4) for ms, ticks in edits)
    box = (len(box) + 4).to_bytes(4) + box
    grown = len(box) - int.from_bytes(content[at : at + 4])
    content[at : at + len(box) - grown] = box
    for name in (b"moov", b"trak", b"edts"):  # around it; the index is last, so that nothing else moves
        place = content.index(name) - 4
        content[place : place + 4] = (int.from_bytes(content[place : place + 4]) + grown).to_bytes(4)
    path.write_bytes(content)
    begins = np.arange(45) / 30
    return Film(path, begins, [*range(15), *range(30, 60)], 1.5)


def with_gap(path: Path, *, gop: int = 12) -> Film:
    """Timestamps jump ahead by 10 s: of what was there meanwhile nothing is known."""
    source = write_video(_source(path), num_frames=NUM_FRAMES, gop=gop)
    copy_packets(source, path, lambda number, packet: shift(packet, 10.0 * (number >= 24)))
    begins = np.arange(NUM_FRAMES) / 30 + 10.0 * (np.arange(NUM_FRAMES) >= 24)
    return Film(path, begins, range(NUM_FRAMES), 12.0)


def _several(path: Path, *, is_cover: bool) -> Film:
    """Something else comes first: a smaller film that is not the default, or a cover picture."""
    with av.open(str(path), "w") as container:
        other = container.add_stream("mjpeg" if is_cover else "libx264", rate=30)
        other.height, other.width, other.pix_fmt = 48, 72, "yuvj420p" if is_cover else "yuv420p"
        other.disposition = Disposition.attached_pic if is_cover else Disposition(0)
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "18"})
        stream.height, stream.width, stream.pix_fmt = 96, 144, "yuv420p"
        stream.disposition = Disposition.default
        for n in range(NUM_FRAMES):
            if not (is_cover and n):
                container.mux(other.encode(av.VideoFrame.from_ndarray(picture(4000 - n, size=(48, 72)), "rgb24")))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(n), "rgb24")))
        for made in (other, stream):
            container.mux(made.encode(None))
    return regular(path, num_frames=NUM_FRAMES)


def _attached(path: Path) -> Film:
    """A cover picture that is attached, as Matroska has it."""
    source = write_video(_source(path), num_frames=NUM_FRAMES)
    with av.open(str(source)) as read, av.open(str(path), "w") as made:
        made.add_attachment("cover.jpg", "image/jpeg", jpeg(4000, size=(480, 720)))
        stream = made.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size:
                packet.stream = stream
                made.mux(packet)
    return regular(path, num_frames=NUM_FRAMES)


FILMS: dict[str, tuple[str, Callable[[Path], Film]]] = {
    "h264 mp4": ("film.mp4", _film),
    "h264 mp4 b-frames": ("film.mp4", partial(_film, b_frames=3)),
    "h264 mp4 fragments": ("film.mp4", partial(_film, container_options={"movflags": "frag_keyframe+empty_moov"})),
    "h264 mp4 29.97": ("film.mp4", partial(_film, rate=NTSC, b_frames=2)),
    "h264 mp4 variable": ("film.mp4", partial(_film, pts=IRREGULAR_MS, time_base=Fraction(1, 1000), b_frames=2)),
    "h264 mp4 interlaced": ("film.mp4", partial(_film, b_frames=2, options={"x264-params": "interlaced=1:tff=1"})),
    "h264 mp4 open gop": ("film.mp4", partial(_film, b_frames=3, options={"x264-params": "open-gop=1:scenecut=0"})),
    "h264 mp4 trimmed": ("film.mp4", trimmed),
    "h264 mp4 cut": ("film.mp4", cut),
    "h264 mp4 240": ("film.mp4", partial(_film, rate=240)),
    "h264 mp4 1": ("film.mp4", partial(_film, rate=1)),
    "hevc mp4 open gop": ("film.mp4", partial(_film, b_frames=3, **_x265("keyint=12:open-gop=1"))),
    "hevc mp4 hdr": (
        "film.mp4",
        partial(
            _film,
            pixel_format="yuv420p10le",
            **_x265("keyint=12:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
        ),
    ),
    "prores mov alpha": ("film.mov", partial(_film, codec="prores_ks", pixel_format="yuva444p10le")),
    "h264 mkv": ("film.mkv", partial(_film, b_frames=3)),
    "h264 mkv 29.97": ("film.mkv", partial(_film, rate=NTSC)),
    "h264 mkv 59.94": ("film.mkv", partial(_film, rate=2 * NTSC)),
    "h264 mkv variable": ("film.mkv", partial(_film, pts=IRREGULAR_MS, time_base=Fraction(1, 1000), b_frames=2)),
    "h264 mkv 240": ("film.mkv", partial(_film, rate=240)),
    "h264 mkv late": ("film.mkv", partial(_shifted, seconds=5.0)),
    "ffv1 mkv": ("film.mkv", partial(_film, codec="ffv1", pixel_format="bgr0")),
    "vp8 webm": ("film.webm", partial(_film, codec="libvpx", options=_VPX)),
    "vp9 webm odd": ("film.webm", partial(_film, codec="libvpx-vp9", size=(97, 145), options=_VPX)),
    "h264 ts offset": ("film.ts", partial(_shifted, seconds=1000.0)),
    "h264 ts wrap": ("film.ts", partial(_shifted, seconds=2**33 / 90000 - 1, avoid_negative_ts="disabled")),
    "mpeg2 ts interlaced": (
        "film.ts",
        partial(_film, codec="mpeg2video", b_frames=2, options={"flags": "+ildct+ilme", "b": "3000000"}),
    ),
    "mpeg4 avi b-frames": ("film.avi", partial(_film, codec="mpeg4", b_frames=2)),
    "mjpeg avi": ("film.avi", partial(_film, codec="mjpeg", pixel_format="yuvj420p")),
    "h264 flv": ("film.flv", partial(_film, b_frames=2)),
    "wmv2 wmv": ("film.wmv", partial(_film, codec="wmv2")),
    "h264 mp4 two streams": ("film.mp4", partial(_several, is_cover=False)),
    "h264 mp4 cover": ("film.mp4", partial(_several, is_cover=True)),
    "h264 mkv two streams": ("film.mkv", partial(_several, is_cover=False)),
    "h264 mkv cover": ("film.mkv", _attached),
}
"""Name -> the name of a file, and what makes it."""
