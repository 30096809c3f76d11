"""A run that finds actions in recordings as graph files, proven on real frames before a byte is written."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.progress import working
from egoact.engines.frame_model import frame_model
from egoact.engines.graphs.onnx_graphs import halve
from egoact.engines.interface import Engine
from egoact.engines.loading import load_engine
from egoact.engines.parity import compare_features
from egoact.engines.streams import StreamEngine, build_streams
from egoact.export.export import write_export
from egoact.export.graphs import build_frame, build_segmenter, check_tensorrt
from egoact.export.parity import check_measured, compare_answers
from egoact.extraction.engine_choice import RealFrames
from egoact.models.backbones.registry import Backbone
from egoact.models.detectors import DetectorModel
from egoact.runs.exported_segmenter import FRAME_NAMES, exported_streams
from egoact.runs.loading import Run
from egoact.runs.segmenter import TrainedSegmenter
from egoact.runs.streams import check_one_network, load_specs

FRAMES_A_CLIP = 20


def export_segmenter(
    run: Run, out: Path, format: str, frames: RealFrames, *, num_clips: int, precision: str, is_for_tensorrt: bool
) -> None:
    """Write the graphs, unless they say something else than torch does in float32; arguments as `export_recognizer`.

    The clips are taken as one recording. Weights are kept in "f32" or, of onnx, "f16", and computed with in float32.

    Raises:
        MediaError: Not one clip can be read.
        ArtifactError: Other weights, or an export instead of a run.
        ValueError: The graphs do not agree with torch, or TensorRT would not take them.
    """
    model, vocabularies = run.segmenter.model, run.segmenter.config.vocabularies
    if isinstance(model, DetectorModel):
        raise ArtifactError("detectors cannot be exported; train a segmenter such as linear or mstcn", path=run.path)
    networks: dict[int, Backbone] = {}

    def load(backbone: Backbone) -> Engine:
        networks[backbone.spec.grid] = backbone
        return load_engine(backbone, engine="torch", precision="f32", device="cpu")

    check_one_network(run.backbones, run.path)
    with working("export: computing clips with torch"):
        backbones = load_specs([spec for spec in run.backbones if spec.has_network], run.choice, run=run.path)
        streams = StreamEngine(build_streams(run.backbones, backbones, load))
        clips = frames.clips(num_clips, num_frames=FRAMES_A_CLIP)
        features = _features(streams, clips)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with working(f"export: writing {format} graphs"):
            files = build_segmenter(format, model, tuple(vocabularies), num_channels=run.segmenter.config.num_channels)
            for grid, backbone in networks.items():
                files |= build_frame(format, frame_model(backbone), streams.input_size, FRAME_NAMES[grid])
            if precision == "f16":
                files = {name: halve(graph) for name, graph in files.items()}
        if is_for_tensorrt:
            check_tensorrt(files)
        write_export(folder, run, files, format=format, precision=precision, parity={})
        with working("export: comparing them with torch"):
            found = _features(exported_streams(folder, run.backbones), clips)
            parity: dict[str, Any] = {"num_clips": len(clips), "features": asdict(compare_features(features, found))}
            parity |= _compare_answers(run.segmenter, TrainedSegmenter.load(folder), features, found)
    check_measured(parity, format, precision)
    write_export(out, run, files, format=format, precision=precision, parity=parity)
    worst = max(compared["max_difference"] for compared in parity["sequence"].values())
    print(
        f"export: {out}: {format} {precision}, {len(features)} real frames against torch: features' cosine "
        f"{parity['features']['lowest']:.5f}, probabilities within {worst:.1g}"
    )


def _features(streams: StreamEngine, clips: np.ndarray) -> np.ndarray:
    """Of all frames of clips (N, T, H, W, 3) but their first, which are earlier ones only: float32 (N (T - 1), D)."""
    parts = [streams.run(clip[1:], clip[:-1]) for clip in clips]
    return np.concatenate([np.concatenate(part, axis=1) for part in parts])


def _compare_answers(
    run: TrainedSegmenter, made: TrainedSegmenter, features: np.ndarray, found: np.ndarray
) -> dict[str, Any]:
    """What each says of features of its own: of the whole recording, and step by step where it sees no future."""
    expected = [_shares(run.score(features))]
    compared = {"sequence": compare_answers(expected, [_shares(made.score(found))])}
    if not run.looks_ahead:
        state, steps = made.initial_state(), []
        for each in found:
            said, state = made.step(each, state)
            steps.append({target: values[None] for target, values in _shares(said).items()})
        compared["step"] = compare_answers(expected, steps)
    return compared


def _shares(said: dict[str, Any]) -> dict[str, np.ndarray]:
    return {target: np.exp(values) for target, values in said.items()}
