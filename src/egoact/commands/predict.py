"""`egoact predict`: from recordings to timelines."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from egoact.core.errors import ArtifactError, MediaError

if TYPE_CHECKING:
    from egoact.runs.loading import Run


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
    proxy: bool = True
    """Write timeline.mp4, a small H.264 copy for the page, where browsers do not play the recording's codec."""
    overwrite: bool = False
    """Replace timelines that were edited, too; without it they are left as they are."""


def predict(settings: PredictSettings) -> int:
    """Write timelines.

    Returns:
        Number of recordings that cannot be read to their end, or whose timelines were edited.

    Raises:
        MediaError: The video is not there, or not one step of it can be read.
        ArtifactError: A run that cannot be used, a folder that cannot be written, or a timeline that was edited.
    """
    from egoact.core.files import write_json
    from egoact.runs.loading import EngineChoice, load_run, rules_of
    from egoact.timelines.output import SUMMARY_NAME, check_writable, find_videos, name_folders

    videos = find_videos(settings.video)
    check_writable(settings.out)
    choice = EngineChoice(settings.weights, settings.engine, settings.precision, settings.device)
    run = load_run(settings.run, choice)
    rules_of(run)  # before anything is read
    options = {"descriptions": settings.descriptions, "overwrite": settings.overwrite, "proxy": settings.proxy}
    if not settings.video.is_dir():
        return _predict_one(run, videos[0], settings.out, **options)["broken"] is not None
    folders = name_folders(settings.video, videos)
    rows: list[dict[str, Any]] = []
    for video, folder in zip(videos, folders, strict=True):
        try:
            row = _predict_one(run, video, settings.out / folder, **options)
        except (ArtifactError, MediaError) as error:
            print(f"predict: {error}", file=sys.stderr)
            row = {"video_id": video.stem, "failed": str(error)}
        rows.append({"folder": folder, "video": os.path.relpath(video, settings.video)} | row)
    write_json(settings.out / SUMMARY_NAME, {"recordings": rows})
    num_failed = sum(row.get("broken") is not None or "failed" in row for row in rows)
    print(f"predict: {len(rows)} recordings, {num_failed} of them with errors")
    return num_failed


def _predict_one(
    run: "Run", video: Path, out: Path, *, descriptions: bool, overwrite: bool, proxy: bool
) -> dict[str, Any]:
    """Write one timeline; gives its row of the summary."""
    from egoact.core.progress import Progress, format_seconds
    from egoact.media.recording import estimate_steps
    from egoact.media.sources import MediaSource
    from egoact.runs.loading import rules_of
    from egoact.timelines.output import check_not_edited, write_playable, write_prediction
    from egoact.timelines.segmenter import predict_recording

    out.mkdir(parents=True, exist_ok=True)
    if not overwrite:
        check_not_edited(out)
    begun = time.monotonic()
    source = MediaSource.of_file(video)
    with Progress(video.name, total=estimate_steps(source, rate=rules_of(run).rate), unit="steps") as progress:
        prediction = predict_recording(run, source, folder=out, advance=progress.advance)
    seconds = time.monotonic() - begun
    write_prediction(prediction, video, out, run, descriptions=descriptions)
    if proxy:
        write_playable(video, out)
    length = prediction.timeline.duration_seconds or 0.0
    num_actions, broken = len(prediction.timeline), prediction.broken
    if broken:
        print(f"predict: {video}: breaks {broken}", file=sys.stderr)
    print(
        f"predict: {video.name}: {num_actions} actions in {format_seconds(length)} of video, "
        f"{length / seconds:.1f} x real time"
    )
    return {"video_id": source.video_id, "seconds": length, "num_actions": num_actions, "broken": broken}
