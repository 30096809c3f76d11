"""`egoact predict`: from recordings to timelines."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional

from egoact import __version__
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.prediction import Prediction
from egoact.core.progress import Progress, format_seconds
from egoact.data.media import VIDEO_SUFFIXES, MediaSource
from egoact.data.recording import estimate_steps
from egoact.stages._predictor import Predictor
from egoact.stages._run_engine import EngineSettings
from egoact.stages._run_files import write_json

JSON_NAME, CSV_NAME, VTT_NAME, SUMMARY_NAME = "timeline.json", "timeline.csv", "timeline.vtt", "summary.json"


@dataclass(frozen=True)
class PredictSettings:
    """Find the actions of a recording, or of a folder of recordings.

    Writes timeline.json, timeline.csv (to correct and train on), timeline.vtt and timeline.html; of a folder one
    folder a recording, and a page that sums them up.
    """

    video: Positional[Path]
    """Video file, or folder of video files."""
    run: Path
    """Run directory of egoact train."""
    out: Path
    """Folder to write."""
    descriptions: bool = False
    """Word timeline.vtt to be spoken: "opens the fridge"."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    """What computes the backbone."""
    precision: Literal["auto", "f32", "bf16", "int8"] = "auto"
    """Of the computation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


def predict(settings: PredictSettings) -> int:
    """Write timelines.

    Returns:
        Number of recordings that cannot be read to their end.

    Raises:
        MediaError: The video is not there, or not one step of it can be read.
        ArtifactError: A run that cannot be used.
        OSError: A folder that cannot be written.
    """
    videos = find_videos(settings.video)
    check_writable(settings.out)
    predictor = Predictor.load(
        settings.run, EngineSettings(settings.weights, settings.engine, settings.precision, settings.device)
    )
    if not settings.video.is_dir():
        return _predict_one(predictor, videos[0], settings.out, settings)["broken"] is not None
    folders = name_folders(settings.video, videos)
    rows: list[dict[str, Any]] = []
    for video, folder in zip(videos, folders, strict=True):
        try:
            row = _predict_one(predictor, video, settings.out / folder, settings)
        except MediaError as error:
            print(f"predict: {error}", file=sys.stderr)
            row = {"video_id": video.stem, "failed": str(error)}
        rows.append({"folder": folder, "video": os.path.relpath(video, settings.video)} | row)
    write_json(settings.out / SUMMARY_NAME, {"recordings": rows})
    num_failed = sum(row.get("broken") is not None or "failed" in row for row in rows)
    print(f"predict: {len(rows)} recordings, {num_failed} of them with errors")
    return num_failed


def find_videos(path: Path) -> list[Path]:
    """A file, or the video files of a folder at any depth.

    Raises:
        MediaError: Not there, or no video in it.
    """
    if not path.exists():
        raise MediaError("there is no such video or folder", path=path)
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))
    if not found:
        raise MediaError(f"no video in this folder (*{', *'.join(VIDEO_SUFFIXES)})", path=path)
    return found


def name_folders(root: Path, videos: Sequence[Path]) -> list[str]:
    """A folder for each recording: its place below the root without suffix; with it where two would be the same."""
    short = [video.relative_to(root).with_suffix("").as_posix() for video in videos]
    counts = Counter(name.lower() for name in short)
    return [
        name if counts[name.lower()] == 1 else video.relative_to(root).as_posix()
        for name, video in zip(short, videos, strict=True)
    ]


def check_writable(folder: Path) -> None:
    """Find out now that nothing can be written, rather than after an hour.

    Raises:
        ArtifactError: Why not.
    """
    probe = folder / ".egoact"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ArtifactError(f"cannot write here ({error.strerror}); give another --out", path=folder) from None


def _predict_one(predictor: Predictor, video: Path, out: Path, settings: PredictSettings) -> dict[str, Any]:
    """Write one timeline; gives its row of the summary."""
    out.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    source = MediaSource(video.stem, video, "video")
    total = estimate_steps(source, rate=predictor.finder.rules.rate)
    with Progress(video.name, total=total, unit="steps") as progress:
        prediction = predictor.predict(source, folder=out, advance=progress.advance)
    seconds = time.monotonic() - begun
    write_prediction(prediction, video, out, predictor, descriptions=settings.descriptions, run=settings.run)
    length = prediction.timeline.duration_seconds or 0.0
    if prediction.broken:
        print(f"predict: {video}: breaks {prediction.broken}", file=sys.stderr)
    print(
        f"predict: {video.name}: {len(prediction.timeline)} actions in {format_seconds(length)} of video, "
        f"{length / seconds:.1f} x real time"
    )
    return {
        "video_id": video.stem,
        "seconds": length,
        "num_actions": len(prediction.timeline),
        "broken": prediction.broken,
    }


def write_prediction(
    prediction: Prediction, video: Path, out: Path, predictor: Predictor, *, descriptions: bool, run: Path
) -> None:
    """`timeline.json`, `.csv` and `.vtt`; JSON last, so that it is there only when all are."""
    origin = {
        "egoact": __version__,
        "run": str(run),
        "head": predictor.finder.config.head,
        "backbone": predictor.finder.config.backbone.name,
        "engine": f"{predictor.engine.name} {predictor.engine.precision}",
        "steps_per_second": predictor.finder.rules.rate,
        "background": "learned"
        if predictor.finder.rules.has_background
        else f"below {predictor.finder.rules.threshold:.3f}",
        "calibrated": bool(predictor.finder.rules.temperature),
    }
    (out / CSV_NAME).write_text(prediction.to_csv(), encoding="utf-8", newline="")
    (out / VTT_NAME).write_text(prediction.to_vtt(descriptions=descriptions), encoding="utf-8", newline="")
    text = prediction.to_json(video_path=relative_path(video, out), origin=origin)
    part = out / f"{JSON_NAME}.part"
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(out / JSON_NAME)


def relative_path(video: Path, folder: Path) -> str:
    """From a folder to a video, with forward slashes; absolute where no relative one exists (another drive)."""
    try:
        return Path(os.path.relpath(video.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return video.resolve().as_posix()
