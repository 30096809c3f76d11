"""Sound as a file: WAV, or MP4 with the recording's pictures beside it.

Shapes: N samples of C channels, float32 from -1 to 1.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.packet import Packet

from egoact.core.errors import MediaError
from egoact.media.sound.reader import SoundFormat, SoundTrack
from egoact.media.video.file import open_container, picture_stream
from egoact.media.video.writer import Edit, encode_again, new_container

SUFFIXES = (".wav", ".mp4")
_COPIED = ("h264", "hevc", "mpeg4", "vp9", "av1", "mpeg2video")
"""Codecs that players expect in MP4; pictures in others are encoded again."""
_PICTURE_OPTIONS = {"preset": "veryfast", "crf": "20"}
_BITS_PER_CHANNEL = 96_000
_COMMENT = "comment"
_MARK = "egoact: spoken description"


@dataclass(frozen=True)
class PictureEncoding:
    """How pictures get into an MP4 file."""

    copied: Collection[str] = _COPIED  # codecs that are copied as they are; others are encoded again
    options: Mapping[str, str] = field(default_factory=lambda: _PICTURE_OPTIONS)  # of libx264
    most_lines: int | None = None  # height at most of pictures that are encoded again
    edit: Edit | None = None  # what becomes of pictures that are encoded again


def is_ours(path: Path) -> bool:
    """Whether a file was written by `write_sound`."""
    try:
        with av.open(str(path)) as container:
            return container.metadata.get(_COMMENT) == _MARK
    except (av.error.FFmpegError, OSError, ValueError):
        return False


def write_sound(
    path: Path,
    blocks: Iterable[np.ndarray],
    track: SoundTrack,
    *,
    comment: str = _MARK,
    encoding: PictureEncoding | None = None,
) -> None:
    """Write the sound of a recording, by the suffix as WAV (16 bits) or as MP4 (AAC) with its pictures; atomically.

    Pictures are copied as they are where MP4 has a place for them, and otherwise encoded again as H.264. Sound and
    pictures begin at 0.

    `blocks`, float32 (N, C) each, are of the recording's `track`; `comment` is what the file says of itself, by default
    what `is_ours` looks for.

    Raises:
        ValueError: Another suffix.
        MediaError: The recording cannot be read, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name}: sound is written as {' or '.join(SUFFIXES)}")
    try:
        if suffix == ".wav":
            with new_container(path, kind="wav", options={"rf64": "auto"}) as made:
                made.metadata[_COMMENT] = comment
                _mux_until(made, _encode(made, "pcm_s16le", track.form, blocks), float("inf"))
        else:
            _write_mp4(path, blocks, track, comment, encoding or PictureEncoding())
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"cannot be written ({error.strerror or error})", path=path) from None


def _write_mp4(
    path: Path, blocks: Iterable[np.ndarray], track: SoundTrack, comment: str, encoding: PictureEncoding
) -> None:
    """Pictures and sound by turns, so that neither has to wait for the other in memory."""
    with open_container(track.path) as container, new_container(path, options={"movflags": "+faststart"}) as made:
        made.metadata[_COMMENT] = comment
        stream = picture_stream(container, track.path)
        is_copied = track.has_times and stream.codec_context.codec.canonical_name in encoding.copied
        start = round(track.start_seconds / float(stream.time_base))  # pyrefly: ignore[bad-argument-type]  # picture_stream has one
        if is_copied:
            pictures = _copied(container, stream, made, start)
        else:
            how = {"options": encoding.options, "most_lines": encoding.most_lines, "edit": encoding.edit}
            pictures = encode_again(stream, made, start_ticks=start, **how)
        first = next(pictures, None)
        if first is None:
            raise MediaError("no picture of this recording can be decoded", path=track.path)
        sound = _encode(made, "aac", track.form, blocks)
        ahead = _mux_until(made, sound, _seconds(first))
        made.mux(first)
        for packets in pictures:
            if ahead < _seconds(packets):
                ahead = _mux_until(made, sound, _seconds(packets))
            made.mux(packets)
        _mux_until(made, sound, float("inf"))


def _copied(container: Any, stream: Any, made: Any, start_ticks: int) -> Iterator[list[Packet]]:
    copy = made.add_stream_from_template(stream)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            return  # the file is damaged here, and the recording ends for everybody
        if packet is None:
            return
        if packet.dts is None:
            continue  # PyAV's empty packet at the end
        packet.pts -= start_ticks
        packet.dts -= start_ticks
        packet.stream = copy
        yield [packet]


def _seconds(packets: list[Packet]) -> float:
    """When these packets are decoded; 0 where there are none."""
    return max((float(p.dts * p.time_base) for p in packets if p.dts is not None and p.time_base), default=0.0)


def _mux_until(made: Any, sound: Iterator[tuple[float, list[Packet]]], seconds: float) -> float:
    """Write sound up to a time; gives the time it was written to."""
    for stop, packets in sound:
        made.mux(packets)
        if stop >= seconds:
            return stop
    return float("inf")


def _encode(
    made: Any, codec: str, form: SoundFormat, blocks: Iterable[np.ndarray]
) -> Iterator[tuple[float, list[Packet]]]:
    """Blocks as a stream of a file: for each when it ends, in seconds, and the packets that it brings."""
    stream = made.add_stream(codec, rate=form.rate, layout=form.layout)
    if codec == "aac":
        stream.bit_rate = _BITS_PER_CHANNEL * form.num_channels
    position = 0
    for block in blocks:
        samples = np.ascontiguousarray(block, dtype=np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=form.layout)
        frame.sample_rate, frame.pts, frame.time_base = form.rate, position, Fraction(1, form.rate)
        position += len(block)
        yield position / form.rate, stream.encode(frame)
    yield position / form.rate, stream.encode(None)
