"""The sound of a recording, in blocks; its time 0 is the first picture, as everywhere.

Shapes: N samples of C channels, float32 from -1 to 1.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from egoact.core.errors import MediaError
from egoact.core.timelines.speech import Loudness
from egoact.media.video.file import JUMP_SECONDS, VideoFile, open_container, shown_ticks

LOUDNESS_SECONDS = 0.05
_RATES = (22050, 24000, 32000, 44100, 48000)  # that speech sounds well at, and that every player takes
_OTHER_RATE = 48000
_JITTER_SECONDS = 0.03  # of timestamps; beyond, samples are missing, or are there twice


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """How samples are counted."""

    rate: int = _OTHER_RATE  # samples a second, of each channel
    num_channels: int = 1  # or 2

    @property
    def layout(self) -> str:
        """Its name in FFmpeg."""
        return "mono" if self.num_channels == 1 else "stereo"


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """The sound of a recording, as long as its pictures."""

    path: Path  # the recording
    form: SoundFormat  # what its sound is converted to
    has_sound: bool  # that can be decoded; if not, it is silent
    start_seconds: float  # when the first picture is shown, by the file's own clock
    length_seconds: float  # from there to the end of the last picture
    has_times: bool  # the packet of every picture says when it is decoded and when shown

    @property
    def num_samples(self) -> int:
        """Of each channel."""
        return round(self.length_seconds * self.form.rate)


def find_sound(path: Path) -> SoundTrack:
    """The sound of a recording; decodes nothing. A `MediaError` where the file cannot be read, or has no pictures."""
    form, has_sound = SoundFormat(), False
    with open_container(path) as container:
        if container.streams.audio:
            context, has_sound = container.streams.audio[0].codec_context, True
            rate = context.sample_rate if context.sample_rate in _RATES else _OTHER_RATE
            form = SoundFormat(rate, min(max(context.channels, 1), 2))
    starts, stops = [], []
    with VideoFile(path) as file:
        has_times = file.has_picture_times
        for packet in iter(file.read, None):
            has_times &= packet.pts is not None and packet.dts is not None
            if (ticks := shown_ticks(packet)) is not None:
                starts.append(ticks)
                stops.append(ticks + (packet.duration or file.frame_ticks))
        if not starts:
            raise MediaError("this recording has no pictures", path=path)
        start, length = min(starts) * file.tick_seconds, (max(stops) - min(starts)) * file.tick_seconds
        return SoundTrack(path, form, has_sound, start, length, has_times and not file.has_jumped)


def read_sound(track: SoundTrack) -> Iterator[np.ndarray]:
    """The samples of a recording, exactly `track.num_samples`.

    Where its sound begins later, ends early or is damaged, it is silent.

    Yields:
        float32 (N, C), N > 0, from -1 to 1.
    """
    position, total = 0, track.num_samples
    for where, samples in _placed(track) if track.has_sound else ():
        start = position if where is None else where
        missing = min(start, total) - position
        yield from _silence(missing, track.form)
        position += max(missing, 0)
        some = samples[max(position - start, 0) :][: total - position]
        if len(some):
            yield some
            position += len(some)
        if position >= total:
            return
    yield from _silence(total - position, track.form)


def measure_loudness(blocks: Iterable[np.ndarray], rate: int) -> Loudness:
    """How loud blocks of samples are, float32 (N, C) each; of all channels together."""
    size = max(round(LOUDNESS_SECONDS * rate), 1)
    powers: list[np.ndarray] = []
    rest = np.empty(0)
    for block in blocks:
        squares = np.concatenate([rest, np.mean(np.square(block, dtype=np.float64), axis=1)])
        num_whole = len(squares) // size
        powers.append(squares[: num_whole * size].reshape(num_whole, size).mean(axis=1))
        rest = squares[num_whole * size :]
    powers.append(np.array([rest.mean()] if len(rest) else []))
    return Loudness(size / rate, np.concatenate(powers))


def decode_sound(container: Any, form: SoundFormat) -> Iterator[tuple[float | None, np.ndarray]]:
    """All sound of an open container: when each block begins by the file's own clock, and float32 (N, C).

    What cannot be decoded is left out.
    """
    stream = container.streams.audio[0]
    resampler = None
    for frame in _frames(container, stream):
        parts = None
        if resampler is not None:
            with suppress(ValueError):  # from here on it has another rate or layout
                parts = resampler.resample(frame)
        if parts is None:
            # 16 bits, because of floats FFmpeg would add up the channels to more than 1.
            resampler = av.AudioResampler(format="s16", layout=form.layout, rate=form.rate)
            parts = resampler.resample(frame)
        yield from (_samples(part, form) for part in parts)
    if resampler is not None:
        yield from (_samples(part, form) for part in resampler.resample(None))


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            frames = [] if packet is None else packet.decode()
        except (av.error.FFmpegError, OSError):  # of a damaged packet; where the file is, there are no others
            continue
        if packet is None:
            return
        yield from frames


def _samples(frame: Any, form: SoundFormat) -> tuple[float | None, np.ndarray]:
    seconds = None if frame.pts is None else float(frame.pts * frame.time_base)
    return seconds, frame.to_ndarray().reshape(-1, form.num_channels) * np.float32(1 / 32768)


def _placed(track: SoundTrack) -> Iterator[tuple[int | None, np.ndarray]]:
    """Blocks, and at which sample each begins; None: where the one before ended."""
    rate, expected, shift = track.form.rate, None, 0
    with open_container(track.path) as container:
        for seconds, samples in decode_sound(container, track.form):
            where = None if seconds is None else round((seconds - track.start_seconds) * rate) + shift
            if where is not None and expected is not None and where < expected - JUMP_SECONDS * rate:
                shift += expected - where  # its clock begins anew, as in `VideoFile.read`
                where = expected
            if where is None or (expected is not None and abs(where - expected) <= _JITTER_SECONDS * rate):
                where = expected
            yield where, samples
            expected = (where or 0) + len(samples)


def _silence(num_samples: int, form: SoundFormat) -> Iterator[np.ndarray]:
    while num_samples > 0:
        some = min(num_samples, form.rate)
        yield np.zeros((some, form.num_channels), dtype=np.float32)
        num_samples -= some
