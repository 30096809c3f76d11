"""`egoact explain clip`: where in each frame, and at which frames, a run looked to answer about a segment.

OUT/clip.npz      frames, Grad-CAM maps, importance of frames, attention
OUT/clip.json     the answers, the moments, and a check with shuffled weights
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.errors import AnnotationError, ArtifactError
from egoact.core.sampling import sample_uniform
from egoact.core.segments import read_segments
from egoact.data.atomic import write_atomically
from egoact.data.frame_grid import lay_grid
from egoact.data.media import MediaSource, find_media, read_clip
from egoact.explain.saliency import ClipSaliency, explain_clip_frames, map_correlation, shuffle_weights
from egoact.models.backbones import Backbone, check_same_backbone, load_backbone
from egoact.models.recognizer import Recognizer

CLIP_NAME, MAPS_NAME = "clip.json", "clip.npz"


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Show where a run looked in a clip, and which frames mattered.

    Grad-CAM of the predicted verb and noun in every frame, the loss without each frame, and the head's own attention
    if it has any. A sanity check repeats it with shuffled weights.
    """

    run: Path
    """Run directory."""
    out: Path
    """Folder for strip.png, clip.mp4, index.html and the numbers."""
    media: tuple[Path, ...]
    """Folder (or several) with the recordings, or one video file."""
    segments: Path | None = None
    """Segments CSV, with --narration-id."""
    narration_id: str | None = None
    """Which segment of it; default: the first."""
    start_seconds: float = 0.0
    """Without --segments: where the clip begins in the video file."""
    stop_seconds: float | None = None
    """Without --segments: where it ends; default: the end of the video."""
    weights: Path | None = None
    """Weights of the backbone from a file, if the run's were."""
    seed: int = 0
    """Of the shuffled weights."""


def explain_clip(settings: ClipSettings) -> int:
    """Explain one clip; 0, or an error.

    Raises:
        ArtifactError: Not a run, or a backbone with other weights than the run's.
        MediaError: A recording that is missing or frames that cannot be decoded.
        AnnotationError: No such segment.
        ValueError: Impossible settings.
    """
    recognizer = Recognizer.load(settings.run)
    backbone = _load_backbone(recognizer, settings)
    source, start, stop, truth = _find_clip(settings)
    times = sample_uniform(start, stop, num_frames=recognizer.config.num_frames)
    frames = read_clip(source, times, size=backbone.spec.input_size)
    model = recognizer.model.requires_grad_(False)
    found = explain_clip_frames(backbone, model, frames)
    shuffled = Backbone(backbone.spec, shuffle_weights(backbone.module, seed=settings.seed))
    check = {
        "head": explain_clip_frames(backbone, shuffle_weights(model, seed=settings.seed), frames),  # type: ignore[arg-type]
        "head_and_backbone": explain_clip_frames(
            shuffled,
            shuffle_weights(model, seed=settings.seed),  # type: ignore[arg-type]
            frames,
        ),
    }
    described = {
        "run": str(settings.run),
        "head": recognizer.config.head,
        "video_id": source.video_id,
        "start_seconds": start,
        "stop_seconds": stop,
        "times_seconds": times.tolist(),
        "truth": truth,
        "answers": _describe(recognizer, found),
        "correlation_with_shuffled_weights": _compare(found, check),
    }
    _write(settings.out, described, frames, found)
    _say(described, found)
    return 0


def _load_backbone(recognizer: Recognizer, settings: ClipSettings) -> Backbone:
    spec = recognizer.config.only_backbone(settings.run)
    try:
        backbone = load_backbone(
            spec.name, weights=settings.weights, cut=spec.cut, size=spec.input_size[0], kind=spec.kind
        )
    except ValueError as error:
        raise ArtifactError(f"its backbone cannot be loaded: {error}", path=settings.run) from None
    check_same_backbone(backbone.spec, spec, path=settings.run)
    return backbone


def _find_clip(settings: ClipSettings) -> tuple[MediaSource, float, float, dict[str, str | None]]:
    """The recording, the span in seconds, and the labels as far as they are known."""
    if settings.segments is None:
        if settings.narration_id is not None:
            raise ValueError("--narration-id needs --segments")
        if len(settings.media) != 1 or not settings.media[0].is_file():
            raise ValueError("without --segments, --media must be one video file")
        source = MediaSource(settings.media[0].stem, settings.media[0], "video")
        grid = lay_grid(source)
        stop = settings.stop_seconds or grid.num_frames / grid.frame_rate
        return source, settings.start_seconds, stop, {}
    table = read_segments(settings.segments)
    chosen = [s for s in table if settings.narration_id in (None, s.narration_id)]
    if not chosen:
        raise AnnotationError(f"there is no segment {settings.narration_id}", path=settings.segments)
    segment = chosen[0]
    truth = {"narration_id": segment.narration_id, "verb": segment.verb, "noun": segment.noun}
    return find_media(settings.media, segment.video_id), segment.start_seconds, segment.stop_seconds, truth


def _describe(recognizer: Recognizer, found: ClipSaliency) -> dict[str, Any]:
    names = {target: vocabulary.names for target, vocabulary in recognizer.config.vocabularies.items()}
    return {
        target: {"name": names[target][part.class_id], "probability": round(part.probability, 4)}  # type: ignore[index]
        for target, part in found.targets.items()
    }


def _compare(found: ClipSaliency, check: dict[str, ClipSaliency]) -> dict[str, dict[str, float]]:
    return {
        target: {
            name: round(map_correlation(part.maps, other.targets[target].maps), 4) for name, other in check.items()
        }
        for target, part in found.targets.items()
    }


def _write(out: Path, described: dict[str, Any], frames: np.ndarray, found: ClipSaliency) -> None:
    arrays = {"frames": frames}
    for target, part in found.targets.items():
        arrays |= {f"{target}_maps": part.maps, f"{target}_importance": part.importance}
    if found.attention is not None:
        arrays["attention"] = found.attention
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / MAPS_NAME, content.getvalue())
    write_atomically(out / CLIP_NAME, (json.dumps(described, indent=2) + "\n").encode())


def _say(described: dict[str, Any], found: ClipSaliency) -> None:
    for target, part in found.targets.items():
        answer, same = described["answers"][target], described["correlation_with_shuffled_weights"][target]
        most = int(part.importance.argmax())
        print(
            f"{target}: {answer['name']} ({100 * answer['probability']:.0f} %); the frame at "
            f"{described['times_seconds'][most]:.2f} s mattered most; maps of shuffled weights correlate with "
            f"{same['head']:.2f} (head), {same['head_and_backbone']:.2f} (head and backbone)"
        )
