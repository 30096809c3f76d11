"""`egoact export`: a run as graph files that answer without torch, proven on real clips."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from egoact.core.errors import ArtifactError, MediaError
from egoact.core.sampling import sample_uniform
from egoact.core.segments import Segment, read_segments
from egoact.data.media import MediaRoot, read_frames
from egoact.engines.export import BUILDERS, ExportParts
from egoact.engines.frame_model import FrameModel
from egoact.engines.parity import MIN_COSINE, compare_features
from egoact.models.backbones import Backbone, check_same_backbone, load_backbone
from egoact.models.exported import (
    EXPORT_NAME,
    LABELS_NAME,
    ExportManifest,
    WindowModel,
    is_export,
    open_graph,
)
from egoact.models.recognizer import CONFIG_NAME, Recognizer
from egoact.stages._engine_choice import NUM_FRAMES_TO_CALIBRATE, RealFrames
from egoact.stages._run_files import write_json

MAX_PROBABILITY_ERROR = {"f32": 1e-3, "int8": 1.0}  # int8 is bound by its features; what it does to answers is told


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Write a run as graphs that go from frames to probabilities, with preprocessing inside, and prove them.

    OUT gets the whole recognizer as one graph, the same cut in two for streams (a frame to features, a window of
    features to probabilities), labels.json, and export.json with how far it is from torch on real clips.
    """

    run: Path
    """Run directory."""
    out: Path
    """Folder for the graphs."""
    segments: Path
    """CSV of segments whose clips prove the export, and calibrate int8; labels are not looked at."""
    media: Path
    """Folder with their recordings, as in egoact extract."""
    format: Literal["onnx", "openvino"] = "onnx"
    """Of the graphs."""
    precision: Literal["f32", "int8"] = "f32"
    """Of the backbone; what comes after it is always float32."""
    weights: Path | None = None
    """Weights of the backbone, if the run's features were made with a file of them."""
    clips: int = 8
    """How many clips to prove it on, spread over all segments."""

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ValueError(f"--clips must be at least 1, got {self.clips}")


def export(settings: ExportSettings) -> int:
    """Write the graphs, unless they say something else than torch does.

    Raises:
        AnnotationError: The CSV is wrong.
        MediaError: Not one clip can be read.
        ArtifactError: Not a run, other weights, or a folder that holds something else.
        ValueError: The graphs do not agree with torch.
    """
    _check_is_free(settings.out)
    recognizer = Recognizer.load(settings.run)
    recognizer.model.cpu()
    backbone = _backbone_of(recognizer, settings)
    table = read_segments(settings.segments)
    frames = RealFrames(MediaRoot(settings.media), table, backbone.spec.input_size)
    clips = _clips(frames, settings.clips, recognizer.config.num_frames)
    files = BUILDERS[settings.format](_parts(settings, recognizer, backbone, frames))
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        parity = measure_parity(Path(folder), settings.format, recognizer, backbone, clips)
    check_measured(parity, settings.format, settings.precision)
    _write(settings, recognizer, files, parity)
    print(_describe(settings, parity))
    return 0


def _check_is_free(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not is_export(out)):
        raise ArtifactError("this holds something that is no export; give an empty or new folder", path=out)


def _backbone_of(recognizer: Recognizer, settings: ExportSettings) -> Backbone:
    spec = recognizer.config.only_backbone(settings.run)
    backbone = load_backbone(spec.name, weights=settings.weights, cut=spec.cut, size=spec.input_size[0], kind=spec.kind)
    check_same_backbone(backbone.spec, spec, path=settings.run)
    return backbone


def _clips(frames: RealFrames, count: int, num_frames: int) -> np.ndarray:
    """uint8 (N, T, H, W, 3): whole clips spread over the segments; those that cannot be read are passed over.

    Raises:
        MediaError: There is not one; says why the first cannot be read.
    """
    segments = sorted(frames.segments, key=lambda s: (s.video_id, s.start_seconds, s.narration_id))
    found: list[np.ndarray] = []
    refusal: MediaError | None = None
    for index in np.linspace(0, len(segments) - 1, min(count, len(segments))).round().astype(int):
        try:
            found.append(_clip(frames, segments[index], num_frames))
        except MediaError as error:
            refusal = refusal or error
    if refusal is not None and not found:
        raise refusal
    return np.stack(found)


def _clip(frames: RealFrames, segment: Segment, num_frames: int) -> np.ndarray:
    times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=num_frames)
    clip = np.empty((num_frames, *frames.size, 3), np.uint8)
    for positions, frame in read_frames(frames.root.find(segment.video_id), times, size=frames.size):
        if isinstance(frame, MediaError):
            raise frame
        clip[positions] = frame
    return clip


