"""Models side by side: what each answers to the same segments, in the same order, and what it costs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.union import read_labels
from egoact.core.errors import ArtifactError
from egoact.core.metrics.accuracy import predict_classes
from egoact.core.metrics.action_ranking import ActionScoring
from egoact.core.metrics.evaluation_files import (
    EVALUATION_NAME,
    TARGETS,
    Evaluation,
    TargetResult,
    read_evaluation,
    read_run,
)
from egoact.core.metrics.protocol import Ranked, rank_answers
from egoact.runs.features import choose_stores
from egoact.runs.loading import load_run
from egoact.runs.provenance import Provenance, warn
from egoact.runs.recognizer import CONFIG_NAME, Recognizer

_WARM_UPS = 5


def read_model(path: Path, *, segments: Sequence[Path], features: tuple[Path, ...]) -> Evaluation:
    """What `egoact evaluate` wrote, or a run that is measured now.

    Raises:
        ArtifactError: Neither of both, damaged, or of segments whose recordings are not known.
        ValueError: A run without `segments` or `features`.
    """
    if (path / EVALUATION_NAME).is_file():
        evaluation = read_evaluation(path)
        if not evaluation.video_ids:
            reason = "does not say which video each segment is of; run egoact evaluate again"
            raise ArtifactError(reason, path=path / EVALUATION_NAME)
        return evaluation
    if not (path / CONFIG_NAME).is_file():
        raise ArtifactError("neither a folder that egoact evaluate wrote nor a run of egoact train", path=path)
    if not segments or not features:
        raise ValueError(f"{path} is a run: give --segments and --features to measure it, or its evaluation folder")
    return _answer(path, segments, features)


def _answer(run: Path, segments: Sequence[Path], features: tuple[Path, ...]) -> Evaluation:
    table = read_labels(segments)
    loaded = load_run(run)
    scores = loaded.score(table, choose_stores(loaded.config, features))
    targets: dict[str, TargetResult] = {}
    for target, vocabulary in loaded.config.vocabularies.items():
        labels = vocabulary.encode(table, allow_unlabelled=False)
        values = scores.by_target()[target]
        targets[target] = TargetResult(vocabulary.names, labels, predict_classes(values), values)
    video_ids = tuple(segment.video_id for segment in table)
    seen = Provenance.read(run)
    metrics = {} if seen is None else {"seen": seen.describe(table)}
    return Evaluation(run, str(run), str(table.path), metrics, scores.narration_ids, targets, video_ids, run)


def notes_of(model: Evaluation) -> list[str]:
    """What has to be said beside the figures of a model: whether it was trained or chosen on these segments."""
    return warn(model.metrics["seen"]) if "seen" in model.metrics else []


def align(model: Evaluation, first: Evaluation) -> Evaluation:
    """The same answers in the order of the first model's segments; an `ArtifactError` for others, or other labels."""
    row_of = {narration_id: row for row, narration_id in enumerate(model.narration_ids)}
    known = set(first.narration_ids)
    if odd := [name for name in first.narration_ids if name not in row_of] or sorted(row_of.keys() - known):
        reason = f"answers {len(row_of)} segments, {first.path} {len(known)}, and {odd[0]} is only in one of them"
        raise ArtifactError(f"{reason}; compare models on the same segments", path=model.path)
    rows = np.array([row_of[name] for name in first.narration_ids])
    targets = {
        target: TargetResult(part.names, part.labels[rows], part.predictions[rows], part.scores[rows])
        for target, part in model.targets.items()
    }
    for target in targets.keys() & first.targets.keys():  # class ids may differ, what they mean may not
        sides = [[part.names[label] for label in part.labels] for part in (targets[target], first.targets[target])]
        for name, our, their in zip(first.narration_ids, *sides, strict=True):
            if our != their:
                reason = f"{name} is labelled {target} '{our}' here and '{their}' in {first.path}"
                raise ArtifactError(f"{reason}; compare models on the same labels", path=model.path)
    video_ids = tuple(model.video_ids[row] for row in rows)
    return replace(model, narration_ids=first.narration_ids, video_ids=video_ids, targets=targets)


def name_apart(paths: Sequence[Path]) -> list[str]:
    """The shortest endings of paths that tell them all apart.

    >>> name_apart([Path("runs/lstm"), Path("runs/gru")]), name_apart([Path("a/lstm"), Path("b/lstm")])
    (['lstm', 'gru'], ['a/lstm', 'b/lstm'])
    """
    parts = [path.resolve().parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError("the same folder twice; each model once")


def time_clips(recognizers: Mapping[str, Recognizer], *, rounds: int) -> dict[str, float]:
    """Milliseconds from the features of one clip to its scores: the median of `rounds`, on one thread.

    Models take turns, so that a moment in which the machine is busy hits them all.
    """
    import torch

    clips = {
        name: np.zeros((1, r.config.num_frames, *r.config.feature_shape), np.float32) for name, r in recognizers.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in recognizers}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(_WARM_UPS + rounds):
            for name, recognizer in recognizers.items():
                began = time.perf_counter()
                recognizer.score(clips[name])
                taken[name].append(1000 * (time.perf_counter() - began))
    finally:
        torch.set_num_threads(before)
    return {name: float(np.median(values[_WARM_UPS:])) for name, values in taken.items()}


def rank(model: Evaluation, scoring: ActionScoring) -> dict[str, Ranked]:
    """Where the truth stands among the answers of a model, for each target."""
    scores = {target: part.scores for target, part in model.targets.items()}
    labels = {target: part.labels for target, part in model.targets.items()}
    return rank_answers(scores, labels, action_scoring=scoring)


def best_of(ranks: dict[str, dict[str, Ranked]]) -> str:
    """The model that is right most often about what all of them know: actions, else verbs, else nouns."""
    known = [t for t in ("action", "verb", "noun") if all(t in of_model for of_model in ranks.values())]
    if not known:
        raise ValueError("--against best: the models have no target in common")
    return max(ranks, key=lambda name: int((ranks[name][known[0]].better < 1).sum()))


def measure_costs(candidates: dict[str, Evaluation], rounds: int) -> dict[str, dict[str, Any]]:
    """Size, training time and inference time, where the run is at hand: an evaluation may have been handed on."""
    runs = {name: c.run for name, c in candidates.items() if c.run is not None and (c.run / CONFIG_NAME).is_file()}
    recognizers = {name: load_run(run).recognizer for name, run in runs.items()}
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


def flatten(model: dict[str, Any]) -> dict[str, Any]:
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
