"""The models that `egoact compare` is given: their answers to the same segments, in the same order."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from egoact.core.accuracy import predict_classes
from egoact.core.errors import ArtifactError
from egoact.core.evaluation_files import Evaluation, TargetResult, read_evaluation
from egoact.core.segments import read_segments
from egoact.models.recognizer import CONFIG_NAME, Recognizer
from egoact.stages._features import choose_stores
from egoact.stages.evaluate import EVALUATION_NAME, score_segments

_WARM_UPS = 5


def read_candidate(path: Path, *, segments: Path | None, features: tuple[Path, ...]) -> Evaluation:
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
    if segments is None or not features:
        raise ValueError(f"{path} is a run: give --segments and --features to measure it, or its evaluation folder")
    return _answer(path, segments, features)


def _answer(run: Path, segments: Path, features: tuple[Path, ...]) -> Evaluation:
    table = read_segments(segments)
    config = Recognizer.load(run).config
    scores = score_segments(run, table, choose_stores(config, features))
    targets: dict[str, TargetResult] = {}
    for target, vocabulary in config.vocabularies.items():
        labels = vocabulary.encode(table, allow_unlabelled=False)
        values = scores.by_target()[target]
        targets[target] = TargetResult(vocabulary.names, labels, predict_classes(values), values)
    video_ids = tuple(segment.video_id for segment in table)
    return Evaluation(run, str(run), str(segments), {}, scores.narration_ids, targets, video_ids, run)


def align(candidate: Evaluation, first: Evaluation) -> Evaluation:
    """The same answers in the order of the first candidate's segments.

    Raises:
        ArtifactError: Other segments, or other labels for them.
    """
    row_of = {narration_id: row for row, narration_id in enumerate(candidate.narration_ids)}
    missing = [name for name in first.narration_ids if name not in row_of]
    if missing or len(row_of) != len(first.narration_ids):
        odd = missing or sorted(set(row_of) - set(first.narration_ids))
        reason = (
            f"answers {len(row_of)} segments, {first.path} {len(first.narration_ids)}, and {odd[0]} is only in one of "
            "them; compare models on the same segments"
        )
        raise ArtifactError(reason, path=candidate.path)
    rows = np.array([row_of[name] for name in first.narration_ids])
    targets = {
        target: TargetResult(part.names, part.labels[rows], part.predictions[rows], part.scores[rows])
        for target, part in candidate.targets.items()
    }
    for target in targets.keys() & first.targets.keys():
        _check_same_truth(candidate.path, first, target, targets[target])
    video_ids = tuple(candidate.video_ids[row] for row in rows)
    return replace(candidate, narration_ids=first.narration_ids, video_ids=video_ids, targets=targets)


def _check_same_truth(path: Path, first: Evaluation, target: str, part: TargetResult) -> None:
    """Class ids may differ, what they mean may not."""
    theirs = first.targets[target]
    for name, ours, other in zip(first.narration_ids, part.labels, theirs.labels, strict=True):
        if part.names[ours] != theirs.names[other]:
            reason = (
                f"{name} is labelled {target} '{part.names[ours]}' here and '{theirs.names[other]}' in {first.path}; "
                "compare models on the same labels"
            )
            raise ArtifactError(reason, path=path)


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
