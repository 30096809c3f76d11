"""`egoact compare`: many models on the same segments, in one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tyro

from egoact.core.action_ranking import ActionScoring
from egoact.core.bootstrap import NUM_DRAWS
from egoact.core.comparison import compare_models
from egoact.core.errors import ArtifactError
from egoact.core.evaluation_files import TARGETS, Evaluation, read_run
from egoact.core.metrics import Ranked, rank_answers
from egoact.models.recognizer import CONFIG_NAME, Recognizer
from egoact.stages._candidates import align, name_apart, read_candidate, time_clips
from egoact.stages._run_files import write_json

COMPARISON_NAME = "comparison.json"
TABLE_NAME = "comparison.csv"


@dataclass(frozen=True)
class CompareSettings:
    """Compare models on the same segments: accuracy with intervals, significance, size and speed.

    Intervals are of 95 %, from draws of whole videos. Differences in top-1 are tested by McNemar's exact test,
    corrected by Holm's method for the number of models.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that egoact evaluate wrote, or run directories."""
    out: Path
    """Folder for comparison.csv, comparison.json and comparison.html."""
    segments: Path | None = None
    """Segments CSV with labels to measure run directories on."""
    features: tuple[Path, ...] = ()
    """Feature stores that hold those segments; each run reads the one, or those, of its backbones."""
    against: Literal["first", "best"] = "first"
    """Which model the others are tested against: the first one given, or the one with the best top-1 (of actions,
    where all know them)."""
    draws: int = NUM_DRAWS
    """Draws of videos for the intervals."""
    rounds: int = 50
    """Times to measure how long one clip takes."""
    seed: int = 0
    """Of the draws."""
    action_scoring: ActionScoring = "per_segment"
    """As in egoact evaluate."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("give the runs or evaluation folders to compare")
        if (self.segments is None) == bool(self.features):
            raise ValueError("--segments and --features belong together")
        for name in ("draws", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, got {getattr(self, name)}")


def compare(settings: CompareSettings) -> int:
    """Write comparison.json and comparison.csv; see `CompareSettings`.

    Raises:
        ArtifactError: A folder that is neither a run nor an evaluation, or models of different segments or labels.
    """
    names = name_apart(settings.runs)
    found = [read_candidate(p, segments=settings.segments, features=settings.features) for p in settings.runs]
    candidates = {name: align(one, found[0]) for name, one in zip(names, found, strict=True)}
    ranks = {name: _rank(candidate, settings.action_scoring) for name, candidate in candidates.items()}
    reference = names[0] if settings.against == "first" else _best(ranks)
    video_ids = found[0].video_ids
    table = compare_models(ranks, video_ids, reference=reference, num_draws=settings.draws, seed=settings.seed)
    costs = _measure_costs(candidates, settings.rounds)
    document: dict[str, Any] = {
        "segments": found[0].segments,
        "num_segments": len(video_ids),
        "num_videos": len(set(video_ids)),
        "num_draws": settings.draws,
        "reference": reference,
        "models": [{"name": name, "path": str(candidates[name].path), **costs[name], **table[name]} for name in names],
    }
    settings.out.mkdir(parents=True, exist_ok=True)
    rows = sorted((_flatten(model) for model in document["models"]), key=len, reverse=True)
    columns = dict.fromkeys(column for row in rows for column in row)  # the reference has no differences
    pd.DataFrame(map(_flatten, document["models"]), columns=list(columns)).to_csv(
        settings.out / TABLE_NAME, index=False
    )
    write_json(settings.out / COMPARISON_NAME, document)
    return 0


def _rank(candidate: Evaluation, scoring: ActionScoring) -> dict[str, Ranked]:
    scores = {target: part.scores for target, part in candidate.targets.items()}
    labels = {target: part.labels for target, part in candidate.targets.items()}
    return rank_answers(scores, labels, action_scoring=scoring)  # type: ignore[arg-type]


def _best(ranks: dict[str, dict[str, Ranked]]) -> str:
    """The model that is right most often about what all of them know: actions, else verbs, else nouns."""
    known = [t for t in ("action", "verb", "noun") if all(t in of_model for of_model in ranks.values())]
    if not known:
        raise ValueError("--against best: the models have no target in common")
    return max(ranks, key=lambda name: int((ranks[name][known[0]].better < 1).sum()))


def _measure_costs(candidates: dict[str, Evaluation], rounds: int) -> dict[str, dict[str, Any]]:
    """Size, training time and inference time, where the run is at hand: an evaluation may have been handed on."""
    runs = {name: c.run for name, c in candidates.items() if c.run is not None and (c.run / CONFIG_NAME).is_file()}
    recognizers = {name: Recognizer.load(run) for name, run in runs.items()}
    milliseconds = time_clips(recognizers, rounds=rounds)
    unknown = ("head", "num_trainable_parameters", "training_seconds", "inference_milliseconds")
    costs: dict[str, dict[str, Any]] = {name: dict.fromkeys(unknown) for name in candidates}
    for name, run in runs.items():
        costs[name] = {
            "head": recognizers[name].config.head,
            "num_trainable_parameters": _count_parameters(recognizers[name], run),
            "training_seconds": read_run(run).training_seconds,
            "inference_milliseconds": round(milliseconds[name], 4),
        }
    return costs


def _count_parameters(recognizer: Recognizer, run: Path) -> int | None:
    try:
        return recognizer.model.num_trainable
    except ArtifactError:  # an export
        return read_run(run).num_parameters


def _flatten(model: dict[str, Any]) -> dict[str, Any]:
    """One row: verb_top1, verb_top1_low, verb_top1_high, ..., verb_difference, ..., verb_p, verb_p_holm."""
    row = {key: value for key, value in model.items() if key not in TARGETS}
    for target in TARGETS:
        for measure, values in model.get(target, {}).items():
            for key, value in values.items():
                middle = "" if measure == "against" else f"_{measure}"
                end = "" if key == "value" else f"_{key}"
                if measure == "against" and key in ("low", "high"):
                    end = f"_difference_{key}"
                row[f"{target}{middle}{end}"] = value
    return row
