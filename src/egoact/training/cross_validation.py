"""An estimate that nothing was chosen by: every recording is answered once by a run that never saw it.

Clinical studies leave out whole persons, since who wears the camera matters as much as what is done. Runs that differ
in their seed alone are summed up in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable, split_into_folds
from egoact.core.bounds import load_json
from egoact.core.files import write_json
from egoact.core.metrics.accuracy import matthews_correlation
from egoact.training.run_folder import METRICS_NAME

SEEDS_NAME = "seeds.json"


@dataclass(frozen=True)
class Folds:
    """Groups of recordings that are left out in turn.

    Args:
        by: "person", where there are enough of them, or "recording".
        videos: The recordings of each fold.
    """

    by: Literal["person", "recording"]
    videos: tuple[tuple[str, ...], ...]


def choose_folds(table: SegmentTable, *, num_folds: int, seed: int) -> Folds:
    """Folds that divide no person, or no recording where there are fewer persons than folds.

    Raises:
        ValueError: Fewer recordings than folds.
    """
    person_of = {segment.video_id: segment.participant_id for segment in table}
    if len(set(person_of.values())) < num_folds:
        return Folds("recording", split_into_folds([s.video_id for s in table], num_folds=num_folds, seed=seed))
    persons = split_into_folds([s.participant_id for s in table], num_folds=num_folds, seed=seed)
    return Folds("person", tuple(tuple(v for v in sorted(person_of) if person_of[v] in fold) for fold in persons))


def measure_fold(
    scores: Mapping[str, np.ndarray | None], table: SegmentTable, vocabularies: Mapping[Target, Vocabulary]
) -> dict[str, dict[str, float]]:
    """Top-1 accuracy (percent) and Matthews correlation (-1 to 1) of each target; of actions both must be right.

    `scores` are those of the N segments by a run that was not trained on them, (N, C) of each target.
    """
    right = np.ones(len(table), dtype=bool)
    found = {}
    for target, vocabulary in vocabularies.items():
        labels, values = vocabulary.encode(table, allow_unlabelled=False), scores[target]
        assert values is not None
        answers = values.argmax(axis=1)
        right &= answers == labels
        found[str(target)] = {
            "top1": float(100 * np.mean(answers == labels)),
            "matthews": matthews_correlation(answers, labels),
        }
    return found | ({"action": {"top1": float(100 * right.mean())}} if len(found) == 2 else {})


def summarize(measured: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Target -> measure -> mean and standard deviation over the folds, or over the seeds."""
    return {
        target: {
            name: {
                "mean": float(np.mean([fold[target][name] for fold in measured])),
                "sd": float(np.std([fold[target][name] for fold in measured], ddof=1)),
            }
            for name in measures
        }
        for target, measures in measured[0].items()
    }


def describe_folds(folds: Folds, summary: Mapping[str, Any]) -> str:
    """One line a target, for a terminal."""
    lines = [describe_target(target, measures) for target, measures in summary.items()]
    return "\n".join([*lines, f"over {len(folds.videos)} folds, each {folds.by} left out once"])


def describe_target(target: str, measures: Mapping[str, Any]) -> str:
    """What `summarize` says of one target."""
    top1 = measures["top1"]
    line = f"{target}: top-1 {top1['mean']:.1f} +- {top1['sd']:.1f} %"
    if "matthews" in measures:
        line += f", Matthews correlation {measures['matthews']['mean']:.2f} +- {measures['matthews']['sd']:.2f}"
    return line


def summarize_seeds(out: Path, runs: Sequence[Path], *, seeds: Sequence[int]) -> str:
    """Write the means and standard deviations of the runs' validation metrics; gives a line a target."""
    measured = [load_json(run / METRICS_NAME) for run in runs]
    targets = [target for target in ("verb", "noun", "action") if target in measured[0]]
    numbers = [
        {t: {k: v for k, v in metrics[t].items() if isinstance(v, int | float)} for t in targets}
        for metrics in measured
    ]
    summary = summarize(numbers)
    content = {"seeds": list(seeds), "num_segments": measured[0]["num_segments"], "summary": summary}
    write_json(out / SEEDS_NAME, content)
    return "\n".join(f"{describe_target(t, measures)}, over {len(runs)} seeds" for t, measures in summary.items())


def mean_of_seeds(out: Path) -> dict[str, Any]:
    """What the runs reach in the mean, as the metrics.json of one has it."""
    found = load_json(out / SEEDS_NAME)
    means = {t: {name: each["mean"] for name, each in m.items()} for t, m in found["summary"].items()}
    return {"num_segments": found["num_segments"], **means}