def _parts(settings: ExportSettings, recognizer: Recognizer, backbone: Backbone, frames: RealFrames) -> ExportParts:
    config, spec = recognizer.config, backbone.spec
    targets = tuple(config.vocabularies)
    return ExportParts(
        frame=FrameModel(backbone.module, mean=spec.mean, std=spec.std).eval(),
        window=WindowModel(recognizer.model, targets).eval(),
        targets=targets,
        input_size=spec.input_size,
        clip_shape=(config.num_frames, *spec.feature_shape),
        calibration=frames.spread(NUM_FRAMES_TO_CALIBRATE) if settings.precision == "int8" else None,
    )


def measure_parity(
    folder: Path, format: str, recognizer: Recognizer, backbone: Backbone, clips: np.ndarray
) -> dict[str, Any]:
    """How far graphs are from torch in float32.

    Args:
        folder: With the three graphs.
        format: Of them.
        recognizer: The run.
        backbone: Its backbone.
        clips: uint8 (N, T, H, W, 3).

    Returns:
        num_clips, features: {cosine, scale_error}, and for each target of the whole recognizer and of the streaming
        pair the largest difference of a probability, and the share (0 to 1) of clips with the same best class.
    """
    spec = backbone.spec
    reference = FrameModel(backbone.module, mean=spec.mean, std=spec.std).eval()
    whole, frame, window = (open_graph(folder, name, format) for name in ("recognizer", "frame", "window"))
    answers: dict[str, list[dict[str, np.ndarray]]] = {"torch": [], "recognizer": [], "pair": []}
    agreement: list[tuple[float, float]] = []
    for clip in clips:
        with torch.inference_mode():
            features = reference(torch.from_numpy(clip)).numpy()
            logits = recognizer.model(torch.from_numpy(features)[None])
        found = frame(clip)["features"]
        agreement.append(compare_features(features, found))
        answers["torch"].append({target: values.softmax(-1).numpy() for target, values in logits.items()})
        answers["recognizer"].append(whole(clip[None]))
        answers["pair"].append(window(found[None]))
    return {
        "num_clips": len(clips),
        "features": {"cosine": min(a for a, _ in agreement), "scale_error": max(b for _, b in agreement)},
        **{name: _compare_answers(answers["torch"], answers[name]) for name in ("recognizer", "pair")},
    }


def _compare_answers(expected: Sequence[dict[str, np.ndarray]], found: Sequence[dict[str, np.ndarray]]) -> dict:
    compared = {}
    for target in expected[0]:
        a, b = (np.concatenate([answer[target] for answer in answers]) for answers in (expected, found))
        compared[target] = {
            "max_difference": float(np.abs(a - b).max()) if np.isfinite(b).all() else float("inf"),
            "same_answer": float((a.argmax(1) == b.argmax(1)).mean()),
        }
    return compared


def check_measured(parity: dict[str, Any], format: str, precision: str) -> None:
    """Refuse graphs that say something else.

    Raises:
        ValueError: Says what differs.
    """
    cosine = parity["features"]["cosine"]
    worst = max(compared["max_difference"] for name in ("recognizer", "pair") for compared in parity[name].values())
    if not (cosine >= MIN_COSINE[precision] and worst <= MAX_PROBABILITY_ERROR[precision]):
        raise ValueError(
            f"the {format} graphs in {precision} do not agree with torch on {parity['num_clips']} clips: features' "
            f"cosine {cosine:.4f} (needed {MIN_COSINE[precision]}), probabilities up to {worst:.4f} off (allowed "
            f"{MAX_PROBABILITY_ERROR[precision]}); nothing was written"
        )


def _write(settings: ExportSettings, recognizer: Recognizer, files: dict[str, bytes], parity: dict[str, Any]) -> None:
    """Everything, export.json last: without it a folder is no export."""
    config = recognizer.config
    settings.out.mkdir(parents=True, exist_ok=True)
    (settings.out / EXPORT_NAME).unlink(missing_ok=True)
    for name, content in files.items():
        (settings.out / name).write_bytes(content)
    write_json(settings.out / CONFIG_NAME, config.to_dict())
    write_json(settings.out / LABELS_NAME, {target: list(v.names) for target, v in config.vocabularies.items()})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    targets = tuple(config.vocabularies)
    manifest = ExportManifest(settings.format, settings.precision, targets, digests, parity)
    write_json(settings.out / EXPORT_NAME, manifest.to_dict())


def _describe(settings: ExportSettings, parity: dict[str, Any]) -> str:
    answers = ", ".join(
        f"{target} the same on {compared['same_answer']:.0%}, probabilities within {compared['max_difference']:.1g}"
        for target, compared in parity["recognizer"].items()
    )
    return (
        f"export: {settings.out}: {settings.format} {settings.precision}, {parity['num_clips']} real clips against "
        f"torch: features' cosine {parity['features']['cosine']:.5f}, {answers}"
    )
