"""`egoact export`: a run as graph files that answer without torch, proven on real clips."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from egoact.core.errors import ArtifactError, MediaError
from egoact.core.sampling import sample_uniform
from egoact.core.segments import Segment, read_segments
from egoact.data.media import MediaRoot, read_frames
from egoact.engines.export import BUILDERS, ExportParts, build_window
from egoact.engines.frame_model import FrameModel
from egoact.models.backbones import Backbone, check_same_backbone, load_backbone
from egoact.models.exported import (
    EXPORT_NAME,
    LABELS_NAME,
    ExportManifest,
    WindowModel,
    is_export,
)
from egoact.models.recognizer import CONFIG_NAME, Recognizer
from egoact.stages._action_finder import BACKGROUND_FOLDER
from egoact.stages._engine_choice import NUM_FRAMES_TO_CALIBRATE, RealFrames
from egoact.stages._export_parity import check_measured, measure_parity, measure_window_parity, torch_features
from egoact.stages._run_files import write_json


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
    media: tuple[Path, ...]
    """Folder (or several) with their recordings, as in egoact extract."""
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
    features = torch_features(backbone, clips)
    files = BUILDERS[settings.format](_parts(settings, recognizer, backbone, frames))
    with _unpacked(files) as folder:
        parity = measure_parity(folder, settings.format, recognizer, clips, features, precision=settings.precision)
    check_measured(parity, settings.format, settings.precision)
    exports = [(settings.out, recognizer, files, parity)]
    if (settings.run / BACKGROUND_FOLDER).is_dir():
        exports.insert(0, _background(settings, features))
    for out, each, content, measured in exports:
        _write(out, settings, each, content, measured)
    print(_describe(settings, parity))
    return 0


def _background(
    settings: ExportSettings, features: Sequence[np.ndarray]
) -> tuple[Path, Recognizer, dict[str, bytes], dict[str, Any]]:
    """The second model of a run that also knows what nothing looks like: a window graph on the same features."""
    recognizer = Recognizer.load(settings.run / BACKGROUND_FOLDER)
    targets = tuple(recognizer.config.vocabularies)
    window = WindowModel(recognizer.model.cpu(), targets).eval()
    files = build_window(settings.format, window, targets, features[0].shape)
    with _unpacked(files) as folder:
        parity = measure_window_parity(folder, settings.format, recognizer, features)
    check_measured(parity, settings.format, "f32")
    return settings.out / BACKGROUND_FOLDER, recognizer, files, parity


@contextmanager
def _unpacked(files: dict[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


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


def _write(
    out: Path, settings: ExportSettings, recognizer: Recognizer, files: dict[str, bytes], parity: dict[str, Any]
) -> None:
    """Everything, export.json last: without it a folder is no export."""
    config = recognizer.config
    out.mkdir(parents=True, exist_ok=True)
    (out / EXPORT_NAME).unlink(missing_ok=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    write_json(out / CONFIG_NAME, config.to_dict())
    write_json(out / LABELS_NAME, {target: list(v.names) for target, v in config.vocabularies.items()})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    targets = tuple(config.vocabularies)
    manifest = ExportManifest(settings.format, settings.precision, targets, digests, parity)
    write_json(out / EXPORT_NAME, manifest.to_dict())


def _describe(settings: ExportSettings, parity: dict[str, Any]) -> str:
    answers = ", ".join(
        f"{target} the same on {compared['same_answer']:.0%}, probabilities within {compared['max_difference']:.1g}"
        for target, compared in parity["recognizer"].items()
    )
    return (
        f"export: {settings.out}: {settings.format} {settings.precision}, {parity['num_clips']} real clips against "
        f"torch: features' cosine {parity['features']['lowest']:.5f}, {answers}"
    )
