"""What `egoact evaluate` and `egoact train` left on disk, read and checked; knows nothing about pages."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.accuracy import confusion_matrix, predict_classes
from egoact.core.metrics.scores import load_scores

if TYPE_CHECKING:
    import pandas as pd

METRICS_NAME, EVALUATION_NAME, SCORES_NAME = "metrics.json", "evaluation.json", "scores.npz"
TARGETS = ("verb", "noun", "action")
MEASURES = ("top1", "top3", "top5", "mean_class")

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TargetResult:
    """Labels and answers of one target; `N` segments, `C` classes."""

    names: tuple[str, ...]  # C
    labels: Classes  # (N,)
    predictions: Classes  # (N,)
    scores: npt.NDArray[np.float32]  # (N, C), higher is better

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.labels), len(self.names)):
            raise ValueError(f"{len(self.labels)} labels of {len(self.names)} classes with scores {self.scores.shape}")

    @property
    def confusion(self) -> Classes:
        """(C, C) counts, rows are the truth."""
        return confusion_matrix(self.labels, self.predictions, num_classes=len(self.names))


@dataclass(frozen=True)
class Evaluation:
    """An evaluated model."""

    path: Path  # the folder
    model: str  # the run or scores file that was evaluated
    segments: str  # the CSV it was evaluated on
    metrics: dict[str, Any]  # metrics.json
    narration_ids: tuple[str, ...]  # N, in the order of the labels
    targets: dict[str, TargetResult]  # "verb" and/or "noun"
    video_ids: tuple[str, ...] = ()  # of each segment; empty where the file does not say
    run: Path | None = None


@dataclass(frozen=True)
class TrainedRun:
    """How a model was trained, as far as its run directory says."""

    path: Path
    history: "pd.DataFrame | None"  # one row an epoch
    settings: dict[str, Any] | None  # settings.json
    retraining: "pd.DataFrame | None" = None  # the epochs of classifiers on a frozen head that followed

    @property
    def num_parameters(self) -> int | None:
        """How many numbers training had to find."""
        return (self.settings or {}).get("num_trainable_parameters")

    @property
    def training_seconds(self) -> float | None:
        """How long its epochs took, those before an interruption included."""
        if self.history is None or "seconds" not in self.history:
            return None
        phases = [self.history] if self.retraining is None else [self.history, self.retraining]
        return round(sum(float(phase["seconds"].sum()) for phase in phases), 3)


def read_evaluation(out: Path) -> Evaluation:
    """Read what a folder holds; an `ArtifactError` where a file is missing, damaged or does not fit the others."""
    metrics = _read_object(out / METRICS_NAME)
    described = _read_object(out / EVALUATION_NAME)
    scores = load_scores(out / SCORES_NAME)
    _check_metrics(metrics, out / METRICS_NAME)
    try:
        targets = {}
        for target, values in scores.by_target().items():
            if target in described["names"]:
                labels = np.array(described["labels"][target], dtype=np.int64)
                names = tuple(map(str, described["names"][target]))
                targets[target] = TargetResult(names, labels, predict_classes(values), values)
                targets[target].confusion  # noqa: B018 - refuses labels outside the classes
        if set(targets) != set(metrics) & {"verb", "noun"}:
            raise ValueError("other targets than metrics.json")
        model, segments = str(described["model"]), str(described["segments"])
        video_ids = tuple(map(str, described.get("video_ids", ())))
        if video_ids and len(video_ids) != len(scores):
            raise ValueError(f"{len(video_ids)} videos for {len(scores)} segments")
        run = None if described.get("run") is None else Path(described["run"])
    except (KeyError, TypeError, ValueError) as error:
        reason = f"does not fit the files beside it ({error}); run egoact evaluate again"
        raise ArtifactError(reason, path=out / EVALUATION_NAME) from None
    return Evaluation(out, model, segments, metrics, scores.narration_ids, targets, video_ids, run)


def read_run(run: Path) -> TrainedRun:
    """Read the histories and settings.json of a run, where they are: a run that was handed on may lack them."""
    settings_path = run / "settings.json"
    settings = _read_object(settings_path) if settings_path.exists() else None
    return TrainedRun(run, _read_history(run / "history.csv"), settings, _read_history(run / "history_classifiers.csv"))


def _read_history(path: Path) -> "pd.DataFrame | None":
    if not path.exists():
        return None
    import pandas as pd  # with a history only: a run in closed form has none

    try:
        history = pd.read_csv(path)
        if "epoch" not in history or not len(history) or not history.map(np.isreal).all(axis=None):
            raise ValueError("not one row of numbers an epoch")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"not a history of 'egoact train' ({error})", path=path) from None
    return history


def _read_object(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise ArtifactError("not a JSON object; run the command again", path=path)
    return found


def _check_metrics(metrics: dict[str, Any], path: Path) -> None:
    try:
        if not {"verb", "noun"} & set(metrics):
            raise ValueError("neither verb nor noun")
        if int(metrics["num_segments"]) < 1:
            raise ValueError("no segments")
        for target in (target for target in TARGETS if target in metrics):
            for measure in MEASURES:
                value = metrics[target][measure]
                if isinstance(value, bool) or not math.isfinite(value) or not 0 <= value <= 100.0001:
                    raise ValueError(f"{target} {measure} is {value!r}, not a percentage")
        for baseline in metrics.get("baselines", {}).values():
            for target, part in baseline.items():
                if target not in TARGETS or not all(0 <= value <= 100.0001 for value in part.values()):
                    raise ValueError("baselines that are no percentages")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"not what egoact evaluate writes ({error}); run it again", path=path) from None
