"""How fast `egoact predict` is: real recordings, and a generated 1080p60 H.264 file against bare decoding of it.

    python benchmarks/predict_speed.py --run RUN [--videos FOLDER] [--seconds 20] [--precision auto]

Bare decoding is FFmpeg's decoder through PyAV with its own threads, every picture decoded and dropped; it alternates
with predict in the same process. RUN is any run directory with pooled features.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import tyro

from egoact.data.media import MediaSource
from egoact.stages._predictor import Predictor
from egoact.stages.predict import find_videos


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    run: Path
    """Run directory."""
    videos: Path | None = None
    """Real recordings."""
    seconds: int = 20
    """Length of the generated recording."""
    generated: Path | None = None
    """Where to keep the generated recording; what is there is taken as it is."""
    repeats: int = 2
    """Measurements of it."""
    precision: str = "auto"
    """As in egoact predict."""


def write_high_definition(path: Path, *, seconds: int) -> None:
    """1920 x 1080, 60 frames per second: a textured scene that a head turns through."""
    random = np.random.default_rng(0)
    octaves = [random.normal(0, 70 / 2**n, (9 * 2**n, 16 * 2**n)).astype(np.float32) for n in range(7)]
    scene = sum(cv2.resize(octave, (3840, 2160), interpolation=cv2.INTER_CUBIC) for octave in octaves)
    light = np.clip(scene + 128, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.options = {"preset": "superfast", "crf": "23"}
        stream.codec_context.gop_size = 120
        planes = np.full((1620, 1920), 128, dtype=np.uint8)  # luma above chroma
        for number in range(seconds * 60):
            x, y = round(960 + 900 * np.sin(number / 90)), round(540 + 500 * np.sin(number / 140))
            planes[:1080] = light[y : y + 1080, x : x + 1920]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))


def decode_bare(path: Path) -> float:
    """Seconds to decode every picture, with all cores."""
    begun = time.perf_counter()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass
    return time.perf_counter() - begun


def measure(predictor: Predictor, path: Path) -> tuple[float, float]:
    """Seconds that predict takes, and the length of the recording."""
    begun = time.perf_counter()
    prediction = predictor.predict(MediaSource(path.stem, path, "video"))
    assert prediction.broken is None and prediction.timeline.duration_seconds is not None
    return time.perf_counter() - begun, prediction.timeline.duration_seconds


def main(settings: Settings) -> None:
    begun = time.perf_counter()
    predictor = Predictor.load(settings.run, precision=settings.precision)
    engine = predictor.engine
    print(f"{engine.name} {engine.precision}, ready in {time.perf_counter() - begun:.1f} s")
    for video in find_videos(settings.videos) if settings.videos else []:
        seconds, length = measure(predictor, video)
        print(
            f"{video.name}: {length:.1f} s of video in {seconds:.2f} s: {length / seconds:.1f} x real time", flush=True
        )
    with tempfile.TemporaryDirectory() as folder:
        path = settings.generated or Path(folder) / "high_definition.mp4"
        if not path.exists():
            write_high_definition(path, seconds=settings.seconds)
        megabits = path.stat().st_size * 8e-6 / settings.seconds
        print(f"generated: 1920 x 1080, 60 frames/s, {settings.seconds} s, {megabits:.1f} Mbit/s", flush=True)
        for _ in range(settings.repeats):
            bare = decode_bare(path)
            seconds, length = measure(predictor, path)
            print(
                f"bare decoding {60 * length / bare:.0f} frames/s, predict {60 * length / seconds:.0f} frames/s "
                f"({length / seconds:.1f} x real time): {100 * bare / seconds:.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main(tyro.cli(Settings))
