"""What `egoact demo` left on disk, read and checked; knows nothing about pages."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.accuracy import predict_classes
from egoact.core.metrics.evaluation_files import Evaluation, TrainedRun, read_evaluation, read_run
from egoact.core.metrics.scores import load_scores
from egoact.media.sources import MediaRoot
from egoact.report.page import written_by


@dataclass(frozen=True)
class HeadResult:
    """One head of the demo: how it was trained, and what it answers in the unseen kitchen.

    `backwards` are its verbs, (N,), for the same clips with their frames in reverse.
    """

    name: str
    evaluation: Evaluation
    run: TrainedRun
    backwards: npt.NDArray[np.int64]


@dataclass(frozen=True)
class DemoResult:
    """A finished demo: its heads in the order of training, and the seconds that each step took.

    `shown` is the head to look at more closely, `blind` the head that cannot see order, or None. `reversed_pairs` are
    verbs that are each other played backwards. `timeline` has the metrics of the recording in the folder timeline.
    """

    out: Path
    heads: tuple[HeadResult, ...]
    shown: HeadResult
    blind: HeadResult | None
    num_videos: int
    backbone: str
    seconds: dict[str, float]
    reversed_pairs: tuple[tuple[str, str], ...]
    timeline: dict[str, Any]

    @cached_property
    def videos(self) -> MediaRoot:
        """Its recordings."""
        return MediaRoot(self.out / "kitchen" / "videos")

    @property
    def reverse(self) -> dict[str, str]:
        """Verb -> the verb that it is backwards."""
        return dict(self.reversed_pairs) | {b: a for a, b in self.reversed_pairs}


def read_demo(out: Path) -> DemoResult:
    """Read everything."""
    path = out / "demo.json"
    described = read_json(path)
    with written_by("demo", path):
        heads = {str(name): _read_head(out, name) for name in described["heads"]}
        blind = described["order_blind_head"]
        return DemoResult(
            out=out,
            heads=tuple(heads.values()),
            shown=heads[described["shown_head"]],
            blind=None if blind is None else heads[blind],
            num_videos=int(described["videos"]),
            backbone=str(described["backbone"]),
            seconds=_read_seconds(out / "timings.json"),
            reversed_pairs=tuple((str(a), str(b)) for a, b in described["reversed_pairs"]),
            timeline=read_json(out / "timeline" / "evaluation" / "metrics.json"),
        )


def _read_head(out: Path, name: str) -> HeadResult:
    evaluation = read_evaluation(out / "evaluations" / name)
    path = evaluation.path / "backwards.npz"
    scores = load_scores(path)
    if set(evaluation.targets) != {"verb", "noun"} or scores.verb is None:
        raise ArtifactError("the demo needs verbs and nouns; run it again", path=evaluation.path)
    if scores.narration_ids != evaluation.narration_ids:
        raise ArtifactError("other segments than in scores.npz; run egoact demo again", path=path)
    return HeadResult(name, evaluation, read_run(out / "runs" / name), predict_classes(scores.verb))


def _read_seconds(path: Path) -> dict[str, float]:
    timings = read_json(path)
    with written_by("demo", path, advice="delete it"):
        seconds = {str(step["name"]): float(step["seconds"]) for step in timings["steps"]}
        if not all(math.isfinite(value) and value >= 0 for value in seconds.values()):
            raise ValueError("seconds that are no durations")
    return seconds
