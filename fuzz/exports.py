"""Exported folders as a stranger could make them: whatever is changed, export.json has the right hashes of it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from egoact.core.annotations.labels import Vocabulary
from egoact.core.bounds import load_json
from egoact.engines.frame_model import frame_model
from egoact.export.export import write_export
from egoact.export.graphs import BUILDERS, ExportParts, WindowModel, build_frame, build_segmenter
from egoact.models.backbones.registry import load_backbone
from egoact.runs.exported import EXPORT_NAME
from egoact.runs.loading import Run, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter

_SIZE, _FRAMES = 32, 3
_CLASSES = {"verb": Vocabulary("verb", ("open", "close")), "noun": Vocabulary("noun", ("tap", "cup"))}


def make_export(folder: Path, *, format: str, is_segmenter: bool) -> None:
    """Write an exported folder of an untrained run, as small as may be; its graphs are not compared with torch."""
    torch.manual_seed(0)
    backbone = load_backbone("tiny-random", size=_SIZE, cut=1)
    answers: Recognizer | TrainedSegmenter
    if is_segmenter:
        small = {"width": 4, "layers": 1}
        config = SegmenterConfig("causal_tcn", _CLASSES, (backbone.spec,), rate=4, components=2, options=small)
        answers = TrainedSegmenter(config, config.build())
        graphs = build_segmenter(format, answers.model, tuple(_CLASSES), num_channels=config.num_channels)
        graphs |= build_frame(format, frame_model(backbone), backbone.spec.input_size, "frame")
    else:
        head = RecognizerConfig("average", _CLASSES, backbone.spec, num_frames=_FRAMES, dropout=0.5)
        answers = Recognizer(head, head.build())
        window = WindowModel(answers.model, tuple(_CLASSES)).eval()
        clip_shape = (_FRAMES, *backbone.spec.feature_shape)
        parts = ExportParts(
            frame_model(backbone), window, tuple(_CLASSES), backbone.spec.input_size, clip_shape, calibration=None
        )
        graphs = BUILDERS[format](parts)
    write_export(folder, Run(folder, answers), graphs, format=format, precision="f32", parity={})


def read_export_folder(folder: Path) -> None:
    """Load it and have it answer about pictures, as `predict` and `live` do."""
    _correct_hashes(folder)
    run = load_run(folder)
    spec = run.backbones[0]
    if np.prod(spec.input_size) * run.engine.batch_size > 10**6:
        return
    run.engine.run(np.zeros((2, *spec.input_size, 3), np.uint8))
    if isinstance(run.answers, Recognizer):
        shape = run.answers.config.feature_shape
        if np.prod(shape) * run.answers.config.num_frames < 10**6:
            run.answers.score(np.zeros((1, run.answers.config.num_frames, *shape), np.float32))
    elif sum(run.answers.config.num_channels) < 10**5:
        features = np.zeros((3, sum(run.answers.config.num_channels)), np.float32)
        run.answers.score(features)
        if not run.answers.looks_ahead:
            run.answers.step(features[0], run.answers.initial_state())


def _correct_hashes(folder: Path) -> None:
    path = folder / EXPORT_NAME
    try:
        values = load_json(path)
        wrong = [
            name
            for name, digest in values["files"].items()
            if (folder / name).is_file() and digest != hashlib.sha256((folder / name).read_bytes()).hexdigest()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return  # it is what was changed
    for name in wrong:
        values["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    if wrong:
        path.write_text(json.dumps(values))
