"""How fast `egoact predict` is: real recordings, and a generated 1080p60 H.264 file against bare decoding of it.

    python benchmarks/predict_speed.py --run RUN [--videos FOLDER] [--seconds 20] [--precision auto]

Bare decoding is FFmpeg's decoder through PyAV with its own threads, every picture decoded and dropped; it alternates
with predict in the same process. RUN is any run directory of egoact train-timeline.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import tyro

from egoact.media.sources import MediaSource
from egoact.runs.loading import EngineChoice, Run, load_run
from egoact.timelines.output import find_videos
from egoact.timelines.segmenter import predict_recording


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


@dataclass(frozen=True)
class Clock:
    """Seconds on the wall, and of all cores together: the latter hardly depend on what else the machine does."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Clock":
        """This moment."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, begun: "Clock") -> "Clock":
        """How long since then."""
        return Clock(self.wall - begun.wall, self.cpu - begun.cpu)


def decode_bare(path: Path) -> Clock:
    """Decode every picture, with all cores."""
    begun = Clock.now()
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for _ in container.decode(video=0):
            pass
    return Clock.now().since(begun)


def measure(run: Run, path: Path) -> tuple[Clock, float]:
    """What predict takes, and the length of the recording."""
    begun = Clock.now()
    prediction = predict_recording(run, MediaSource(path.stem, path, "video"))
    assert prediction.broken is None and prediction.timeline.duration_seconds is not None
    return Clock.now().since(begun), prediction.timeline.duration_seconds


def main(settings: Settings) -> None:
    begun = Clock.now()
    run = load_run(settings.run, EngineChoice(precision=settings.precision))
    engine = run.engine
    ready = Clock.now().since(begun)
    print(f"{engine.name} {engine.precision}, ready in {ready.wall:.1f} s, {ready.cpu:.1f} s of cores")
    for video in find_videos(settings.videos) if settings.videos else []:
        taken, length = measure(run, video)
        print(
            f"{video.name}: {length:.1f} s of video in {taken.wall:.2f} s: {length / taken.wall:.1f} x real time; "
            f"{taken.cpu:.2f} s of cores: {length / taken.cpu:.1f} x",
            flush=True,
        )
    with tempfile.TemporaryDirectory() as folder:
        path = settings.generated or Path(folder) / "high_definition.mp4"
        if not path.exists():
            write_high_definition(path, seconds=settings.seconds)
        print(f"generated: 1920 x 1080, 60 frames/s, {path.stat().st_size * 8e-6:.0f} Mbit", flush=True)
        for _ in range(settings.repeats):
            bare = decode_bare(path)
            taken, length = measure(run, path)
            print(
                f"bare decoding {60 * length / bare.wall:.0f} frames/s, predict {60 * length / taken.wall:.0f}: "
                f"{100 * bare.wall / taken.wall:.0f} %; cores {bare.cpu:.2f} and {taken.cpu:.2f} s: "
                f"{100 * bare.cpu / taken.cpu:.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main(tyro.cli(Settings))
