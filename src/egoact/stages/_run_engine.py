"""Where backbones and runs meet engines."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.engines import Engine, load_engine
from egoact.engines.engine import find_device, offered_pairs
from egoact.models.backbones import Backbone, check_same_backbone, load_backbone
from egoact.models.exported import ExportedFrames, is_export
from egoact.models.recognizer import RecognizerConfig


@dataclass(frozen=True)
class EngineSettings:
    """What computes the features of a run.

    Args:
        weights: File of the backbone's weights, where the run's backbone was given one.
        engine: As `load_engine`.
        precision: As `load_engine`; "auto" is that of the features which the run was trained on, where this machine has
            it: they were found to be as good as float32's when they were extracted.
        device: As `load_engine`.
    """

    weights: Path | None = None
    engine: str = "auto"
    precision: str = "auto"
    device: str = "auto"


def load_backbone_engine(
    backbone: Backbone,
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    calibration: np.ndarray | bytes | None = None,
    is_compiled: bool = False,
) -> Engine:
    """An engine for frames as the backbone wants them; see `load_engine`."""
    spec = backbone.spec
    return load_engine(
        backbone.module,
        input_size=spec.input_size,
        mean=spec.mean,
        std=spec.std,
        engine=engine,
        precision=precision,
        device=device,
        calibration=calibration,
        is_compiled=is_compiled,
    )


def load_run_engine(config: RecognizerConfig, *, run: Path, settings: EngineSettings | None = None) -> Engine:
    """The backbone that a run was trained on, in a fast engine; of an export its own frame graph.

    Args:
        config: Of the run.
        run: Run directory, or a folder that `egoact export` made.
        settings: What computes; None: whatever is best here.

    Raises:
        ArtifactError: The run has several backbones, the weights that are here are others, or the export is damaged.
        ValueError: Another engine, precision or device than the export's.
    """
    asked = settings or EngineSettings()
    if is_export(run):
        return _exported(run, asked)
    spec = config.only_backbone(run)
    backbone = load_backbone(spec.name, weights=asked.weights, cut=spec.cut, size=spec.input_size[0], kind=spec.kind)
    check_same_backbone(backbone.spec, spec, path=run)
    precision = asked.precision
    if precision == "auto":
        precision = trusted_precision(config.precision, asked.engine, find_device(asked.device, asked.engine))
    return load_backbone_engine(backbone, engine=asked.engine, precision=precision, device=asked.device)


def trusted_precision(trained: str, engine: str, device: str) -> str:
    """That of the training features, or float32: int8 would need their graph, and this machine may lack bf16."""
    offered = {precision for _, precision in offered_pairs(engine, "auto", device)}
    return trained if trained in offered else "f32"


def _exported(folder: Path, asked: EngineSettings) -> Engine:
    frames = ExportedFrames(folder)
    for flag, wanted, has in (
        ("engine", asked.engine, frames.name),
        ("precision", asked.precision, frames.precision),
        ("device", asked.device, "cpu"),
    ):
        if wanted not in ("auto", has):
            raise ValueError(f"--{flag} {wanted}: the export {folder} has {has}; leave it away, or give the run itself")
    return frames
