"""Recordings with sound that says where it is, and a voice whose speech can be measured."""

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.makers.films.media import write_video

RATE = 44100
HUM_HERTZ, VOICE_HERTZ = 300, 3000  # of what a recording sounds like, and of the voice


def tone(seconds: float, *, hertz: float = HUM_HERTZ, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    """float32 (N,)."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def add_sound(
    video: Path,
    path: Path,
    samples: np.ndarray,
    *,
    rate: int = RATE,
    codec: str = "aac",
    layout: str = "mono",
    start_seconds: float = 0.0,
    gap_at: float | None = None,
) -> Path:
    """A recording's pictures as they are, with sound: float32 (N,), the same in all channels.

    It begins at `start_seconds`, and half a second is missing at `gap_at`.
    """
    with av.open(str(video)) as container, av.open(str(path), "w") as made:
        source = container.streams.video[0]
        pictures, sound = made.add_stream_from_template(source), made.add_stream(codec, rate=rate, layout=layout)
        num_channels = sound.codec_context.channels
        for first in range(0, len(samples), rate // 10):
            block = samples[first : first + rate // 10]
            frame = av.AudioFrame.from_ndarray(np.repeat(block, num_channels)[None].copy(), format="flt", layout=layout)
            later = 0.5 if gap_at is not None and first >= round(gap_at * rate) else 0.0
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first + round((start_seconds + later) * rate)
            made.mux(sound.encode(frame))
        made.mux(sound.encode(None))
        for packet in container.demux(source):
            if packet.dts is not None:
                packet.stream = pictures
                made.mux(packet)
    return path


def write_recording_with_sound(path: Path, samples: np.ndarray, *, codec: str = "libx264", **options: object) -> Path:
    """Ten numbered pictures a second for as long as the sound is."""
    silent = path.with_name(f"silent_{path.name}")
    write_video(silent, num_frames=round(len(samples) / RATE * 10), rate=10, codec=codec)
    return add_sound(silent, path, samples, **options)  # type: ignore[arg-type]


def read_all_sound(path: Path, *, rate: int = RATE) -> np.ndarray:
    """What a player plays, float32 (N,), from the file's time 0 on; decoded without our own code."""
    parts: list[np.ndarray] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                if not parts:
                    parts.append(np.zeros(max(round(float(part.pts * part.time_base) * rate), 0), dtype=np.float32))
                parts.append(part.to_ndarray()[0] / np.float32(32768))
        parts += [part.to_ndarray()[0] / np.float32(32768) for part in resampler.resample(None)]
    return np.concatenate(parts)


def level_of(samples: np.ndarray, hertz: float, *, rate: int = RATE, block_seconds: float = 0.02) -> np.ndarray:
    """Amplitude of one frequency in each block."""
    size = round(block_seconds * rate)
    blocks = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size)
    wave = np.exp(-2j * np.pi * hertz * np.arange(size) / rate)
    return np.abs(blocks @ wave) / np.hanning(size).sum() * 2


def stretches_of(samples: np.ndarray, hertz: float, *, least: float, block_seconds: float = 0.02) -> np.ndarray:
    """Where a frequency is heard: float64 (M, 2), start and stop in seconds."""
    heard = level_of(samples, hertz, block_seconds=block_seconds) > least
    return np.flatnonzero(np.diff(np.concatenate([[0], heard, [0]]))).reshape(-1, 2) * block_seconds


_VOICE = """
import io, sys, wave
import math, struct
how, path, seconds_a_word, *rest = sys.argv[1:]
text = rest[0] if rest else sys.stdin.read()
seconds = float(seconds_a_word) * len(text.split())
n = round(22050 * seconds)
tone = [round(16000 * math.sin(2 * math.pi * 3000 * i / 22050)) for i in range(n)]
silent = [0] * 2205
buffer = io.BytesIO()
with wave.open(buffer, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(22050)
    file.writeframes(struct.pack(f"<{n + 4410}h", *silent, *tone, *silent))
with open(sys.argv[0] + ".heard", "a") as log:
    log.write(text + "\\n")
if how == "file":
    open(path, "wb").write(buffer.getvalue())
else:
    sys.stdout.buffer.write(buffer.getvalue())
"""


def write_voice(folder: Path, *, how: str = "file", text: Sequence[str] = (), seconds_a_word: float = 0.2) -> str:
    """A command that speaks a tone of 3 kHz, 0.2 s a word, with silence around it.

    It writes a file ("file") or to standard output ("pipe"), and says the last argument if `text` is ("{text}",).
    `heard(folder)` are the texts that it was given.
    """
    path = folder / "voice.py"
    path.write_text(_VOICE, encoding="utf-8")
    place = "{wav}" if how == "file" else "-"
    return " ".join([sys.executable, str(path), how, place, str(seconds_a_word), *text])


def heard(folder: Path) -> list[str]:
    """What the voice of `write_voice` was given to say."""
    path = folder / "voice.py.heard"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
