"""Small recordings with labels, from video files to a trained run, for tests of whole recordings."""

from pathlib import Path

import numpy as np

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.core.annotations.labels import Vocabulary
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.data.features import SPEC
from tests.makers.films.media import write_video

COLOURS = {"open": (220, 40, 40), "close": (40, 60, 220), "": (120, 120, 120)}
SIZE = (48, 64)
RATE = 10
ACTIONS = ("open", "", "close", "", "open", "", "close", "")


def write_recording(
    path: Path, *, seed: int = 0, lengths: tuple[int, int] = (9, 15), **options: object
) -> list[tuple[float, float, str]]:
    """Eight stretches of a colour each, grey where nothing happens; gives (start, stop, verb) in seconds.

    `lengths` are the fewest and most pictures of a stretch.
    """
    random = np.random.default_rng(seed)
    images: list[np.ndarray] = []
    labels = []
    for verb in ACTIONS:
        num_frames = int(random.integers(lengths[0], lengths[1] + 1))
        if verb:
            labels.append((len(images) / RATE, (len(images) + num_frames) / RATE, verb))
        for _ in range(num_frames):
            noise = random.normal(0, 12, (*SIZE, 3))
            images.append(np.clip(np.array(COLOURS[verb]) + noise, 0, 255).astype(np.uint8))
    write_video(path, images=images, rate=RATE, size=SIZE, **options)  # type: ignore[arg-type]
    return labels


def write_labels(path: Path, videos: dict[str, list[tuple[float, float, str]]], *, nouns: bool = False) -> Path:
    """A segments CSV."""
    lines = ["video_id,start_seconds,stop_seconds,verb" + (",noun" if nouns else "")]
    for video_id, labels in videos.items():
        for number, (start, stop, verb) in enumerate(labels):
            noun = f",{('fridge', 'door')[number % 2]}" if nouns else ""
            lines.append(f"{video_id},{start},{stop},{verb}{noun}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def film_recordings(folder: Path) -> Path:
    """Three recordings and their labels; of `folder/videos/kitchen_9.mp4` there are none."""
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2, 3, 9)}
    del videos["kitchen_9"]
    return write_labels(folder / "labels.csv", videos)


def train_run(folder: Path) -> Path:
    """Three recordings, their features and a run; `folder/videos/kitchen_9.mp4` is not trained on."""
    labels = (film_recordings(folder),)
    media, features = (folder / "videos",), folder / "features"
    small = {"backbone": "tiny-random", "size": 32, "engine": "torch"}
    extract(ExtractSettings(segments=labels, media=media, features=features, recordings=True, **small))  # type: ignore[arg-type]
    train_timeline(TrainTimelineSettings(segments=labels, features=(features,), run=folder / "run", rate=8))
    return folder / "run"


def write_clip_run(run: Path) -> Path:
    """A run that names clips, as if trained."""
    config = RecognizerConfig(
        head="average",
        vocabularies={"verb": Vocabulary("verb", ("open", "close"))},
        backbone=SPEC.backbone,
        num_frames=6,
        dropout=0.0,
    )
    Recognizer(config, config.build()).save(run)
    return run
