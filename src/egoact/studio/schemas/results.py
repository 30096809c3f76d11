"""How good runs are: confusions, mistakes, comparisons, learning curves."""

from typing import Literal

from egoact.studio.schemas.messages import Answer


class Clip(Answer):
    """A stretch of a recording, to be played."""

    recording_id: str
    start_seconds: float
    stop_seconds: float
    truth: str | None
    found: str | None
    confidence: float | None


class ConfusionCell(Answer):
    """How often one class was found where another is labelled; None stands for background."""

    truth: str | None
    found: str | None
    count: int
    clips: list[Clip]


class Confusion(Answer):
    """Labelled segments against what a run found there."""

    run: str
    annotator: str
    target: Literal["verb", "noun", "action"]
    names: list[str]
    cells: list[ConfusionCell]
    recordings: list[str]
    """Which recordings were compared: each answered without having been learned from."""
    seen_recordings: list[str]
    """Left out: the run learned from these, and no answer of it without them is known."""


class Mistakes(Answer):
    """The most confident mistakes first."""

    run: str
    annotator: str
    mistakes: list[Clip]


class MetricComparison(Answer):
    """One number of two runs."""

    name: str
    first: float
    second: float
    difference: float


class RunComparison(Answer):
    """Two runs on the same held-out recordings; or, where those differ, each on its own."""

    first: str
    second: str
    is_same_recordings: bool
    metrics: list[MetricComparison]


class CurvePoint(Answer):
    """Quality with so many labelled recordings."""

    num_recordings: float
    value: float
    low: float | None
    high: float | None


class LearningCurve(Answer):
    """How much must be labelled."""

    job: int
    annotator: str
    metric: str
    measured: list[CurvePoint]
    extrapolated: list[CurvePoint]
    verdict: str
